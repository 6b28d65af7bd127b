#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/mask.h"
#include "kernels/relu.h"

namespace swag::cuda {
namespace {

constexpr int kWordBits = 32;
constexpr int kNibblesPerWord = 8;  // neighbouring threads with four channels each share a mask word

/// A warp makes the values and the mask word of 32 channels of a pixel.
/// Grid: pixels / 8 x block: 32 channels, 8 pixels. No shared memory. Bound by bytes: 8 per channel and
/// 1/8 of mask.
template <typename T>
__global__ void __launch_bounds__(kElementThreads)
    relu_forward_kernel(T* y, uint32_t* mask, const T* x, ReluParams params) {
  const int words = (params.c + kWordBits - 1) / kWordBits;
  // Units of a whole word: all lanes of a warp pass the vote together, the last word's spare lanes with 0.
  for_each_unit(params.pixels, words * kWordBits, [&](int64_t pixel, int channel) {
    float value = 0;
    if (channel < params.c) {
      value = load<1>(x + pixel * params.x_pitch + channel).at[0];
      value = value < 0 ? 0 : value;
      store(y + pixel * params.y_pitch + channel, Floats<1>{{value}});
    }
    const unsigned bits = __ballot_sync(0xffffffffu, value > 0);
    if (mask != nullptr && threadIdx.x == 0) mask[pixel * words + channel / kWordBits] = bits;
  });
}

/// A thread makes four channels; eight threads put their four bits each together into a mask word.
/// Grid: pixels / y x block: x groups of four channels, y pixels, 256 threads. No shared memory. Bound by
/// bytes: 8 per channel and 1/8 of mask.
template <typename T>
__global__ void __launch_bounds__(kElementThreads)
    relu_forward_vector_kernel(T* y, uint32_t* mask, const T* x, ReluParams params) {
  const unsigned lane = (threadIdx.y * blockDim.x + threadIdx.x) % 32;
  const unsigned group = 0xffu << (lane / kNibblesPerWord * kNibblesPerWord);  // of eight lanes
  const int words = (params.c + kWordBits - 1) / kWordBits;
  for_each_unit(params.pixels, params.c / 4, [&](int64_t pixel, int unit) {
    Floats<4> v = load<4>(x + pixel * params.x_pitch + 4 * unit);
    unsigned bits = 0;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      v.at[k] = v.at[k] < 0 ? 0 : v.at[k];
      bits |= static_cast<unsigned>(v.at[k] > 0) << k;
    }
    store(y + pixel * params.y_pitch + 4 * unit, v);
    if (mask != nullptr) {
      bits <<= 4 * (lane % kNibblesPerWord);
      for (int step = 1; step < kNibblesPerWord; step *= 2) bits |= __shfl_xor_sync(group, bits, step);
      if (lane % kNibblesPerWord == 0) mask[pixel * words + unit / kNibblesPerWord] = bits;
    }
  });
}

/// A thread makes kWidth channels of dx.
/// Grid: pixels / y x block: x groups of channels, y pixels, 256 threads. No shared memory. Bound by bytes:
/// 8 per channel and 1/8 of mask, which neighbouring threads read together.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kElementThreads)
    relu_backward_kernel(T* dx, const T* dy, const uint32_t* mask, ReluParams params) {
  const int words = (params.c + kWordBits - 1) / kWordBits;
  for_each_unit(params.pixels, params.c / kWidth, [&](int64_t pixel, int unit) {
    const int channel = unit * kWidth;
    const uint32_t bits = mask[pixel * words + channel / kWordBits] >> (channel % kWordBits);
    Floats<kWidth> v = load<kWidth>(dy + pixel * params.y_pitch + channel);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) v.at[k] = (bits >> k & 1u) != 0 ? v.at[k] : 0;
    store(dx + pixel * params.x_pitch + channel, v);
  });
}

}  // namespace

// ---------------------------------------------------------------- launchers

template <typename T>
void relu_forward(T* y, uint32_t* mask, const T* x, const ReluParams& params, Stream stream) {
  if (params.pixels == 0 || params.c == 0) return;
  const bool whole_words = mask == nullptr || params.c % kWordBits == 0;
  if (whole_words && fits_float4({params.c, params.x_pitch, params.y_pitch}, {x, y})) {
    const dim3 block = map_block(params.c / 4);
    launch(relu_forward_vector_kernel<T>, map_grid(params.pixels, block), block, 0, stream, y, mask, x,
           params);
  } else {
    const dim3 block(kWordBits, kElementThreads / kWordBits);
    launch(relu_forward_kernel<T>, map_grid(params.pixels, block), block, 0, stream, y, mask, x, params);
  }
}
template void relu_forward(float*, uint32_t*, const float*, const ReluParams&, Stream);
template void relu_forward(Float16*, uint32_t*, const Float16*, const ReluParams&, Stream);

template <typename T>
void relu_backward(T* dx, const T* dy, const uint32_t* mask, const ReluParams& params, Stream stream) {
  if (params.pixels == 0 || params.c == 0) return;
  const bool vector = fits_float4({params.c, params.x_pitch, params.y_pitch}, {dx, dy});
  const dim3 block = map_block(vector ? params.c / 4 : params.c);
  launch(vector ? relu_backward_kernel<4, T> : relu_backward_kernel<1, T>, map_grid(params.pixels, block),
         block, 0, stream, dx, dy, mask, params);
}
template void relu_backward(float*, const float*, const uint32_t*, const ReluParams&, Stream);
template void relu_backward(BFloat16*, const BFloat16*, const uint32_t*, const ReluParams&, Stream);

}  // namespace swag::cuda
