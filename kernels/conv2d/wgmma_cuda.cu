// The convolution on Hopper's tensor cores: an implicit GEMM of wgmma, fed by the TMA. Its oracle is
// tensor_cuda.cuh, which reads the same packed weights and ends in the same epilogue.
#include <type_traits>

#include "kernels/conv2d/tensor_output_cuda.cuh"
#include "kernels/conv2d/wgmma_plan_cuda.h"
#include "kernels/cuda/hopper.cuh"

namespace swag::cuda::conv2d {
namespace {

template <WgmmaOperands kOperands>
constexpr int kElementBytes = kOperands == WgmmaOperands::kTf32 ? 4 : 2;

template <typename T>
constexpr WgmmaOperands kOperandsOf = std::is_same_v<T, Tf32>      ? WgmmaOperands::kTf32
                                      : std::is_same_v<T, Float16> ? WgmmaOperands::kHalf
                                                                   : WgmmaOperands::kBfloat16;

struct WgmmaArguments {
  GemmArguments gemm;
  CUtensorMap x;  // of gemm.x, with the box of a tile's pixels
};

#ifdef SWAG_HAS_WGMMA

/// The barriers of a block's stages: their bytes have come; all warps have read them.
template <int kStages>
struct Stages {
  unsigned char* memory;
  int bytes;  // of one

  __device__ __forceinline__ uint64_t* full(int stage) const {
    return reinterpret_cast<uint64_t*>(memory + kStages * bytes) + stage;
  }
  __device__ __forceinline__ uint64_t* empty(int stage) const { return full(stage) + kStages; }
  __device__ __forceinline__ unsigned char* tile(int stage) const { return memory + stage * bytes; }

  /// By one thread.
  __device__ __forceinline__ void init() const {
#pragma unroll
    for (int stage = 0; stage < kStages; ++stage) {
      mbarrier_init(full(stage), 1);
      mbarrier_init(empty(stage), kWgmmaConsumers / 32);
    }
    mbarrier_init_fence();
  }
};

/// The stage that comes next, and how often all of them have been used before.
template <int kStages>
struct StageCount {
  int stage = 0, round = 0;

  __device__ __forceinline__ void advance() {
    if (++stage < kStages) return;
    stage = 0;
    ++round;
  }
};

/// What the thread that orders copies does: a box of pixels and blocks of weights for each slice of 128 bytes
/// of columns, as soon as its stage is free.
template <WgmmaOperands kOperands, int kIndex>
__device__ __forceinline__ void order_slices(const WgmmaArguments& w, const Phase& phase,
                                             const Stages<kWgmmaTiles[kIndex].stages>& stages, int first_row,
                                             int first_col, int first_channel, int begin, int end) {
  constexpr WgmmaTile kTile = kWgmmaTiles[kIndex];
  constexpr int kColumns = row_columns(kElementBytes<kOperands>), kBlockBytes = kBlockRows * kRowBytes;
  const GemmArguments& g = w.gemm;
  const Axis &rows = phase.rows, &cols = phase.cols;
  const int tap_blocks = g.in / kColumns, blocks = rows.taps * cols.taps * tap_blocks;
  const int y = rows.x_first + rows.x_step * first_row, x = cols.x_first + cols.x_step * first_col;
  const int64_t step = static_cast<int64_t>(blocks) * kBlockBytes;  // to the next 64 channels
  const unsigned char* weights =
      reinterpret_cast<const unsigned char*>(g.packed) + phase.packed_offset * kElementBytes<kOperands> +
      first_channel / kBlockRows * step + static_cast<int64_t>(begin) * kBlockBytes;
  const int taps = max(cols.taps, 1), tap = begin / tap_blocks;
  int block = begin - tap * tap_blocks, tap_row = tap / taps, tap_col = tap % taps;
  StageCount<kTile.stages> next;
  for (int slice = begin; slice < end; ++slice, next.advance(), weights += kBlockBytes) {
    uint64_t* const full = stages.full(next.stage);
    unsigned char* const to = stages.tile(next.stage);
    if (next.round > 0) mbarrier_wait(stages.empty(next.stage), (next.round - 1) & 1);
    mbarrier_arrive_expecting(full, kTile.stage_bytes());
    tensor_copy(to, w.x, block * kColumns, x + tap_col, y + tap_row, full);
#pragma unroll
    for (int j = 0; j < kTile.n / kBlockRows; ++j) {
      bulk_copy(to + kTile.m * kRowBytes + j * kBlockBytes, weights + j * step, kBlockBytes, full);
    }
    if (++block < tap_blocks) continue;
    block = 0;
    if (++tap_col < cols.taps) continue;
    tap_col = 0;
    ++tap_row;
  }
}

/// What a warpgroup does: sum += A B over the slices. A stage is free once the wgmmas of the slice after it
/// have been issued and its own are done.
template <WgmmaOperands kOperands, int kIndex, int kTilesM, int kCount>
__device__ __forceinline__ void multiply_slices(float (&sum)[kTilesM][kCount],
                                                const Stages<kWgmmaTiles[kIndex].stages>& stages,
                                                int slices) {
  constexpr WgmmaTile kTile = kWgmmaTiles[kIndex];
  constexpr int kStepBytes = 32;  // of columns: a wgmma's
  const int thread = static_cast<int>(threadIdx.x), group = thread / 128;
  StageCount<kTile.stages> now;
  int before = 0;
  for (int slice = 0; slice < slices; ++slice, now.advance()) {
    mbarrier_wait(stages.full(now.stage), now.round & 1);
    const unsigned char* const a = stages.tile(now.stage) + group * (kTile.m / kWgmmaGroups) * kRowBytes;
    const unsigned char* const b = stages.tile(now.stage) + kTile.m * kRowBytes;
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < kRowBytes; step += kStepBytes) {
#pragma unroll
      for (int i = 0; i < kTilesM; ++i) {
        wgmma<kOperands>(sum[i], wgmma_descriptor(a + i * 64 * kRowBytes + step), wgmma_descriptor(b + step));
      }
    }
    wgmma_commit();
    wgmma_wait<1>();
    if (slice > 0 && thread % 32 == 0) mbarrier_arrive(stages.empty(before));
    before = now.stage;
  }
  wgmma_wait<0>();
}

#endif  // SWAG_HAS_WGMMA

/// Block: a tile of kTile's m pixels, 16 wide, by n channels, over one split of the sum's columns. A thread
///   orders copies, of 128 bytes of columns at a time and as many as there are stages; two warpgroups
///   multiply what has come. mbarriers tell each side what the other has done; nobody else waits.
/// Warpgroup: m / 2 pixels by n channels, in wgmma's fragments.
/// Grid: (tiles of pixels x tiles of channels, splits, phases), as conv2d_tensor_kernel.
/// Shared memory: 192, 192, 96, 96 KiB, dynamic, for the tiles in the order of kWgmmaTiles, and barriers.
/// Bound by the tensor cores' rate; with n = 64 by what wgmma reads of shared memory.
template <WgmmaOperands kOperands, int kIndex>
__global__ void __launch_bounds__(kWgmmaThreads, kWgmmaTiles[kIndex].blocks)
    conv2d_wgmma_kernel(const __grid_constant__ WgmmaArguments w) {
#ifdef SWAG_HAS_WGMMA
  constexpr WgmmaTile kTile = kWgmmaTiles[kIndex];
  constexpr int kTilesM = kTile.m / kWgmmaGroups / 64, kCount = kTile.n / 2;
  DYNAMIC_SHARED(unsigned char, shared);
  const GemmArguments& g = w.gemm;
  const Phase& phase = g.phase[blockIdx.z];
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32;
  const int channel_tiles = g.out_padded / kTile.n, index = static_cast<int>(blockIdx.x);
  const int tile = index / channel_tiles, first_channel = index % channel_tiles * kTile.n;
  const int tiles_x = (phase.cols.count + kTileCols - 1) / kTileCols;
  const int first_row = tile / tiles_x * (kTile.m / kTileCols), first_col = tile % tiles_x * kTileCols;
  if (first_row >= phase.rows.count) return;
  const int blocks = phase.rows.taps * phase.cols.taps * (g.in / row_columns(kElementBytes<kOperands>));
  const int begin = blocks * static_cast<int>(blockIdx.y) / g.splits;
  const int end = blocks * (static_cast<int>(blockIdx.y) + 1) / g.splits;

  const Stages<kTile.stages> stages{shared, kTile.stage_bytes()};
  if (thread == 0) stages.init();
  __syncthreads();
  float sum[kTilesM][kCount] = {};
  const bool multiplies = thread < kWgmmaConsumers;
  if (multiplies) {
    multiply_slices<kOperands, kIndex>(sum, stages, end - begin);
  } else if (thread == kWgmmaConsumers) {
    order_slices<kOperands, kIndex>(w, phase, stages, first_row, first_col, first_channel, begin, end);
  }
  __syncthreads();  // nobody reads the slices any more

  if (g.splits > 1) {
    auto& flat = reinterpret_cast<float(&)[kTilesM * kCount / 4][4]>(sum);
    const int number = static_cast<int>(blockIdx.z * gridDim.x) + index;
    if (multiplies) leave_split<kWgmmaConsumers>(flat, g, number);
    if (!is_last_block(g.counters + number, g.splits, reinterpret_cast<uint32_t*>(shared))) return;
    if (multiplies) collect_splits<kWgmmaConsumers>(flat, g, number);
    __syncthreads();  // everybody has read the answer
  }
  if (!multiplies) return;
  constexpr int kChannels = 64;  // at a time
  float* const corner = reinterpret_cast<float*>(shared) + warp * 16 * (kChannels + 8);
  const int warp_row = warp / 4 * (kTile.m / kWgmmaGroups) + warp % 4 * 16;
#pragma unroll
  for (int i = 0; i < kTilesM; ++i) {
    auto& part = reinterpret_cast<float(&)[kTile.n / kChannels][kChannels / 8][4]>(sum[i]);
#pragma unroll
    for (int j = 0; j < kTile.n / kChannels; ++j) {
      write_rows<kChannels>(g, phase, first_row + (warp_row + i * 64) / kTileCols, first_col,
                            first_channel + j * kChannels, corner, part[j]);
    }
  }
#endif
}

// ---------------------------------------------------------------- launchers

template <WgmmaOperands kOperands, int kIndex>
void launch_tiles(const GemmArguments& g, int phases, Stream stream) {
  constexpr WgmmaTile kTile = kWgmmaTiles[kIndex];
  static_assert(kWgmmaConsumers / 32 * 16 * (64 + 8) * 4 <= kTile.stages * kTile.stage_bytes(),
                "corners fit");
  TensorMapShape shape;
  shape.channels = g.in, shape.cols = g.w, shape.rows = g.h;
  shape.pitch = g.x_pitch;
  shape.box_cols = kTileCols, shape.box_rows = kTile.m / kTileCols;
  shape.col_step = g.phase[0].cols.x_step, shape.row_step = g.phase[0].rows.x_step;  // all phases'
  WgmmaArguments w;
  w.gemm = g;
  w.x = make_tensor_map(g.x, kOperands, shape);
  int64_t tiles = 0;
  for (int i = 0; i < phases; ++i) tiles = std::max(tiles, pixel_tiles(g.phase[i], kTile.m));
  const dim3 grid(static_cast<unsigned>(tiles * (g.out_padded / kTile.n)), static_cast<unsigned>(g.splits),
                  static_cast<unsigned>(phases));
  allow_shared(conv2d_wgmma_kernel<kOperands, kIndex>, kTile.shared_bytes());
  launch(conv2d_wgmma_kernel<kOperands, kIndex>, grid, dim3(kWgmmaThreads), kTile.shared_bytes(), stream, w);
}

}  // namespace

template <typename T>
void wgmma_run(GemmArguments arguments, const Gemm& gemm, const TensorUnits& units, Stream stream) {
  constexpr auto kOperands = kOperandsOf<T>;
  const WgmmaTiling tiling = choose_wgmma_tiling(gemm, kElementBytes<kOperands>, units);
  arguments.splits = tiling.splits;
  arguments.counters = units.counters;
  for_each_launch(arguments, gemm, [&](const GemmArguments& g, int phases) {
    switch (tiling.tile) {
      case kWideWgmma: return launch_tiles<kOperands, kWideWgmma>(g, phases, stream);
      case kLargeWgmma: return launch_tiles<kOperands, kLargeWgmma>(g, phases, stream);
      case kMiddleWgmma: return launch_tiles<kOperands, kMiddleWgmma>(g, phases, stream);
      case kSmallWgmma: return launch_tiles<kOperands, kSmallWgmma>(g, phases, stream);
    }
  });
}
template void wgmma_run<Tf32>(GemmArguments, const Gemm&, const TensorUnits&, Stream);
template void wgmma_run<Float16>(GemmArguments, const Gemm&, const TensorUnits&, Stream);
template void wgmma_run<BFloat16>(GemmArguments, const Gemm&, const TensorUnits&, Stream);

}  // namespace swag::cuda::conv2d
