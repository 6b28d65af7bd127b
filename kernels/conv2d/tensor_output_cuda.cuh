// What both convolutions on tensor cores do with their sums: fragments of 16 x 8 in the order of mma.sync and
// of wgmma, a float4's worth a thread, row by row of 16 pixels.
#pragma once
#include "kernels/conv2d/output_cuda.cuh"
#include "kernels/conv2d/tensor_plan_cuda.h"
#include "kernels/cuda/last_block.cuh"

namespace swag::cuda::conv2d {

/// Where a tile's partial sums begin, of a thread; a split has kThreads * kCount * 4 of them.
template <int kThreads, int kCount>
__device__ __forceinline__ float* partial_sums(const GemmArguments& g, int tile) {
  return g.partial + tile * g.splits * (int64_t{kThreads} * kCount * 4) + threadIdx.x * 4;
}

/// Leaves the sums of a split in scratch.
template <int kThreads, int kCount>
__device__ __forceinline__ void leave_split(const float (&sum)[kCount][4], const GemmArguments& g, int tile) {
  float* const own = partial_sums<kThreads, kCount>(g, tile) + blockIdx.y * (int64_t{kThreads} * kCount * 4);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    store4(own + i * kThreads * 4, make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]));
  }
}

/// Adds up those of all splits, in their order.
template <int kThreads, int kCount>
__device__ __forceinline__ void collect_splits(float (&sum)[kCount][4], const GemmArguments& g, int tile) {
  constexpr int64_t kTile = int64_t{kThreads} * kCount * 4;
  const float* const first = partial_sums<kThreads, kCount>(g, tile);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    float4 total = load4(first + i * kThreads * 4);
    for (int split = 1; split < g.splits; ++split) {
      const float4 part = load4(first + split * kTile + i * kThreads * 4);
      total = make_float4(total.x + part.x, total.y + part.y, total.z + part.z, total.w + part.w);
    }
    sum[i][0] = total.x, sum[i][1] = total.y, sum[i][2] = total.z, sum[i][3] = total.w;
  }
}

/// Both; the last block of the tile does the second, and returns true.
template <int kThreads, int kCount>
__device__ __forceinline__ bool add_splits(float (&sum)[kCount][4], const GemmArguments& g, int tile,
                                           uint32_t* memory) {
  leave_split<kThreads>(sum, g, tile);
  if (!is_last_block(g.counters + tile, g.splits, memory)) return false;
  collect_splits<kThreads>(sum, g, tile);
  return true;
}

/// Writes 16 pixels by kWarpN channels of a warp: through its own corner of shared memory, so that lanes side
/// by side have channels side by side.
template <int kWarpN, int kTilesN>
__device__ __forceinline__ void write_rows(const GemmArguments& g, const Phase& phase, int row, int first_col,
                                           int channel, float* corner, const float (&sum)[kTilesN][4]) {
  constexpr int kStride = kWarpN + 8;  // floats: the stores of a warp then hit all banks
  constexpr int kFours = kWarpN / 4, kRowsAtOnce = 32 / kFours;
  const Output& o = g.output;
  const int lane = static_cast<int>(threadIdx.x) % 32, words = o.channels / 32;
  __syncwarp();  // the rows before have been read
#pragma unroll
  for (int j = 0; j < kTilesN; ++j) {
    float* const to = corner + lane / 4 * kStride + j * 8 + lane % 4 * 2;
    store2(to, make_float2(sum[j][0], sum[j][1]));
    store2(to + 8 * kStride, make_float2(sum[j][2], sum[j][3]));
  }
  __syncwarp();
  const int own = lane / kFours, four = lane % kFours, shift = four % 8 * 4;
  channel += four * 4;
#pragma unroll 1
  for (int part = 0; part < 16; part += kRowsAtOnce) {
    const int col = first_col + part + own;
    const bool exists = row < phase.rows.count && col < phase.cols.count;
    const int64_t pixel = static_cast<int64_t>(phase.rows.y_first + phase.rows.y_step * row) * g.y_w +
                          phase.cols.y_first + phase.cols.y_step * col;
    const int64_t word = pixel * words + channel / 32;
    uint32_t signs = 0;
    if (exists) {
      const uint32_t kept = o.mask_in != nullptr ? o.mask_in[word] : kWarp;
      const float4 v = load4(corner + (part + own) * kStride + four * 4);
      const float sums[4] = {v.x, v.y, v.z, v.w};
      signs = write_some<4>(o, pixel * o.pitch + channel, channel, sums, kept >> shift) << shift;
    }
    if (o.mask_out == nullptr) continue;
#pragma unroll
    for (int step = 1; step < 8; step *= 2) signs |= __shfl_xor_sync(kWarp, signs, step);
    if (exists && four % 8 == 0) o.mask_out[word] = signs;
  }
}

}  // namespace swag::cuda::conv2d
