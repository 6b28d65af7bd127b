// Step 7: a pipeline that reaches the registers.
//
// Idea:     in step 6 a warp asks shared memory for fragments, waits, rounds, multiplies, and begins again:
//           the tensor cores rest while it waits. Here the fragments of the next 8 columns are asked for
//           before these are multiplied, also across the end of a slice, where the wait for the copies and
//           the barrier come one step early. They are rounded when they are used: rounding them at once
//           would be waiting for them. A warp has twice the pixels, so that there are 16 products to hide
//           one read behind, and each fragment of W serves twice as many.
// Mapping:  a warp computes 64 pixels x 32 channels (4 x 4 tiles of 16 x 8), a block of 4 warps 128 x 64, in
//           slices of 32 columns. Grid: (pixels / 128) x (c_out / 64). Shared memory: 3 slices of 24 KiB,
//           dynamic.
// Bound by: the tensor cores' rate, or the L2 cache that feeds 128 + 64 rows per slice.
#include "kernels/ladder/conv2d_tensor_shared.cuh"

namespace swag::ladder {
namespace {

constexpr int kPixels = 128, kChannels = 64;
constexpr int kThreads = 128;
constexpr int kStages = 3;
constexpr int kSteps = kChunks / 2;  // of 8 columns in a slice; an even number, see `fragments`
constexpr int kStageFloats = (kPixels + kChannels) * kSliceColumns;
constexpr int kSharedBytes = kStages * kStageFloats * 4;

/// Of the warp's 64 rows of A and 32 rows of W: 8 columns, not rounded.
struct Fragments {
  uint32_t a[4][4], w[2][4];

  /// The answer takes its time: whoever uses a fragment waits for it.
  __device__ __forceinline__ void read(float* slice, int step, int a_row, int w_row) {
    const int lane = static_cast<int>(threadIdx.x) % 32, chunk = step * 2;
    float* w_slice = slice + kPixels * kSliceColumns;
#pragma unroll
    for (int i = 0; i < 4; ++i) {  // rows 0-7, rows 8-15, then both 4 columns on
      ldmatrix(a[i], chunk_at(slice, a_row + i * 16 + lane % 16, chunk + lane / 16));
    }
#pragma unroll
    for (int j = 0; j < 2; ++j) {  // rows 0-7, the same 4 columns on, then both for rows 8-15
      ldmatrix(w[j], chunk_at(w_slice, w_row + j * 16 + lane / 16 * 8 + lane % 8, chunk + lane / 8 % 2));
    }
  }

  /// piece += A W^T
  __device__ __forceinline__ void multiply(float (&piece)[4][4][4]) {
    round_all(w[0]);
    round_all(w[1]);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      round_all(a[i]);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const uint32_t b[2] = {w[j / 2][j % 2 * 2], w[j / 2][j % 2 * 2 + 1]};
        mma_tf32(piece[i][j], a[i], b);
      }
    }
  }
};

template <bool kVectors>
__global__ void __launch_bounds__(kThreads, 2)
    conv2d_pipelined_kernel(float* y, const float* x, const float* weight, Epilogue epilogue, Geometry g) {
  DYNAMIC_SHARED(float, slices);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int first_pixel = static_cast<int>(blockIdx.x) * kPixels;
  const int first_channel = static_cast<int>(blockIdx.y) * kChannels;
  const int a_row = warp % 2 * 64, w_row = warp / 2 * 32;
  const SliceCopier<kThreads, kPixels, kChannels, kVectors> copier(x, weight, g, first_pixel, first_channel);
  const auto slice_at = [&](int index) { return slices + index % kStages * kStageFloats; };
  const auto wait_for_slice = [] {
    cp_async_wait<kStages - 2>();  // this thread's copies of the next slice have arrived,
    __syncthreads();               // everybody's have, and the slice before it has been read
  };

  for (int index = 0; index < kStages - 1; ++index) copier.copy(slice_at(index), index, g);
  wait_for_slice();
  Fragments fragments[2];  // in turn: of this step, of the next one
  fragments[0].read(slice_at(0), 0, a_row, w_row);
  float sum[4][4][4] = {};
  const int count = (g.depth + kSliceColumns - 1) / kSliceColumns;
  for (int index = 0; index < count; ++index) {
    copier.copy(slice_at(index + kStages - 1), index + kStages - 1, g);
    float piece[4][4][4] = {};
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if (step + 1 < kSteps) {
        fragments[(step + 1) % 2].read(slice_at(index), step + 1, a_row, w_row);
      } else if (index + 1 < count) {
        wait_for_slice();
        fragments[0].read(slice_at(index + 1), 0, a_row, w_row);
      }
      fragments[step % 2].multiply(piece);
    }
#pragma unroll
    for (int i = 0; i < 64; ++i) sum[i / 16][i / 4 % 4][i % 4] += piece[i / 16][i / 4 % 4][i % 4];
  }

#pragma unroll
  for (int i = 0; i < 32; ++i) {  // pairs of channels: (tile of pixels, tile of channels, half)
    const int pixel = first_pixel + a_row + i / 8 * 16 + i % 2 * 8 + lane / 4;
    const int c = first_channel + w_row + i / 2 % 4 * 8 + lane % 4 * 2;
    write_pair<kVectors>(y, &sum[i / 8][i / 2 % 4][i % 2 * 2], pixel, c, epilogue, g);
  }
}

}  // namespace

void conv2d_7_pipelined(float* y, const float* x, const float* weight, const Epilogue& epilogue,
                        const Conv2dParams& params, Stream stream) {
  if (is_empty(params)) return;
  const Geometry g = geometry_of(params);
  const dim3 grid(ceil_div(g.pixels, kPixels), ceil_div(g.c_out, kChannels));
  const auto kernel =
      takes_vectors(y, x, weight, g) ? conv2d_pipelined_kernel<true> : conv2d_pipelined_kernel<false>;
  allow_shared(kernel, kSharedBytes);
  launch(kernel, grid, kThreads, kSharedBytes, stream, y, x, weight, epilogue, g);
}

}  // namespace swag::ladder
