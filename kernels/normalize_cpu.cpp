#include "kernels/cpu/elementwise.h"
#include "kernels/normalize.h"

namespace swag::cpu {

template <typename T>
void normalize(T* y, const float* rgb, int64_t pixels, Stream stream) {
  parallel_elements(stream, y, pixels * 3,
                    [&](int64_t i) { return static_cast<T>(normalized(rgb[i], static_cast<int>(i % 3))); });
}

template <typename T>
void denormalize(float* rgb, const T* x, int64_t pixels, Stream stream) {
  parallel_elements(stream, rgb, pixels * 3,
                    [&](int64_t i) { return denormalized(x[i], static_cast<int>(i % 3)); });
}

template void normalize(float*, const float*, int64_t, Stream);
template void normalize(double*, const float*, int64_t, Stream);
template void denormalize(float*, const float*, int64_t, Stream);
template void denormalize(float*, const double*, int64_t, Stream);

}  // namespace swag::cpu
