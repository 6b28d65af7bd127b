// How a convolution is cut up for Hopper's wgmma: tiles and splits. Packed weights, slices and partial sums
// are those of tensor_plan_cuda.h. Internal to kernels/conv2d/*_cuda.*: sizes and indices only, no CUDA in
// it.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/conv2d/tensor_plan_cuda.h"

namespace swag::cuda::conv2d {

constexpr int kWgmmaGroups = 2;  // warpgroups that multiply
constexpr int kWgmmaConsumers = kWgmmaGroups * 128;
constexpr int kWgmmaThreads = kWgmmaConsumers + 32;  // and a warp that orders copies
constexpr int kMostBoxStep = 8;                      // of a tensor map
constexpr int kBarrierBytes = 8;

/// A block makes m pixels by n channels, each warpgroup half of the pixels; `stages` slices of the sum's
/// columns are under way at a time, with two barriers each.
struct WgmmaTile {
  int m, n, stages;
  int blocks;  // per processor that registers are kept for

  SWAG_HOST_DEVICE constexpr int stage_bytes() const { return (m + n) * kRowBytes; }
  SWAG_HOST_DEVICE constexpr int shared_bytes() const { return stages * (stage_bytes() + 2 * kBarrierBytes); }
};

// A wgmma of 64 x 256 reads the least of shared memory per product, one of 64 x 64 the most.
constexpr WgmmaTile kWgmmaTiles[] = {{128, 256, 4, 1}, {256, 128, 4, 1}, {128, 128, 3, 2}, {128, 64, 4, 2}};
enum WgmmaTileIndex : uint8_t { kWideWgmma, kLargeWgmma, kMiddleWgmma, kSmallWgmma };

struct WgmmaTiling {
  WgmmaTileIndex tile = kSmallWgmma;
  int splits = 1;

  const WgmmaTile& size() const { return kWgmmaTiles[tile]; }
};

/// The layers that wgmma can do of those that tensor cores can.
inline bool wgmma_suits(const Conv2dLayer& l) {
  return tensor_cores_suit(l) && l.stride_h <= kMostBoxStep && l.stride_w <= kMostBoxStep;
}

inline int64_t wgmma_launched_tiles(const Gemm& g, const WgmmaTile& tile) {
  return launched_tiles(g, TensorTile{tile.m, tile.n, tile.m, tile.n, tile.stages, tile.blocks});
}

/// As choose_tensor_tiling: the largest tile that keeps nine tenths of the processors busy, then splits.
inline WgmmaTiling choose_wgmma_tiling(const Gemm& g, int element_bytes, const TensorUnits& units) {
  int64_t longest = 0;  // blocks of columns
  for_each_phase(g, [&](const Phase& phase) {
    longest = std::max<int64_t>(longest, int64_t{phase.taps()} * g.in / row_columns(element_bytes));
  });
  const auto blocks_of = [&](WgmmaTileIndex index) {
    const WgmmaTile& tile = kWgmmaTiles[index];
    int64_t tiles = 0;
    for_each_phase(g, [&](const Phase& phase) {
      if (phase.taps() > 0) tiles += pixel_tiles(phase, tile.m);
    });
    return tiles * (g.out / tile.n);
  };
  WgmmaTiling tiling;
  for (const WgmmaTileIndex index : {kWideWgmma, kLargeWgmma, kMiddleWgmma}) {
    const WgmmaTile& tile = kWgmmaTiles[index];
    const bool fits = g.out % tile.n == 0 && tile.shared_bytes() <= units.shared_bytes;
    if (!fits || 10 * blocks_of(index) < 9 * int64_t{units.processors}) continue;
    tiling.tile = index;
    return tiling;
  }
  const int64_t blocks = std::max<int64_t>(blocks_of(kSmallWgmma), 1);
  const int64_t wanted = 2 * int64_t{units.processors} / blocks;
  const int64_t possible = std::min<int64_t>(longest / kMinSplitBlocks, kMaxSplits);
  const bool counted = wgmma_launched_tiles(g, tiling.size()) <= kTensorCounters;
  tiling.splits = counted ? static_cast<int>(std::max<int64_t>(std::min(wanted, possible), 1)) : 1;
  return tiling;
}

/// Partial sums are (tile, split, register, thread), as tensor_workspace_bytes says.
inline int64_t wgmma_workspace_bytes(const Gemm& g, int element_bytes, const TensorUnits& units) {
  const WgmmaTiling tiling = choose_wgmma_tiling(g, element_bytes, units);
  if (tiling.splits == 1) return 0;
  const WgmmaTile& tile = tiling.size();
  return wgmma_launched_tiles(g, tile) * tiling.splits * tile.m * tile.n *
         static_cast<int64_t>(sizeof(float));
}

}  // namespace swag::cuda::conv2d
