// How a convolution is cut up for tensor cores: tiles, splits of the sum, where packed weights and partial
// sums lie. Internal to kernels/conv2d/*_cuda.*: sizes and indices only, no CUDA in it.
//
// A tile is kTileCols pixels wide, so that 2 x 2 pools and halos stay within it. The sum's columns come in
// blocks of 128 bytes of one tap, which is what a row of shared memory holds; packed weights are those
// blocks, (phase, channel / 64, block, channel % 64, 128 bytes), each row's eight chunks of 16 bytes permuted
// as in shared memory: a block of 64 rows is copied as it lies.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/conv2d/plan_cuda.h"
#include "kernels/host_device.h"

namespace swag::cuda::conv2d {

constexpr int kRowBytes = 128;
constexpr int kChunkBytes = 16, kRowChunks = kRowBytes / kChunkBytes;
constexpr int kBlockRows = 64;  // channels of a block of packed weights
constexpr int kTileCols = 16;
constexpr int kMostTaps = 32;       // one bit each says whether a pixel has it
constexpr int kMinSplitBlocks = 4;  // of the sum's blocks

/// The columns of one row of shared memory.
SWAG_HOST_DEVICE constexpr int row_columns(int element_bytes) { return kRowBytes / element_bytes; }

/// Where chunk `chunk` of row `row` lies in its row: eight rows under one another then use all banks.
SWAG_HOST_DEVICE constexpr int swizzled(int chunk, int row) { return chunk ^ (row & (kRowChunks - 1)); }

/// The layers that tensor cores can do: one visible rule.
inline bool tensor_cores_suit(const Conv2dLayer& l) {
  return l.c_in % kBlockRows == 0 && l.c_out % kBlockRows == 0 && l.kh * l.kw <= kMostTaps;
}

/// A block of threads makes m pixels by n channels, a warp warp_m by warp_n of them; `stages` slices of the
/// sum's columns are under way at a time.
struct TensorTile {
  int m, n, warp_m, warp_n, stages;
  int blocks;  // per processor that registers are kept for

  SWAG_HOST_DEVICE constexpr int threads() const { return m / warp_m * (n / warp_n) * 32; }
  SWAG_HOST_DEVICE constexpr int shared_bytes() const { return stages * (m + n) * kRowBytes; }
};

// Warps of 64 x 64 halve the reads of shared memory per product; the last two are for what has few tiles or
// little shared memory.
constexpr TensorTile kTensorTiles[] = {{256, 128, 64, 64, 4, 1},
                                       {128, 128, 64, 64, 3, 2},
                                       {256, 64, 64, 64, 2, 2},
                                       {128, 128, 64, 32, 3, 1},
                                       {64, 64, 32, 32, 4, 3}};
enum TensorTileIndex : uint8_t { kLargeTile, kMiddleTile, kTallTile, kManyWarpsTile, kSmallTile };

struct TensorTiling {
  TensorTileIndex tile = kSmallTile;
  int splits = 1;

  const TensorTile& size() const { return kTensorTiles[tile]; }
};

/// Tiles of a phase's pixels.
SWAG_HOST_DEVICE inline int64_t pixel_tiles(const Phase& phase, int tile_m) {
  const int rows = tile_m / kTileCols;
  return int64_t{(phase.rows.count + rows - 1) / rows} * ((phase.cols.count + kTileCols - 1) / kTileCols);
}

// What follows is of tiles of m pixels by n channels, whoever makes them: mma.sync, or Hopper's wgmma.

/// Blocks of one split in a launch: for each of its phases as many as the largest needs.
inline int64_t launched_tiles(const Gemm& g, int m, int n) {
  int64_t most = 0;
  for_each_phase(g, [&](const Phase& phase) { most = std::max(most, pixel_tiles(phase, m)); });
  return most * (g.out / n) * std::min(g.phases(), kPhasesPerLaunch);
}

/// Those of all phases that have anything to add up.
inline int64_t busy_tiles(const Gemm& g, int m, int n) {
  int64_t tiles = 0;
  for_each_phase(g, [&](const Phase& phase) {
    if (phase.taps() > 0) tiles += pixel_tiles(phase, m);
  });
  return tiles * (g.out / n);
}
/// Whether these keep all processors busy, or nine tenths of them, which is better than smaller tiles.
inline bool keep_busy(const Gemm& g, int m, int n, const TensorUnits& units) {
  return 10 * busy_tiles(g, m, n) >= 9 * int64_t{units.processors};
}

/// Into how many parts each sum is cut where even the smallest tiles are few.
inline int tile_splits(const Gemm& g, int m, int n, int element_bytes, const TensorUnits& units) {
  if (launched_tiles(g, m, n) > kTensorCounters) return 1;
  int64_t longest = 0;  // blocks of columns
  for_each_phase(g, [&](const Phase& phase) {
    longest = std::max<int64_t>(longest, int64_t{phase.taps()} * g.in / row_columns(element_bytes));
  });
  const int64_t wanted = 2 * int64_t{units.processors} / std::max<int64_t>(busy_tiles(g, m, n), 1);
  const int64_t possible = std::min<int64_t>(longest / kMinSplitBlocks, kMaxSplits);
  return static_cast<int>(std::max<int64_t>(std::min(wanted, possible), 1));
}

/// Partial sums are (tile, split, register, thread), in the order in which threads hold them.
inline int64_t partial_sum_bytes(const Gemm& g, int m, int n, int splits) {
  return splits == 1 ? 0 : launched_tiles(g, m, n) * splits * m * n * static_cast<int64_t>(sizeof(float));
}

/// The one place where shapes meet tiles: the largest that keeps all processors busy. Where even the smallest
/// are few, each sum is cut into parts, and whoever ends last adds them up.
inline TensorTiling choose_tensor_tiling(const Gemm& g, int element_bytes, const TensorUnits& units) {
  const auto fits = [&](TensorTileIndex index) {
    const TensorTile& tile = kTensorTiles[index];
    return g.out % tile.n == 0 && tile.shared_bytes() <= units.shared_bytes;
  };
  // A processor that takes only one block of four warps would wait at every barrier.
  const TensorTileIndex middle = 2 * kTensorTiles[kMiddleTile].shared_bytes() <= units.processor_shared_bytes
                                     ? kMiddleTile
                                     : kManyWarpsTile;
  TensorTiling tiling;
  for (const TensorTileIndex index : {kLargeTile, middle, kTallTile}) {
    if (index == kTallTile && g.out % kTensorTiles[kLargeTile].n == 0) continue;
    if (!fits(index) || !keep_busy(g, kTensorTiles[index].m, kTensorTiles[index].n, units)) continue;
    tiling.tile = index;
    return tiling;
  }
  tiling.splits = tile_splits(g, tiling.size().m, tiling.size().n, element_bytes, units);
  return tiling;
}

inline int64_t tensor_workspace_bytes(const Gemm& g, int element_bytes, const TensorUnits& units) {
  const TensorTiling tiling = choose_tensor_tiling(g, element_bytes, units);
  return partial_sum_bytes(g, tiling.size().m, tiling.size().n, tiling.splits);
}

}  // namespace swag::cuda::conv2d
