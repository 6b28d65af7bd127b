// The Gram matrix on tensor cores, of maps stored in TF32 or Float16.
//
// A product of two such numbers is exact in float32, so what the tensor cores read is all there is and only
// the sums round: over kPiece positions in the tensor core, over a block's pieces in float, over blocks in
// float64. Nothing is centred and no product of a chunk goes through memory, as it does in gram_cuda.cu for
// maps whose digits count.
#include <algorithm>
#include <cassert>
#include <limits>

#include "kernels/cuda/last_block.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/triangle.cuh"
#include "kernels/gram.h"

namespace swag::cuda {
namespace {

constexpr int kTile = 64;                       // rows and columns of A, of a block
[[maybe_unused]] constexpr int kWarpTile = 32;  // of a warp
constexpr int kThreads = 128;
[[maybe_unused]] constexpr int kPiece = 512;  // positions whose sum the tensor core holds
constexpr int kStages = 3;
constexpr int kMostSplits = 160;  // of the positions: their sums are read one after the other
constexpr int kMinSplitSlices = 4;

/// A slice in shared memory: `depth` positions of 64 channels. Rows of floats are 8 longer than used, so that
/// reads down the rows hit all banks; those of 16 bits are 128 bytes, their chunks of 16 bytes permuted.
struct SliceShape {
  int depth, row_bytes;
};
template <typename S>
constexpr SliceShape kSlice = sizeof(S) == 4 ? SliceShape{32, (kTile + 8) * 4} : SliceShape{64, kTile * 2};
template <typename S>
constexpr int kOperandBytes = kSlice<S>.depth* kSlice<S>.row_bytes;
template <typename S>
constexpr int kSharedBytes = kStages * 2 * kOperandBytes<S>;

/// How the work is cut. Tiles are those on and above the diagonal.
struct Plan {
  int tiles_per_side, tiles, splits;
  int64_t slices;

  Plan(const GramParams& params, int depth, const TensorUnits& units) {
    tiles_per_side = params.d / kTile;
    tiles = tiles_per_side * (tiles_per_side + 1) / 2;
    slices = (params.m + depth - 1) / depth;
    const int64_t wanted = (2 * int64_t{units.processors} + tiles - 1) / tiles;
    splits = static_cast<int>(
        std::max<int64_t>(std::min<int64_t>(std::min(wanted, slices / kMinSplitSlices), kMostSplits), 1));
  }
  int64_t bytes(int d) const { return int64_t{splits} * d * d * static_cast<int64_t>(sizeof(float)); }
};

template <typename S>
struct Arguments {
  float* partial = nullptr;  // (splits, d, d)
  const S* s = nullptr;      // (m, d)
  int64_t m = 0, slices = 0;
  int d = 0, tiles_per_side = 0;
};

#ifdef SWAG_HAS_TENSOR_CORES

/// Begins to copy 64 channels of a slice's positions; those beyond the last are zeros.
template <typename S>
__device__ __forceinline__ void copy_rows(unsigned char* to, const Arguments<S>& g, int64_t first,
                                          int channel) {
  constexpr int kChunk = 16 / sizeof(S), kChunks = kTile / kChunk, kStep = kThreads / kChunks;
  const int chunk = static_cast<int>(threadIdx.x) % kChunks, own = static_cast<int>(threadIdx.x) / kChunks;
#pragma unroll
  for (int i = 0; i < kSlice<S>.depth / kStep; ++i) {
    const int row = own + i * kStep;
    const int place = sizeof(S) == 4 ? chunk : chunk ^ (row & 7);
    const int64_t position = first + row;
    const bool exists = position < g.m;
    cp_async<16>(to + row * kSlice<S>.row_bytes + place * 16,
                 exists ? g.s + position * g.d + channel + chunk * kChunk : g.s, exists ? 16 : 0);
  }
}

/// piece += S_a^T S_b over a slice, for the warp's 32 x 32 sums from channels row and col on. The fragments
/// are of S transposed, four positions by eight channels a register, which ldmatrix cannot read of floats.
__device__ __forceinline__ void multiply_slice(float (&piece)[2][4][4], const unsigned char* a, int row,
                                               const unsigned char* b, int col, Tf32) {
  constexpr int kRow = kSlice<Tf32>.row_bytes / 4;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const float* const from_a = reinterpret_cast<const float*>(a) + row + lane % 4 * kRow + lane / 4;
  const float* const from_b = reinterpret_cast<const float*>(b) + col + lane % 4 * kRow + lane / 4;
#pragma unroll
  for (int k = 0; k < kSlice<Tf32>.depth; k += 8) {
    uint32_t left[2][4], right[4][2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int half = 0; half < 4; ++half) {
        left[i][half] = __float_as_uint(from_a[(k + half / 2 * 4) * kRow + i * 16 + half % 2 * 8]);
      }
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      right[j][0] = __float_as_uint(from_b[k * kRow + j * 8]);
      right[j][1] = __float_as_uint(from_b[(k + 4) * kRow + j * 8]);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) mma_tf32(piece[i][j], left[i], right[j]);
    }
  }
}

/// The same of 16 bits: ldmatrix turns them.
__device__ __forceinline__ void multiply_slice(float (&piece)[2][4][4], const unsigned char* a, int row,
                                               const unsigned char* b, int col, Float16) {
  constexpr int kRow = kSlice<Float16>.row_bytes;
  const int lane = static_cast<int>(threadIdx.x) % 32, swizzle = lane % 8;
#pragma unroll
  for (int k = 0; k < kSlice<Float16>.depth; k += 16) {
    uint32_t left[2][4], right[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {  // channels 0-7, channels 8-15, then both eight positions on
      const int chunk = row / 8 + i * 2 + lane / 8 % 2;
      ldmatrix<true>(left[i], a + (k + lane / 16 * 8 + swizzle) * kRow + (chunk ^ swizzle) * 16);
    }
#pragma unroll
    for (int j = 0; j < 2; ++j) {  // channels 0-7, the same eight positions on, then both for channels 8-15
      const int chunk = col / 8 + j * 2 + lane / 16;
      ldmatrix<true>(right[j], b + (k + lane / 8 % 2 * 8 + swizzle) * kRow + (chunk ^ swizzle) * 16);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const uint32_t pair[2] = {right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]};
        mma_half(piece[i][j], left[i], pair);
      }
    }
  }
}

#endif  // SWAG_HAS_TENSOR_CORES

/// Block: a tile of 64 x 64 of A over one split of the positions, which pass through shared memory a slice at
/// a
///   time. A tile on the diagonal copies its channels once.
/// Warp: 32 x 32 sums, and as many of the piece.
/// Grid: (tiles on and above the diagonal, splits) x 128. Shared memory: 54 KiB, of 16 bits 48 KiB, dynamic.
/// Bound by bytes where channels are few: each block reads its 64 or 128 channels once.
template <typename S>
__global__ void __launch_bounds__(kThreads) gram_tensor_kernel(const __grid_constant__ Arguments<S> g) {
#ifdef SWAG_HAS_TENSOR_CORES
  constexpr int kDepth = kSlice<S>.depth;
  DYNAMIC_SHARED(unsigned char, slices);
  const TileIndex tile(blockIdx.x, g.tiles_per_side);
  const bool diagonal = tile.row == tile.col;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int row = warp % 2 * kWarpTile, col = warp / 2 * kWarpTile;
  const int64_t begin = g.slices * blockIdx.y / gridDim.y, end = g.slices * (blockIdx.y + 1) / gridDim.y;
  int64_t next = begin;
  int fill = 0;
  const auto copy_slice = [&] {
    if (next < end) {
      unsigned char* const to = slices + fill * 2 * kOperandBytes<S>;
      copy_rows(to, g, next * kDepth, tile.row * kTile);
      if (!diagonal) copy_rows(to + kOperandBytes<S>, g, next * kDepth, tile.col * kTile);
      ++next;
    }
    cp_async_commit();  // an empty group at the end, so that the wait's number stays right
    fill = fill + 1 == kStages ? 0 : fill + 1;
  };

  float sum[2][4][4] = {}, piece[2][4][4] = {};
#pragma unroll
  for (int i = 0; i < kStages - 1; ++i) copy_slice();
  int use = 0, held = 0;
  for (int64_t slice = begin; slice < end; ++slice) {
    cp_async_wait<kStages - 2>();  // this thread's copies of the slice have arrived,
    __syncthreads();               // everybody's have, and the slice before is free
    copy_slice();
    const unsigned char* const a = slices + use * 2 * kOperandBytes<S>;
    multiply_slice(piece, a, row, a + (diagonal ? 0 : kOperandBytes<S>), col, S{});
    use = use + 1 == kStages ? 0 : use + 1;
    if (++held < kPiece / kDepth && slice + 1 < end) continue;
    held = 0;
#pragma unroll
    for (int i = 0; i < 32; ++i) {
      sum[i / 16][i / 4 % 4][i % 4] += piece[i / 16][i / 4 % 4][i % 4];
      piece[i / 16][i / 4 % 4][i % 4] = 0;
    }
  }
  float* const out = g.partial +
                     (static_cast<int64_t>(blockIdx.y) * g.d + tile.row * kTile + row + lane / 4) * g.d +
                     tile.col * kTile + col + lane % 4 * 2;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      float* const to = out + static_cast<int64_t>(i) * 16 * g.d + j * 8;
      store2(to, make_float2(sum[i][j][0], sum[i][j][1]));
      store2(to + int64_t{8} * g.d, make_float2(sum[i][j][2], sum[i][j][3]));
    }
  }
#endif
}

constexpr int kOutTile = 32, kOutRows = 8;

/// A block adds up 32 x 32 elements of A over the splits and writes them and their mirror image.
/// Grid: (d / 32)^2 on and above the diagonal; block 32 x 8. Shared: 8 KiB, with one column more than used:
/// read by columns it has no bank conflicts. Bound by bytes: 4 per element of A and split.
__global__ void __launch_bounds__(kOutTile* kOutRows)
    add_gram_splits_kernel(double* a, const float* partial, int splits, double m, int d) {
  __shared__ double values[kOutTile][kOutTile + 1];
  const TileIndex tile(blockIdx.x, d / kOutTile);
  const int64_t square = int64_t{d} * d;
  const int x = threadIdx.x;
  for (int y = threadIdx.y; y < kOutTile; y += kOutRows) {
    const float* const from = partial + int64_t{tile.row * kOutTile + y} * d + tile.col * kOutTile + x;
    double sum = 0;
#pragma unroll 16
    for (int split = 0; split < splits; ++split) sum += static_cast<double>(from[split * square]);
    values[y][x] = sum / m;
  }
  __syncthreads();
  const bool diagonal = tile.row == tile.col;
  for (int y = threadIdx.y; y < kOutTile; y += kOutRows) {
    // Of a tile on the diagonal the upper half stands for both.
    const double upper = diagonal && y > x ? values[x][y] : values[y][x];
    a[int64_t{tile.row * kOutTile + y} * d + tile.col * kOutTile + x] = upper;
    if (!diagonal) a[int64_t{tile.col * kOutTile + y} * d + tile.row * kOutTile + x] = values[x][y];
  }
}

constexpr int kBiasThreads = 256;

/// A thread makes one element. Grid: d / 256 x block 256.
__global__ void __launch_bounds__(kBiasThreads)
    gram_bias_kernel(float* bias, const double* offset, double factor, int d) {
  const int i = static_cast<int>(blockIdx.x * kBiasThreads + threadIdx.x);
  if (i < d) bias[i] = static_cast<float>(factor * offset[i]);
}

constexpr int kRangeBlocks = 256;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int kMostExponent = 120;  // of the power of two
constexpr int kRangeExponent = 10;  // the largest element becomes less than its power of two

/// A block takes the largest of its elements, and the last one of all blocks makes the range of it.
/// Grid: at most 256 x block 256. Shared: 36 bytes. Bound by bytes: 4 per element.
__global__ void __launch_bounds__(kReduceThreads)
    gram_range_kernel(float* range, uint32_t* counter, const float* difference, double factor,
                      int64_t count) {
  __shared__ uint32_t last;
  float largest = 0;
  for_each_group<1>(count, [&](int64_t i) { largest = larger(largest, fabsf(difference[i])); });
  largest = block_max(largest);
  if (threadIdx.x == 0) range[2 + blockIdx.x] = largest;
  if (!is_last_block(counter, static_cast<int>(gridDim.x), &last)) return;
  largest = threadIdx.x < gridDim.x ? range[2 + threadIdx.x] : 0;
  largest = block_max(largest);
  if (threadIdx.x != 0) return;
  int exponent = kRangeExponent;  // of zeros, and of what is not finite
  if (largest > 0 && largest < kInfinity) frexpf(largest, &exponent);
  const float power = ldexpf(1, min(kRangeExponent - exponent, kMostExponent));
  range[0] = power;
  range[1] = static_cast<float>(factor / static_cast<double>(power));
}

}  // namespace

bool gram_tensor_suits(int d, const TensorUnits& units) {
  return units.processors > 0 && d > 0 && d % kTile == 0;
}

int64_t gram_workspace_bytes(const GramParams& params, const TensorUnits& units) {
  return Plan(params, kSlice<Tf32>.depth, units).bytes(params.d);  // of 16 bits it has no more splits
}

template <typename S>
void gram_forward(double* a, const S* s, void* workspace, const GramParams& params, const TensorUnits& units,
                  Stream stream) {
  assert(gram_tensor_suits(params.d, units));
  if (params.m == 0) return;
  const Plan plan(params, kSlice<S>.depth, units);
  Arguments<S> g;
  g.partial = static_cast<float*>(workspace);
  g.s = s;
  g.m = params.m;
  g.slices = plan.slices;
  g.d = params.d;
  g.tiles_per_side = plan.tiles_per_side;
  allow_shared(gram_tensor_kernel<S>, kSharedBytes<S>);
  launch(gram_tensor_kernel<S>, dim3(static_cast<unsigned>(plan.tiles), static_cast<unsigned>(plan.splits)),
         dim3(kThreads), kSharedBytes<S>, stream, g);
  const int side = params.d / kOutTile;
  launch(add_gram_splits_kernel, dim3(static_cast<unsigned>(side * (side + 1) / 2)), dim3(kOutTile, kOutRows),
         0, stream, a, g.partial, plan.splits, static_cast<double>(params.m) / (params.scale * params.scale),
         params.d);
}
template void gram_forward(double*, const Tf32*, void*, const GramParams&, const TensorUnits&, Stream);
template void gram_forward(double*, const Float16*, void*, const GramParams&, const TensorUnits&, Stream);

void gram_bias(float* bias, const double* offset, double factor, int d, Stream stream) {
  launch(gram_bias_kernel, dim3((d + kBiasThreads - 1) / kBiasThreads), dim3(kBiasThreads), 0, stream, bias,
         offset, factor, d);
}

int64_t gram_range_count() { return 2 + kRangeBlocks; }

void gram_range(float* range, const float* difference, double factor, int d, const TensorUnits& units,
                Stream stream) {
  const int64_t count = int64_t{d} * d;
  const int blocks = static_cast<int>(std::min<int64_t>(std::max(reduce_blocks(count), 1), kRangeBlocks));
  launch(gram_range_kernel, dim3(static_cast<unsigned>(blocks)), dim3(kReduceThreads), 0, stream, range,
         units.counters, difference, factor, count);
}

}  // namespace swag::cuda
