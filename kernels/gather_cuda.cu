#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/gather.h"

namespace swag::cuda {
namespace {

/// A thread copies kWidth channels.
/// Grid: positions / y x block: x groups of channels, y positions, 256 threads. No shared memory. Bound by
/// bytes: 8 per channel.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kElementThreads)
    gather_positions_kernel(T* y, const T* x, const int32_t* positions, GatherParams params) {
  for_each_unit(params.count, params.c / kWidth, [&](int64_t i, int unit) {
    const int channel = unit * kWidth;
    store(y + i * params.c + channel, load<kWidth>(x + int64_t{positions[i]} * params.c + channel));
  });
}

/// The same way back; every position comes once, so that no two threads add to one value.
/// Bound by bytes: 12 per channel.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kElementThreads)
    scatter_positions_kernel(T* dx, const T* dy, const int32_t* positions, GatherParams params) {
  for_each_unit(params.count, params.c / kWidth, [&](int64_t i, int unit) {
    const int channel = unit * kWidth;
    T* to = dx + int64_t{positions[i]} * params.c + channel;
    Floats<kWidth> sum = load<kWidth>(to);
    const Floats<kWidth> more = load<kWidth>(dy + i * params.c + channel);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) sum.at[k] += more.at[k];
    store(to, sum);
  });
}

}  // namespace

// ---------------------------------------------------------------- launchers

template <typename T>
void gather_positions(T* y, const T* x, const int32_t* positions, const GatherParams& params, Stream stream) {
  if (params.count == 0 || params.c == 0) return;
  const bool vector = fits_float4({params.c}, {x, y});
  const dim3 block = map_block(vector ? params.c / 4 : params.c);
  launch(vector ? gather_positions_kernel<4, T> : gather_positions_kernel<1, T>,
         map_grid(params.count, block), block, 0, stream, y, x, positions, params);
}
template void gather_positions(float*, const float*, const int32_t*, const GatherParams&, Stream);
template void gather_positions(Float16*, const Float16*, const int32_t*, const GatherParams&, Stream);

template <typename T>
void scatter_positions(T* dx, const T* dy, const int32_t* positions, const GatherParams& params,
                       Stream stream) {
  if (params.count == 0 || params.c == 0) return;
  const bool vector = fits_float4({params.c}, {dx, dy});
  const dim3 block = map_block(vector ? params.c / 4 : params.c);
  launch(vector ? scatter_positions_kernel<4, T> : scatter_positions_kernel<1, T>,
         map_grid(params.count, block), block, 0, stream, dx, dy, positions, params);
}
template void scatter_positions(float*, const float*, const int32_t*, const GatherParams&, Stream);
template void scatter_positions(Tf32*, const Tf32*, const int32_t*, const GatherParams&, Stream);
template void scatter_positions(BFloat16*, const BFloat16*, const int32_t*, const GatherParams&, Stream);

}  // namespace swag::cuda
