#include <cmath>

#include "kernels/adam.h"
#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"

namespace swag::cuda {
namespace {

/// What is the same for all elements, in torch's order of operations.
struct AdamFactors {
  float root_correction, beta1, rest1, beta2, rest2, epsilon;
  float step_size[3], lowest[3], highest[3];  // by channel
};

/// Of the channel of element i, without a table in local memory.
__device__ __forceinline__ float of_channel(const float (&values)[3], int channel) {
  return channel == 0 ? values[0] : channel == 1 ? values[1] : values[2];
}

/// A thread moves kWidth pixels' values and their moments: the whole step is one kernel.
/// Grid: count / (256 kWidth) x block 256. No shared memory. Bound by bytes: 28 per element.
template <int kWidth>
__global__ void __launch_bounds__(kElementThreads)
    adam_step_kernel(float* x, float* m, float* v, const float* g, AdamFactors factors, int64_t count) {
  for_each_group<kWidth>(count, [&](int64_t i) {
    Floats<kWidth> point = load_some<kWidth>(x, i, count, 0), first = load_some<kWidth>(m, i, count, 0),
                   second = load_some<kWidth>(v, i, count, 0);
    const Floats<kWidth> gradient = load_some<kWidth>(g, i, count, 0);
    const int channel = static_cast<int>(i % 3);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const int c = (channel + k) % 3;
      first.at[k] = factors.beta1 * first.at[k] + factors.rest1 * gradient.at[k];
      second.at[k] = factors.beta2 * second.at[k] + factors.rest2 * gradient.at[k] * gradient.at[k];
      const float step = of_channel(factors.step_size, c) * first.at[k] /
                         (sqrtf(second.at[k]) / factors.root_correction + factors.epsilon);
      const float next = point.at[k] - step, lowest = of_channel(factors.lowest, c),
                  highest = of_channel(factors.highest, c);
      point.at[k] = next < lowest ? lowest : next > highest ? highest : next;  // NaN stays
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
  for (int c = 0; c < 3; ++c) {
    factors.step_size[c] =
        static_cast<float>(params.rates[c] * (params.learning_rate / (1 - std::pow(params.beta1, t))));
    factors.lowest[c] = static_cast<float>(params.lowest[c]);
    factors.highest[c] = static_cast<float>(params.highest[c]);
  }
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
