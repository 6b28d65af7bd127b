#include <algorithm>
#include <cmath>

#include "kernels/adam.h"
#include "kernels/cpu/thread_pool.h"

namespace swag::cpu {
namespace {

constexpr int kPeriod = 48;                // elements after which channels and vectors begin anew
constexpr int64_t kRange = kPeriod * 342;  // elements of one task

/// What a channel has for itself, for kPeriod elements in a row, so that no element asks for its channel.
template <typename T>
struct ByElement {
  explicit ByElement(const double (&channels)[3], double factor = 1) {
    for (int i = 0; i < kPeriod; ++i) at[i] = static_cast<T>(channels[i % 3] * factor);
  }
  T at[kPeriod];
};

}  // namespace

template <typename T>
void adam_step(T* x, T* m, T* v, const T* g, const AdamParams& params, int64_t count, Stream stream) {
  // Bias corrections are taken in double and folded into two factors, in torch's order, so that float agrees
  // too.
  const double t = static_cast<double>(params.step);
  const ByElement<T> step_size(params.rates, params.learning_rate / (1 - std::pow(params.beta1, t))),
      lowest(params.lowest), highest(params.highest);
  const T root_correction = static_cast<T>(std::sqrt(1 - std::pow(params.beta2, t)));
  const T beta1 = static_cast<T>(params.beta1), rest1 = static_cast<T>(1 - params.beta1);
  const T beta2 = static_cast<T>(params.beta2), rest2 = static_cast<T>(1 - params.beta2);
  const T epsilon = static_cast<T>(params.epsilon);
  parallel_ranges(stream, count, kRange, [&](int64_t begin, int64_t end) {
    for (int64_t start = begin; start < end; start += kPeriod) {
      const int length = static_cast<int>(std::min<int64_t>(kPeriod, end - start));
      for (int k = 0; k < length; ++k) {
        const int64_t i = start + k;
        const T gradient = g[i];
        const T first = beta1 * m[i] + rest1 * gradient;
        const T second = beta2 * v[i] + rest2 * gradient * gradient;
        m[i] = first;
        v[i] = second;
        const T next = x[i] - step_size.at[k] * first / (std::sqrt(second) / root_correction + epsilon);
        x[i] = next < lowest.at[k] ? lowest.at[k] : next > highest.at[k] ? highest.at[k] : next;  // NaN stays
      }
    }
  });
}

template void adam_step(float*, float*, float*, const float*, const AdamParams&, int64_t, Stream);
template void adam_step(double*, double*, double*, const double*, const AdamParams&, int64_t, Stream);

}  // namespace swag::cpu
