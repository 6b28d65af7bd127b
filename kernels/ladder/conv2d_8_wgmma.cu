// Step 8: copies and products that nobody waits for together. For Hopper alone (sm_90a); no GPU has run it
// yet.
//
// Idea:     in step 7 every thread does everything: it finds addresses, copies, reads fragments, multiplies,
//           and at every slice all wait for all. Here one thread orders copies, of a whole tile at a time
//           (the TMA finds the addresses, and puts zeros where the map ends), and two warpgroups multiply
//           what has come: wgmma reads its operands in shared memory by itself, not a fragment passes
//           registers. Each of four stages has two mbarriers. "Full": all bytes have come. "Empty": all warps
//           have read them. The copies run ahead of the products by as many slices as there are stages, and
//           no __syncthreads holds up either.
// Mapping:  a warpgroup (4 warps) computes 64 pixels x 64 channels, a block of two of them and a warp for
//           copies 8 rows x 16 columns of pixels x 64 channels, in slices of 32 channels of one tap. Grid:
//           (tiles of pixels) x (c_out / 64). Shared memory: 4 slices of 24 KiB and barriers, dynamic.
// Bound by: the tensor cores' rate or what wgmma reads of shared memory: on paper both take as long.
//
// The TMA copies bytes as they are, so nobody rounds: wgmma cuts the last 13 bits of an operand off. (The
// product rounds a map where it is stored.) A tensor map wants pixels at multiples of 16 bytes.
#include "kernels/cuda/hopper.cuh"
#include "kernels/ladder/conv2d_tensor_shared.cuh"

namespace swag::ladder {
namespace {

constexpr int kRows = 8, kCols = 16;  // of pixels
constexpr int kPixels = kRows * kCols, kChannels = 64;
constexpr int kGroups = 2, kConsumers = kGroups * 128;
constexpr int kThreads = kConsumers + 32;
constexpr int kStages = 4;
constexpr int kStageFloats = (kPixels + kChannels) * kSliceColumns, kStageBytes = kStageFloats * 4;
constexpr int kSharedBytes = kStages * (kStageBytes + 2 * static_cast<int>(sizeof(uint64_t)));

struct Maps {
  CUtensorMap x;       // boxes of 8 x 16 pixels, as far apart as the stride, x 32 channels
  CUtensorMap weight;  // its "rows" are c_out, its "columns" taps: boxes of 64 x 1 x 32 channels
};

#ifdef SWAG_HAS_WGMMA

/// Where slice `index` lies, and who waits for what there.
struct Stage {
  float *a, *w;
  uint64_t* full;   // its bytes have come
  uint64_t* empty;  // all warps have read them
  unsigned parity;  // of the round: how often the stage has been used

  __device__ __forceinline__ Stage(float* shared, int index) {
    const int stage = index % kStages;
    a = shared + stage * kStageFloats;
    w = a + kPixels * kSliceColumns;
    full = reinterpret_cast<uint64_t*>(shared + kStages * kStageFloats) + stage;
    empty = full + kStages;
    parity = static_cast<unsigned>(index / kStages) & 1;
  }
};

/// What one thread does: a box of A and one of W for each slice, as soon as its stage is free. In the first
/// round all are: the phase before an mbarrier's first counts as complete.
__device__ __forceinline__ void order_copies(float* shared, const Maps& maps, const Geometry& g,
                                             int first_row, int first_col, int first_channel) {
  int index = 0;
  for (int tap = 0; tap < g.kh * g.kw; ++tap) {
    const int row = first_row * g.stride_h - g.pad_h + tap / g.kw;
    const int col = first_col * g.stride_w - g.pad_w + tap % g.kw;
    for (int channel = 0; channel < g.c_in; channel += kSliceColumns, ++index) {
      const Stage stage(shared, index);
      mbarrier_wait(stage.empty, stage.parity ^ 1);
      mbarrier_arrive_expecting(stage.full, kStageBytes);
      tensor_copy(stage.a, maps.x, channel, col, row, stage.full);
      tensor_copy(stage.w, maps.weight, channel, tap, first_channel, stage.full);
    }
  }
}

/// What a warpgroup does: sum = A W^T for its 64 pixels. While it ends a piece, other warpgroups multiply.
__device__ __forceinline__ void multiply_slices(float (&sum)[1][kChannels / 2], float* shared,
                                                const Geometry& g) {
  const int thread = static_cast<int>(threadIdx.x), group = thread / 128;
  const int count = g.kh * g.kw * ((g.c_in + kSliceColumns - 1) / kSliceColumns);
  float piece[1][kChannels / 2] = {};
  for (int index = 0; index < count; ++index) {
    const Stage stage(shared, index);
    mbarrier_wait(stage.full, stage.parity);
    const float* const a = stage.a + group * (kPixels / kGroups) * kSliceColumns;
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kSliceColumns; k += 8) {
      wgmma<WgmmaOperands::kTf32>(piece[0], wgmma_descriptor(a + k), wgmma_descriptor(stage.w + k));
    }
    wgmma_commit();
    wgmma_wait<0>();
    if (thread % 32 == 0) mbarrier_arrive(stage.empty);
    add_piece(sum, piece);
  }
}

#endif  // SWAG_HAS_WGMMA

template <bool kVectors>
__global__ void __launch_bounds__(kThreads, 2)
    conv2d_wgmma_kernel(float* y, const __grid_constant__ Maps maps, Epilogue epilogue, Geometry g) {
#ifdef SWAG_HAS_WGMMA
  DYNAMIC_SHARED(float, shared);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int tiles_x = (g.w_out + kCols - 1) / kCols, tile = static_cast<int>(blockIdx.x);
  const int first_row = tile / tiles_x * kRows, first_col = tile % tiles_x * kCols;
  const int first_channel = static_cast<int>(blockIdx.y) * kChannels;
  if (thread == 0) {
    for (int i = 0; i < kStages; ++i) {
      mbarrier_init(Stage(shared, i).full, 1);  // the thread that announces bytes
      mbarrier_init(Stage(shared, i).empty, kConsumers / 32);
    }
    mbarrier_init_fence();
  }
  __syncthreads();  // the only one

  if (thread >= kConsumers) {
    if (thread == kConsumers) order_copies(shared, maps, g, first_row, first_col, first_channel);
    return;
  }
  float sum[1][kChannels / 2] = {};
  multiply_slices(sum, shared, g);
#pragma unroll
  for (int i = 0; i < kChannels / 4; ++i) {  // pairs of channels: (tile of 8 channels, half of 16 pixels)
    const int pixel = warp * 16 + i % 2 * 8 + lane / 4;
    const int row = first_row + pixel / kCols, col = first_col + pixel % kCols;
    if (row >= g.h_out || col >= g.w_out) continue;
    const int c = first_channel + i / 2 * 8 + lane % 4 * 2;
    write_pair<kVectors>(y, &sum[0][i * 2], row * g.w_out + col, c, epilogue, g);
  }
#endif
}

}  // namespace

void conv2d_8_wgmma(float* y, const float* x, const float* weight, const Epilogue& epilogue,
                    const Conv2dParams& params, Stream stream) {
  if (is_empty(params)) return;
  const Geometry g = geometry_of(params);
  const TensorMapShape x_shape{g.c_in, g.w, g.h, g.x_pitch, kCols, kRows, g.stride_w, g.stride_h};
  const TensorMapShape weight_shape{g.c_in, g.kh * g.kw, g.c_out, g.c_in, 1, kChannels};
  const Maps maps{make_tensor_map(x, WgmmaOperands::kTf32, x_shape),
                  make_tensor_map(weight, WgmmaOperands::kTf32, weight_shape)};
  const dim3 grid(ceil_div(g.w_out, kCols) * ceil_div(g.h_out, kRows), ceil_div(g.c_out, kChannels));
  const auto kernel = takes_vectors(y, x, weight, g) ? conv2d_wgmma_kernel<true> : conv2d_wgmma_kernel<false>;
  allow_shared(kernel, kSharedBytes);
  launch(kernel, grid, kThreads, kSharedBytes, stream, y, maps, epilogue, g);
}

}  // namespace swag::ladder
