#include <cmath>

#include "kernels/adam.h"
#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"

namespace swag::cuda {
namespace {

/// What is the same for all elements, in torch's order of operations.
struct AdamFactors {
  float step_size, root_correction, beta1, rest1, beta2, rest2, epsilon;
};

/// A thread moves kWidth pixels' values and their moments: the whole step is one kernel.
/// Grid: count / (256 kWidth) x block 256. No shared memory. Bound by bytes: 28 per element.
template <int kWidth>
__global__ void __launch_bounds__(kElementThreads)
    adam_step_kernel(float* x, float* m, float* v, const float* g, AdamFactors factors, int64_t count) {
  for_each_group<kWidth>(count, [&](int64_t i) {
    Floats<kWidth> point = load_some<kWidth>(x, i, count, 0), first = load_some<kWidth>(m, i, count, 0),
                   second = load_some<kWidth>(v, i, count, 0);
    const Floats<kWidth> gradient = load_some<kWidth>(g, i, count, 0);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      first.at[k] = factors.beta1 * first.at[k] + factors.rest1 * gradient.at[k];
      second.at[k] = factors.beta2 * second.at[k] + factors.rest2 * gradient.at[k] * gradient.at[k];
      point.at[k] -=
          factors.step_size * first.at[k] / (sqrtf(second.at[k]) / factors.root_correction + factors.epsilon);
    }
    store_some(m, i, count, first);
    store_some(v, i, count, second);
    store_some(x, i, count, point);
  });
}

}  // namespace

// ---------------------------------------------------------------- launchers

void adam_step(float* x, float* m, float* v, const float* g, const AdamParams& params, int64_t count,
               Stream stream) {
  if (count == 0) return;
  // Bias corrections are taken in double and folded into two factors.
  const double t = static_cast<double>(params.step);
  AdamFactors factors;
  factors.step_size = static_cast<float>(params.learning_rate / (1 - std::pow(params.beta1, t)));
  factors.root_correction = static_cast<float>(std::sqrt(1 - std::pow(params.beta2, t)));
  factors.beta1 = static_cast<float>(params.beta1), factors.rest1 = static_cast<float>(1 - params.beta1);
  factors.beta2 = static_cast<float>(params.beta2), factors.rest2 = static_cast<float>(1 - params.beta2);
  factors.epsilon = static_cast<float>(params.epsilon);
  if (fits_float4({}, {x, m, v, g})) {
    launch(adam_step_kernel<4>, dense_grid(count, 4), dim3(kElementThreads), 0, stream, x, m, v, g, factors,
           count);
  } else {
    launch(adam_step_kernel<1>, dense_grid(count, 1), dim3(kElementThreads), 0, stream, x, m, v, g, factors,
           count);
  }
}

}  // namespace swag::cuda
