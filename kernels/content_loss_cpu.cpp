#include "kernels/content_loss.h"
#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/reduce.h"

namespace swag::cpu {

template <typename T>
void content_loss_forward(double* loss, double* inner, const T* s, const T* target, int64_t count,
                          Stream stream) {
  const auto difference = [&](int64_t i) { return static_cast<double>(s[i]) - target[i]; };
  const std::array<double, 2> sums = parallel_sums(
      stream, count, [&](int64_t i) { return difference(i) * difference(i); },
      [&](int64_t i) { return difference(i) * s[i]; });
  *loss = sums[0];
  *inner = sums[1];
}

template <typename T>
void content_loss_backward(T* ds, const T* s, const T* target, double factor, bool accumulate, int64_t count,
                           Stream stream) {
  const T scale = static_cast<T>(factor);
  if (accumulate) {
    parallel_elements(stream, ds, count, [&](int64_t i) { return ds[i] + scale * (s[i] - target[i]); });
  } else {
    parallel_elements(stream, ds, count, [&](int64_t i) { return scale * (s[i] - target[i]); });
  }
}

template void content_loss_forward(double*, double*, const float*, const float*, int64_t, Stream);
template void content_loss_forward(double*, double*, const double*, const double*, int64_t, Stream);
template void content_loss_backward(float*, const float*, const float*, double, bool, int64_t, Stream);
template void content_loss_backward(double*, const double*, const double*, double, bool, int64_t, Stream);

}  // namespace swag::cpu
