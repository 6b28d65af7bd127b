#include "kernels/batch_norm.h"
#include "kernels/cpu/elementwise.h"

namespace swag::cpu {

template <typename T>
void batch_norm_forward(T* y, const T* x, const T* scale, const T* shift, const BatchNormParams& params,
                        Stream stream) {
  parallel_ranges(stream, params.pixels, pixel_grain(params.c), [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      const T* x_pixel = x + pixel * params.x_pitch;
      store_elements(y + pixel * params.y_pitch, 0, params.c,
                     [&](int64_t k) { return x_pixel[k] * scale[k] + shift[k]; });
    }
  });
}

template <typename T>
void batch_norm_backward(T* dx, const T* dy, const T* scale, const BatchNormParams& params, Stream stream) {
  parallel_ranges(stream, params.pixels, pixel_grain(params.c), [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      const T* dy_pixel = dy + pixel * params.y_pitch;
      store_elements(dx + pixel * params.x_pitch, 0, params.c,
                     [&](int64_t k) { return dy_pixel[k] * scale[k]; });
    }
  });
}

template void batch_norm_forward(float*, const float*, const float*, const float*, const BatchNormParams&,
                                 Stream);
template void batch_norm_forward(double*, const double*, const double*, const double*, const BatchNormParams&,
                                 Stream);
template void batch_norm_backward(float*, const float*, const float*, const BatchNormParams&, Stream);
template void batch_norm_backward(double*, const double*, const double*, const BatchNormParams&, Stream);

}  // namespace swag::cpu
