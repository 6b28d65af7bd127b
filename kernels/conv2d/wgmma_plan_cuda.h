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

/// As choose_tensor_tiling: the largest tile that keeps the processors busy, then splits.
inline WgmmaTiling choose_wgmma_tiling(const Gemm& g, int element_bytes, const TensorUnits& units) {
  WgmmaTiling tiling;
  for (const WgmmaTileIndex index : {kWideWgmma, kLargeWgmma, kMiddleWgmma}) {
    const WgmmaTile& tile = kWgmmaTiles[index];
    const bool fits = g.out % tile.n == 0 && tile.shared_bytes() <= units.shared_bytes;
    if (!fits || !keep_busy(g, tile.m, tile.n, units)) continue;
    tiling.tile = index;
    return tiling;
  }
  tiling.splits = tile_splits(g, tiling.size().m, tiling.size().n, element_bytes, units);
  return tiling;
}

inline int64_t wgmma_workspace_bytes(const Gemm& g, int element_bytes, const TensorUnits& units) {
  const WgmmaTiling tiling = choose_wgmma_tiling(g, element_bytes, units);
  return partial_sum_bytes(g, tiling.size().m, tiling.size().n, tiling.splits);
}

}  // namespace swag::cuda::conv2d
