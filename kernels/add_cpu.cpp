#include "kernels/add.h"
#include "kernels/cpu/elementwise.h"

namespace swag::cpu {

template <typename T>
void add_forward(T* y, const T* a, const T* b, const AddParams& params, Stream stream) {
  parallel_ranges(stream, params.pixels, pixel_grain(params.c), [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      const T* a_pixel = a + pixel * params.a_pitch;
      const T* b_pixel = b + pixel * params.b_pitch;
      store_elements(y + pixel * params.y_pitch, 0, params.c,
                     [&](int64_t k) { return a_pixel[k] + b_pixel[k]; });
    }
  });
}

template void add_forward(float*, const float*, const float*, const AddParams&, Stream);
template void add_forward(double*, const double*, const double*, const AddParams&, Stream);

}  // namespace swag::cpu
