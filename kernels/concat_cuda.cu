#include "kernels/concat.h"
#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"

namespace swag::cuda {
namespace {

/// A thread copies kWidth channels.
/// Grid: pixels / y x block: x groups of channels, y pixels, 256 threads. No shared memory. Bound by bytes:
/// 8 per channel.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kElementThreads)
    copy_channels_kernel(T* y, const T* x, CopyChannelsParams params) {
  for_each_unit(params.pixels, params.c / kWidth, [&](int64_t pixel, int unit) {
    const int channel = unit * kWidth;
    store(y + pixel * params.y_pitch + channel, load<kWidth>(x + pixel * params.x_pitch + channel));
  });
}

}  // namespace

// ---------------------------------------------------------------- launchers

template <typename T>
void copy_channels(T* y, const T* x, const CopyChannelsParams& params, Stream stream) {
  if (params.pixels == 0 || params.c == 0) return;
  const bool vector = fits_float4({params.c, params.x_pitch, params.y_pitch}, {x, y});
  const dim3 block = map_block(vector ? params.c / 4 : params.c);
  launch(vector ? copy_channels_kernel<4, T> : copy_channels_kernel<1, T>, map_grid(params.pixels, block),
         block, 0, stream, y, x, params);
}
template void copy_channels(float*, const float*, const CopyChannelsParams&, Stream);
template void copy_channels(Float16*, const Float16*, const CopyChannelsParams&, Stream);
template void copy_channels(BFloat16*, const BFloat16*, const CopyChannelsParams&, Stream);

}  // namespace swag::cuda
