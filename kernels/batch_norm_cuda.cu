#include "kernels/batch_norm.h"
#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"

namespace swag::cuda {
namespace {

/// A thread makes kWidth channels of y.
/// Grid: pixels / y x block: x groups of channels, y pixels, 256 threads. No shared memory: scale and shift
/// stay in the first-level cache. Bound by bytes: 8 per channel.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kElementThreads)
    batch_norm_forward_kernel(T* y, const T* x, const float* scale, const float* shift,
                              BatchNormParams params) {
  for_each_unit(params.pixels, params.c / kWidth, [&](int64_t pixel, int unit) {
    const int channel = unit * kWidth;
    Floats<kWidth> v = load<kWidth>(x + pixel * params.x_pitch + channel);
    const Floats<kWidth> factor = load<kWidth>(scale + channel), addend = load<kWidth>(shift + channel);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) v.at[k] = v.at[k] * factor.at[k] + addend.at[k];
    store(y + pixel * params.y_pitch + channel, v);
  });
}

/// A thread makes kWidth channels of dx. Grid, block and bound as forward.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kElementThreads)
    batch_norm_backward_kernel(T* dx, const T* dy, const float* scale, BatchNormParams params) {
  for_each_unit(params.pixels, params.c / kWidth, [&](int64_t pixel, int unit) {
    const int channel = unit * kWidth;
    Floats<kWidth> v = load<kWidth>(dy + pixel * params.y_pitch + channel);
    const Floats<kWidth> factor = load<kWidth>(scale + channel);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) v.at[k] *= factor.at[k];
    store(dx + pixel * params.x_pitch + channel, v);
  });
}

}  // namespace

// ---------------------------------------------------------------- launchers

template <typename T>
void batch_norm_forward(T* y, const T* x, const float* scale, const float* shift,
                        const BatchNormParams& params, Stream stream) {
  if (params.pixels == 0 || params.c == 0) return;
  const bool vector = fits_float4({params.c, params.x_pitch, params.y_pitch}, {x, y, scale, shift});
  const dim3 block = map_block(vector ? params.c / 4 : params.c);
  launch(vector ? batch_norm_forward_kernel<4, T> : batch_norm_forward_kernel<1, T>,
         map_grid(params.pixels, block), block, 0, stream, y, x, scale, shift, params);
}
template void batch_norm_forward(float*, const float*, const float*, const float*, const BatchNormParams&,
                                 Stream);
template void batch_norm_forward(Tf32*, const Tf32*, const float*, const float*, const BatchNormParams&,
                                 Stream);
template void batch_norm_forward(Float16*, const Float16*, const float*, const float*, const BatchNormParams&,
                                 Stream);

template <typename T>
void batch_norm_backward(T* dx, const T* dy, const float* scale, const BatchNormParams& params,
                         Stream stream) {
  if (params.pixels == 0 || params.c == 0) return;
  const bool vector = fits_float4({params.c, params.x_pitch, params.y_pitch}, {dx, dy, scale});
  const dim3 block = map_block(vector ? params.c / 4 : params.c);
  launch(vector ? batch_norm_backward_kernel<4, T> : batch_norm_backward_kernel<1, T>,
         map_grid(params.pixels, block), block, 0, stream, dx, dy, scale, params);
}
template void batch_norm_backward(float*, const float*, const float*, const BatchNormParams&, Stream);
template void batch_norm_backward(Tf32*, const Tf32*, const float*, const BatchNormParams&, Stream);
template void batch_norm_backward(BFloat16*, const BFloat16*, const float*, const BatchNormParams&, Stream);

}  // namespace swag::cuda
