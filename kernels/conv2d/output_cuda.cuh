// What all CUDA convolutions do with a sum on its way to memory, and what their files know of each other.
#pragma once
#include <type_traits>

#include "kernels/conv2d/plan_cuda.h"
#include "kernels/cuda/floats.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/mask.h"

namespace swag::cuda::conv2d {

/// The epilogues of both directions: value = factor * sum + bias + addend; ReLU; mask_in; mask_out; rounding
/// to what y is stored as.
struct Output {
  void* y = nullptr;              // (pixels, channels), pitch
  const float* bias = nullptr;    // (channels)
  const void* addend = nullptr;   // as y; may equal y, so neither is __restrict__
  const float* factor = nullptr;  // (1)
  const uint32_t* mask_in = nullptr;
  uint32_t* mask_out = nullptr;
  int64_t pitch = 0;
  int channels = 0;
  DType type = DType::kFloat32;
  bool relu = false;
  bool vectors = false;  // four channels of y, bias and addend are one aligned access
};

/// `kept`: the bit of mask_in.
__device__ __forceinline__ float finish(float value, float bias, float addend, const Output& o, bool kept) {
  if (o.factor != nullptr) value *= *o.factor;
  value = value + bias + addend;
  if (o.relu && value < 0) value = 0;  // lets NaN through
  return kept ? value : 0;
}

/// Writes kWidth channels of a pixel from `channel` on, which exist, into a map of Y's. `kept`: their bits of
/// mask_in. Returns their bits of mask_out.
template <int kWidth, typename Y>
__device__ __forceinline__ uint32_t write_some(Y* y, const Output& o, int64_t at, int channel,
                                               const float* sum, uint32_t kept) {
  Floats<kWidth> v = {}, bias = {}, addend = {};
  if (o.bias != nullptr) bias = load<kWidth>(o.bias + channel);
  if (o.addend != nullptr) addend = load<kWidth>(static_cast<const Y*>(o.addend) + at);
  uint32_t signs = 0;
#pragma unroll
  for (int j = 0; j < kWidth; ++j) {
    v.at[j] = finish(sum[j], bias.at[j], addend.at[j], o, kept >> j & 1u);
    signs |= v.at[j] > 0 ? 1u << j : 0u;
  }
  if (sizeof(Y) == 4 && o.type == DType::kTf32) {
#pragma unroll
    for (int j = 0; j < kWidth; ++j) v.at[j] = rounded_to_tf32(v.at[j]);
  }
  store(y + at, v);
  return signs;
}

/// The same where the type is known when it runs. For loops that are not unrolled: it is much code.
template <int kWidth>
__device__ __forceinline__ uint32_t write_some(const Output& o, int64_t at, int channel, const float* sum,
                                               uint32_t kept) {
  switch (o.type) {
    case DType::kFloat16: return write_some<kWidth>(static_cast<Float16*>(o.y), o, at, channel, sum, kept);
    case DType::kBFloat16: return write_some<kWidth>(static_cast<BFloat16*>(o.y), o, at, channel, sum, kept);
    default: return write_some<kWidth>(static_cast<float*>(o.y), o, at, channel, sum, kept);
  }
}

/// Writes channels channel to channel + 3 of a pixel, those that exist, into a map of Y's: float stands for
/// TF32 too. `kept`: their four bits of mask_in. Returns the four bits of mask_out.
template <typename Y>
__device__ __forceinline__ uint32_t write_four(const Output& o, int64_t pixel, int channel, float4 four,
                                               uint32_t kept) {
  Y* const y = static_cast<Y*>(o.y);
  const int64_t at = pixel * o.pitch + channel;
  if (o.vectors) {
    const float sum[4] = {four.x, four.y, four.z, four.w};
    return channel < o.channels ? write_some<4>(y, o, at, channel, sum, kept) : 0;
  }
  uint32_t signs = 0;
#pragma unroll 1  // seldom taken, and much code: kernels have it for each of their outputs
  for (int j = 0; j < 4 && channel + j < o.channels; ++j) {
    const float sum = j == 0 ? four.x : j == 1 ? four.y : j == 2 ? four.z : four.w;
    signs |= write_some<1>(y, o, at + j, channel + j, &sum, kept >> j) << j;
  }
  return signs;
}

// ---------------------------------------------------------------- how a warp shares its outputs

constexpr uint32_t kWarp = 0xffffffffu;

/// A warp is 8 lanes of pixels by 4 of channels. Eight lanes in a row have 4 pixels and 2 channels: a quarter
/// of a warp then reads its float4 from different banks. A lane has channels 4 n + 0..3 and 16 + 4 n + 0..3
/// of a pixel, so that four lanes hold a word of the mask.
struct LanePlace {
  int m = 0, n = 0;  // its column of pixels, of channels
};
__device__ __forceinline__ LanePlace place_of_lane(int lane) {
  return {lane / 2 % 8, lane % 2 + lane / 16 * 2};
}
__device__ __forceinline__ int lane_of(int m, int n) { return n % 2 + m * 2 + n / 2 * 16; }

/// Writes the lane's eight channels of a pixel; `channel` is its first. `kept`: the word of mask_in. Returns
/// its eight bits of the word of mask_out.
template <typename Y>
__device__ __forceinline__ uint32_t write_eight(const Output& o, int64_t pixel, int channel, int n,
                                                const float (&sum)[8], uint32_t kept) {
  uint32_t signs = 0;
#pragma unroll
  for (int part = 0; part < 2; ++part) {
    const float* s = &sum[part * 4];
    const int shift = part * 16 + n * 4;
    signs |= write_four<Y>(o, pixel, channel + part * 16, make_float4(s[0], s[1], s[2], s[3]), kept >> shift)
             << shift;
  }
  return signs;
}

/// The word whose bits the four lanes of a pixel have. For whole warps.
__device__ __forceinline__ uint32_t join_word(uint32_t signs) {
  signs |= __shfl_xor_sync(kWarp, signs, 1);
  signs |= __shfl_xor_sync(kWarp, signs, 16);
  return signs;
}

// ---------------------------------------------------------------- host side

/// run(std::integral_constant<int, c>) for an image of c channels: kernels are made for each.
template <typename Run>
void with_image_channels(int c, const Run& run) {
  static_assert(kImageChannels == 4, "a case for each");
  switch (c) {
    case 1: return run(std::integral_constant<int, 1>{});
    case 2: return run(std::integral_constant<int, 2>{});
    case 3: return run(std::integral_constant<int, 3>{});
    default: return run(std::integral_constant<int, 4>{});
  }
}

inline bool is_aligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }

/// One launch of the plain kernel or the GEMM: up to kPhasesPerLaunch phases.
struct GemmArguments {
  const void* x = nullptr;       // (h, w, in), pitch x_pitch
  const void* packed = nullptr;  // see for_each_phase; float, but for the tensor cores
  float* partial = nullptr;      // (split, y_h * y_w, out_padded); only with more than one split
  uint32_t* counters = nullptr;  // of the tensor cores' splits
  Output output;
  int h = 0, w = 0, y_w = 0;
  int64_t y_pixels = 0;
  int64_t x_pitch = 0;
  int in = 0, in_padded = 0, out_padded = 0;
  int splits = 1;
  bool second_pass = false;  // of the GEMM: sums go to `partial`
  Phase phase[kPhasesPerLaunch];
};

/// One phase of a weight that is packed.
struct PackArguments {
  Conv2dLayer layer;
  Phase phase;
  bool forward = true;
  int in = 0, in_padded = 0, out = 0, out_padded = 0;
  float factor = 1;              // of every weight
  const float* range = nullptr;  // (1), the same; null: 1
  int64_t count = 0;
};

inline PackArguments pack_arguments(const Gemm& gemm, const Phase& phase) {
  PackArguments g;
  g.layer = gemm.layer;
  g.phase = phase;
  g.forward = gemm.direction == Conv2dDirection::kForward;
  g.in = gemm.in;
  g.in_padded = gemm.in_padded;
  g.out = gemm.out;
  g.out_padded = gemm.out_padded;
  g.count = gemm.packed_elements(phase);
  return g;
}

/// The weight between channel `in` of a phase's tap and channel `out`.
__device__ __forceinline__ float weight_of(const float* weight, const PackArguments& g, int tap, int in,
                                           int out) {
  const Axis &rows = g.phase.rows, &cols = g.phase.cols;
  const int64_t i = rows.tap_first + rows.tap_step * (tap / cols.taps);
  const int64_t j = cols.tap_first + cols.tap_step * (tap % cols.taps);
  const Conv2dLayer& l = g.layer;
  const int c_out = g.forward ? out : in, c_in = g.forward ? in : out;
  const float factor = g.range != nullptr ? g.factor * *g.range : g.factor;
  return factor * weight[((c_out * l.kh + i) * l.kw + j) * l.c_in + c_in];
}

/// call(T{}) with the type that a map is read or written as: float, Float16 or BFloat16.
template <typename Call>
void with_stored(DType type, const Call& call) {
  switch (type) {
    case DType::kFloat16: return call(Float16{});
    case DType::kBFloat16: return call(BFloat16{});
    default: return call(float{});
  }
}

/// gemm_cuda.cu; `operand`: what x is stored as.
void gemm_run(GemmArguments arguments, const Gemm& gemm, DType operand, Stream stream);

/// tensor_cuda.cuh, an instance for each type of operands: Tf32, Float16, BFloat16. The layout of packed
/// weights and partial sums is in tensor_plan_cuda.h.
template <typename T>
void tensor_pack(T* packed, const float* weight, float factor, const float* range, const Gemm& gemm,
                 Stream stream);
template <typename T>
void tensor_run(GemmArguments arguments, const Gemm& gemm, const TensorUnits& units, Stream stream);

/// wgmma_cuda.cu, for the same types; from the same packed weights.
template <typename T>
void wgmma_run(GemmArguments arguments, const Gemm& gemm, const TensorUnits& units, Stream stream);

/// image_forward_cuda.cu; packed as for the GEMM.
void image_forward(const Output& output, const float* x, const float* packed, const Conv2dParams& params,
                   Stream stream);

/// image_backward_cuda.cu
void image_pack(float* packed, const float* weight, const Conv2dLayer& layer, Stream stream);
void image_backward_data(const Output& output, const void* dy, const float* packed,
                         const Conv2dParams& params, Stream stream);

/// Calls run(arguments, phases) for every kPhasesPerLaunch phases that have pixels. The last phases come
/// first: with the usual padding they have the most taps, and a grid should not end with its longest blocks.
template <typename Run>
void for_each_launch(GemmArguments arguments, const Gemm& gemm, const Run& run) {
  int used = 0;
  for_each_phase(gemm, [&](const Phase& phase) {
    if (phase.pixels() == 0) return;
    if (used == kPhasesPerLaunch) {
      run(arguments, used);
      used = 0;
    }
    for (int i = used++; i > 0; --i) arguments.phase[i] = arguments.phase[i - 1];
    arguments.phase[0] = phase;
  });
  if (used > 0) run(arguments, used);
}

}  // namespace swag::cuda::conv2d
