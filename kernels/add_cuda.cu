#include "kernels/add.h"
#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"

namespace swag::cuda {
namespace {

/// A thread makes kWidth channels.
/// Grid: pixels / y x block: x groups of channels, y pixels, 256 threads. No shared memory. Bound by bytes:
/// 12 per channel.
template <int kWidth, typename T, typename B>
__global__ void __launch_bounds__(kElementThreads)
    add_forward_kernel(T* y, const T* a, const B* b, AddParams params) {
  for_each_unit(params.pixels, params.c / kWidth, [&](int64_t pixel, int unit) {
    const int channel = unit * kWidth;
    Floats<kWidth> sum = load<kWidth>(a + pixel * params.a_pitch + channel);
    const Floats<kWidth> addend = load<kWidth>(b + pixel * params.b_pitch + channel);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) sum.at[k] += addend.at[k];
    store(y + pixel * params.y_pitch + channel, sum);
  });
}

}  // namespace

// ---------------------------------------------------------------- launchers

template <typename T, typename B>
void add_forward(T* y, const T* a, const B* b, const AddParams& params, Stream stream) {
  if (params.pixels == 0 || params.c == 0) return;
  const bool vector = fits_float4({params.c, params.a_pitch, params.b_pitch, params.y_pitch}, {a, b, y});
  const dim3 block = map_block(vector ? params.c / 4 : params.c);
  launch(vector ? add_forward_kernel<4, T, B> : add_forward_kernel<1, T, B>, map_grid(params.pixels, block),
         block, 0, stream, y, a, b, params);
}
template void add_forward(float*, const float*, const float*, const AddParams&, Stream);
template void add_forward(Tf32*, const Tf32*, const Tf32*, const AddParams&, Stream);
template void add_forward(Float16*, const Float16*, const Float16*, const AddParams&, Stream);
template void add_forward(BFloat16*, const BFloat16*, const BFloat16*, const AddParams&, Stream);
template void add_forward(BFloat16*, const BFloat16*, const float*, const AddParams&, Stream);

}  // namespace swag::cuda
