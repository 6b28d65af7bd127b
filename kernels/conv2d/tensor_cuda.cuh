// The convolution on tensor cores: an implicit GEMM of mma.sync, fed by asynchronous copies. Each type of
// operands has an instance in a file of its own: they take long to compile.
#pragma once
#include "kernels/conv2d/tensor_output_cuda.cuh"
#include "kernels/conv2d/tensor_plan_cuda.h"
#include "kernels/cuda/mma.cuh"

namespace swag::cuda::conv2d {

#ifdef SWAG_HAS_TENSOR_CORES

__device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                                         Tf32) {
  mma_tf32(d, a, b);
}
__device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                                         Float16) {
  mma_half(d, a, b);
}
__device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                                         BFloat16) {
  mma_bfloat16(d, a, b);
}

/// The part of A that a thread copies: one chunk of the tile's pixels row, row + kStep, ...
///
/// Where a window hangs over the map's edge is known for all taps at once, as a bit each; inside the loop
/// there is one pointer, one offset per pixel, and one of the tap that all threads share.
template <typename T, int kRows, int kStep>
struct TileReader {
  const T* corner;    // of the window of the tile's first pixel
  int offset[kRows];  // elements from there to the window of another
  uint32_t inside[kRows];

  __device__ __forceinline__ TileReader(const GemmArguments& g, const Phase& phase, int first_row,
                                        int first_col, int row, int chunk) {
    const Axis &rows = phase.rows, &cols = phase.cols;
    const int y0 = rows.x_first + rows.x_step * first_row, x0 = cols.x_first + cols.x_step * first_col;
    corner = static_cast<const T*>(g.x) + (static_cast<int64_t>(y0) * g.w + x0) * g.x_pitch +
             chunk * (kChunkBytes / static_cast<int>(sizeof(T)));
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int pixel = row + i * kStep;
      const int dy = rows.x_step * (pixel / kTileCols), dx = cols.x_step * (pixel % kTileCols);
      offset[i] = (dy * g.w + dx) * static_cast<int>(g.x_pitch);
      uint32_t bits = 0;
      for (int t = 0, tap_row = 0; tap_row < rows.taps; ++tap_row) {
        for (int tap_col = 0; tap_col < cols.taps; ++tap_col, ++t) {
          const auto y = static_cast<unsigned>(y0 + dy + tap_row),
                     x = static_cast<unsigned>(x0 + dx + tap_col);
          if (y < static_cast<unsigned>(g.h) && x < static_cast<unsigned>(g.w)) bits |= 1u << t;
        }
      }
      inside[i] = bits;
    }
  }
};

/// Where the sum's next 128 bytes of columns begin: a tap, and a block of its channels.
struct Columns {
  int tap, tap_col, block;  // block of the tap's channels
  int offset;               // elements from a window's corner to the tap

  __device__ __forceinline__ Columns(const GemmArguments& g, const Phase& phase, int index, int blocks) {
    const int taps = max(phase.cols.taps, 1);
    tap = index / blocks;
    block = index - tap * blocks;
    tap_col = tap % taps;
    offset = (tap / taps * g.w + tap_col) * static_cast<int>(g.x_pitch);
  }
  __device__ __forceinline__ void advance(const GemmArguments& g, const Phase& phase, int blocks) {
    if (++block < blocks) return;
    block = 0;
    ++tap;
    offset += static_cast<int>(g.x_pitch);
    if (++tap_col < phase.cols.taps) return;
    tap_col = 0;
    offset += (g.w - phase.cols.taps) * static_cast<int>(g.x_pitch);
  }
};

/// sum += A B over one slice of 128 bytes of columns. `a`, `b`: the rows that this lane names for ldmatrix.
template <typename T, int kTilesM, int kTilesN>
__device__ __forceinline__ void multiply_slice(float (&sum)[kTilesM][kTilesN][4], const unsigned char* a,
                                               const unsigned char* b) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int step = 0; step < kRowChunks; step += 2) {  // two chunks of columns: an mma's
    uint32_t left[kTilesM][4], right[kTilesN / 2][4];
#pragma unroll
    for (int i = 0; i < kTilesM; ++i) {  // rows 0-7, rows 8-15, then both one chunk on
      ldmatrix(left[i], a + i * 16 * kRowBytes + swizzled(step + lane / 16, lane) * kChunkBytes);
    }
#pragma unroll
    for (int j = 0; j < kTilesN / 2; ++j) {  // rows 0-7, the same one chunk on, then both for rows 8-15
      ldmatrix(right[j], b + j * 16 * kRowBytes + swizzled(step + lane / 8 % 2, lane) * kChunkBytes);
    }
#pragma unroll
    for (int i = 0; i < kTilesM; ++i) {
#pragma unroll
      for (int j = 0; j < kTilesN; ++j) {
        const uint32_t pair[2] = {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]};
        multiply(sum[i][j], left[i], pair, T{});
      }
    }
  }
}

#endif  // SWAG_HAS_TENSOR_CORES

/// Block: a tile of kTile's m pixels, 16 wide, by n channels, over one split of the sum's columns. They pass
///   through shared memory 128 bytes at a time; kStages - 1 slices are on their way while one is multiplied,
///   and one barrier a slice says that it is there and that the one before is free.
/// Warp: warp_m x warp_n sums, in mma.sync's fragments.
/// Grid: (tiles of pixels x tiles of channels, splits, phases). Blocks side by side share their pixels: A
///   comes from DRAM once, the weights stay in the second-level cache.
/// Shared memory: 192, 96, 80, 96, 64 KiB, dynamic, for the tiles in the order of kTensorTiles.
/// Bound by the tensor cores' rate; with n = 64 by the second-level cache.
template <typename T, int kIndex>
__global__ void __launch_bounds__(kTensorTiles[kIndex].threads(), kTensorTiles[kIndex].blocks)
    conv2d_tensor_kernel(const __grid_constant__ GemmArguments g) {
#ifdef SWAG_HAS_TENSOR_CORES
  constexpr TensorTile kTile = kTensorTiles[kIndex];
  constexpr int kThreads = kTile.threads(), kColumns = row_columns(sizeof(T));
  constexpr int kRowStep = kThreads / kRowChunks, kRows = kTile.m / kRowStep;
  constexpr int kStageBytes = (kTile.m + kTile.n) * kRowBytes, kBlockBytes = kBlockRows * kRowBytes;
  constexpr int kTilesM = kTile.warp_m / 16, kTilesN = kTile.warp_n / 8;
  static_assert(kRowStep % kRowChunks == 0, "a thread's rows have one swizzle");
  static_assert(kThreads * kChunkBytes <= kBlockBytes || kThreads * kChunkBytes == kTile.n * kRowBytes, "");
  DYNAMIC_SHARED(unsigned char, shared);
  const Phase& phase = g.phase[blockIdx.z];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int channel_tiles = g.out_padded / kTile.n, index = static_cast<int>(blockIdx.x);
  const int tile = index / channel_tiles, first_channel = index % channel_tiles * kTile.n;
  const int tiles_x = (phase.cols.count + kTileCols - 1) / kTileCols;
  const int first_row = tile / tiles_x * (kTile.m / kTileCols), first_col = tile % tiles_x * kTileCols;
  if (first_row >= phase.rows.count) return;

  // What is copied where.
  const int tap_blocks = g.in / kColumns;
  const int blocks = phase.rows.taps * phase.cols.taps * tap_blocks;
  const int begin = blocks * static_cast<int>(blockIdx.y) / g.splits;
  const int end = blocks * (static_cast<int>(blockIdx.y) + 1) / g.splits;
  const int chunk = thread % kRowChunks, row = thread / kRowChunks;
  const TileReader<T, kRows, kRowStep> reader(g, phase, first_row, first_col, row, chunk);
  unsigned char* const a_to = shared + row * kRowBytes + swizzled(chunk, row) * kChunkBytes;
  unsigned char* const b_to = shared + kTile.m * kRowBytes + thread * kChunkBytes;
  const int64_t b_step = static_cast<int64_t>(blocks) * kBlockBytes;  // to the next 64 channels
  const char* b_from = static_cast<const char*>(g.packed) + phase.packed_offset * sizeof(T) +
                       first_channel / kBlockRows * b_step + static_cast<int64_t>(begin) * kBlockBytes +
                       thread * kChunkBytes;
  Columns columns(g, phase, begin, tap_blocks);
  int next = begin, fill = 0;
  const auto copy_slice = [&] {
    if (next < end) {
      const T* from = reader.corner + columns.offset + columns.block * kColumns;
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const bool inside = reader.inside[i] >> columns.tap & 1u;
        cp_async<16>(a_to + fill * kStageBytes + i * kRowStep * kRowBytes,
                     inside ? from + reader.offset[i] : static_cast<const T*>(g.x), inside ? 16 : 0);
      }
#pragma unroll
      for (int j = 0; j < kTile.n * kRowChunks / kThreads; ++j) {
        constexpr int kPerBlock = kBlockRows * kRowChunks / kThreads;
        cp_async<16>(b_to + fill * kStageBytes + j * kThreads * kChunkBytes,
                     b_from + j / kPerBlock * b_step + j % kPerBlock * kThreads * kChunkBytes);
      }
      b_from += kBlockBytes;
      columns.advance(g, phase, tap_blocks);
      ++next;
    }
    cp_async_commit();  // an empty group at the end, so that the wait's number stays right
    fill = fill + 1 == kTile.stages ? 0 : fill + 1;
  };

  constexpr int kWarpsM = kTile.m / kTile.warp_m;
  const int warp_row = warp % kWarpsM * kTile.warp_m, warp_channel = warp / kWarpsM * kTile.warp_n;
  const unsigned char* const a = shared + (warp_row + lane % 16) * kRowBytes;
  const unsigned char* const b = shared + (kTile.m + warp_channel + lane / 16 * 8 + lane % 8) * kRowBytes;
  float sum[kTilesM][kTilesN][4] = {};
#pragma unroll
  for (int i = 0; i < kTile.stages - 1; ++i) copy_slice();
  int use = 0;
  for (int slice = begin; slice < end; ++slice) {
    cp_async_wait<kTile.stages - 2>();  // this thread's copies of the slice have arrived,
    __syncthreads();                    // everybody's have, and the slice before is free
    copy_slice();
    multiply_slice<T>(sum, a + use * kStageBytes, b + use * kStageBytes);
    use = use + 1 == kTile.stages ? 0 : use + 1;
  }
  cp_async_wait<0>();
  __syncthreads();  // nobody reads the slices any more

  if (g.splits > 1) {
    auto& flat = reinterpret_cast<float(&)[kTilesM * kTilesN][4]>(sum);
    const int number = static_cast<int>(blockIdx.z * gridDim.x) + index;
    if (!add_splits<kThreads>(flat, g, number, reinterpret_cast<uint32_t*>(shared))) return;
    __syncthreads();  // everybody has read the answer
  }
  float* const corner = reinterpret_cast<float*>(shared) + warp * 16 * (kTile.warp_n + 8);
#pragma unroll
  for (int i = 0; i < kTilesM; ++i) {
    write_rows<kTile.warp_n>(g, phase, first_row + (warp_row + i * 16) / kTileCols, first_col,
                             first_channel + warp_channel, corner, sum[i]);
  }
#endif
}

constexpr int kTensorPackThreads = 256;

/// Thread: one packed weight of one phase, rounded. Grid: (count / 256) x 256. Runs once per
/// network, and for each Gram matrix on its way back.
template <typename T>
__global__ void tensor_pack_kernel(T* packed, const float* weight, const __grid_constant__ PackArguments g) {
  constexpr int kColumns = row_columns(sizeof(T)), kChunk = kChunkBytes / sizeof(T);
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kTensorPackThreads + threadIdx.x;
  if (index >= g.count) return;
  const Axis &rows = g.phase.rows, &cols = g.phase.cols;
  const int tap_blocks = g.in / kColumns, blocks = rows.taps * cols.taps * tap_blocks;
  const int row = static_cast<int>(index / kColumns % kBlockRows), place = static_cast<int>(index % kColumns);
  const int64_t block = index / (kColumns * kBlockRows);
  const int column = static_cast<int>(block % blocks), tap = column / tap_blocks;
  const int out = static_cast<int>(block / blocks) * kBlockRows + row;
  const int in = column % tap_blocks * kColumns + swizzled(place / kChunk, row) * kChunk + place % kChunk;
  packed[g.phase.packed_offset + index] = rounded_to<T>(weight_of(weight, g, tap, in, out));
}

// ---------------------------------------------------------------- launchers

template <typename T, int kIndex>
void launch_tensor_tiles(const GemmArguments& g, int phases, Stream stream) {
  constexpr TensorTile kTile = kTensorTiles[kIndex];
  static_assert(kTile.threads() / 32 * 16 * (kTile.warp_n + 8) * 4 <= kTile.shared_bytes(), "corners fit");
  int64_t tiles = 0;
  for (int i = 0; i < phases; ++i) tiles = std::max(tiles, pixel_tiles(g.phase[i], kTile.m));
  const dim3 grid(static_cast<unsigned>(tiles * (g.out_padded / kTile.n)), static_cast<unsigned>(g.splits),
                  static_cast<unsigned>(phases));
  allow_shared(conv2d_tensor_kernel<T, kIndex>, kTile.shared_bytes());
  launch(conv2d_tensor_kernel<T, kIndex>, grid, dim3(kTile.threads()), kTile.shared_bytes(), stream, g);
}

template <typename T>
void tensor_pack(T* packed, const float* weight, float factor, const float* range, const Gemm& gemm,
                 Stream stream) {
  for_each_phase(gemm, [&](const Phase& phase) {
    PackArguments g = pack_arguments(gemm, phase);
    g.factor = factor;
    g.range = range;
    if (g.count == 0) return;
    launch(tensor_pack_kernel<T>, dim3(static_cast<unsigned>(ceil_div(g.count, kTensorPackThreads))),
           dim3(kTensorPackThreads), 0, stream, packed, weight, g);
  });
}

template <typename T>
void tensor_run(GemmArguments arguments, const Gemm& gemm, const TensorUnits& units, Stream stream) {
  const TensorTiling tiling = choose_tensor_tiling(gemm, sizeof(T), units);
  arguments.splits = tiling.splits;
  arguments.counters = units.counters;
  for_each_launch(arguments, gemm, [&](const GemmArguments& g, int phases) {
    switch (tiling.tile) {
      case kLargeTile: return launch_tensor_tiles<T, kLargeTile>(g, phases, stream);
      case kMiddleTile: return launch_tensor_tiles<T, kMiddleTile>(g, phases, stream);
      case kTallTile: return launch_tensor_tiles<T, kTallTile>(g, phases, stream);
      case kManyWarpsTile: return launch_tensor_tiles<T, kManyWarpsTile>(g, phases, stream);
      case kSmallTile: return launch_tensor_tiles<T, kSmallTile>(g, phases, stream);
    }
  });
}

}  // namespace swag::cuda::conv2d
