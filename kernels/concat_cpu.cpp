#include "kernels/concat.h"
#include "kernels/cpu/elementwise.h"

namespace swag::cpu {

template <typename T>
void copy_channels(T* y, const T* x, const CopyChannelsParams& params, Stream stream) {
  parallel_ranges(stream, params.pixels, pixel_grain(params.c), [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      std::copy_n(x + pixel * params.x_pitch, params.c, y + pixel * params.y_pitch);
    }
  });
}

template void copy_channels(float*, const float*, const CopyChannelsParams&, Stream);
template void copy_channels(double*, const double*, const CopyChannelsParams&, Stream);

}  // namespace swag::cpu
