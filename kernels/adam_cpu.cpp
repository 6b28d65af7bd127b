#include <cmath>

#include "kernels/adam.h"
#include "kernels/cpu/thread_pool.h"

namespace swag::cpu {
namespace {

constexpr int64_t kRange = 1 << 14;  // elements of one task

}  // namespace

template <typename T>
void adam_step(T* x, T* m, T* v, const T* g, const AdamParams& params, int64_t count, Stream stream) {
  // Bias corrections are taken in double and folded into two factors, in torch's order, so that float agrees
  // too.
  const double t = static_cast<double>(params.step);
  const T step_size = static_cast<T>(params.learning_rate / (1 - std::pow(params.beta1, t)));
  const T root_correction = static_cast<T>(std::sqrt(1 - std::pow(params.beta2, t)));
  const T beta1 = static_cast<T>(params.beta1), rest1 = static_cast<T>(1 - params.beta1);
  const T beta2 = static_cast<T>(params.beta2), rest2 = static_cast<T>(1 - params.beta2);
  const T epsilon = static_cast<T>(params.epsilon);
  parallel_ranges(stream, count, kRange, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T gradient = g[i];
      const T first = beta1 * m[i] + rest1 * gradient;
      const T second = beta2 * v[i] + rest2 * gradient * gradient;
      m[i] = first;
      v[i] = second;
      x[i] -= step_size * first / (std::sqrt(second) / root_correction + epsilon);
    }
  });
}

template void adam_step(float*, float*, float*, const float*, const AdamParams&, int64_t, Stream);
template void adam_step(double*, double*, double*, const double*, const AdamParams&, int64_t, Stream);

}  // namespace swag::cpu
