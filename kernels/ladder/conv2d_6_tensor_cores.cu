// Step 6: tensor cores, fed by asynchronous copies.
//
// Idea:     one mma.sync is 1024 multiply-adds of a warp. To keep up, cp.async copies to shared memory
//           without passing registers, two slices ahead of their use, and ldmatrix reads four 8 x 4
//           matrices in one instruction. Rows of 32 floats would all begin in bank 0, so the 16-byte
//           chunks of row r are permuted by r % 8: eight rows of a matrix then lie in eight different
//           groups of banks, without padding (chunk_at, in conv2d_tensor_shared.cuh).
// Mapping:  a warp computes 32 pixels x 32 channels (2 x 4 tiles of 16 x 8), a block of 8 warps 128 x 64,
//           in slices of 32 columns. Grid: (pixels / 128) x (c_out / 64). Shared memory: 3 slices of 24
//           KiB, dynamic.
// Bound by: the tensor cores' rate, or the L2 cache that feeds 128 + 64 rows per slice.
//
// Operands are rounded to TF32 to nearest (10 bits); what mma.sync alone would do is to cut bits off, an
// error that is twice as large and all to one side. Tensor cores add less exactly than float: pieces of
// one slice limit that too.
#include "kernels/ladder/conv2d_tensor_shared.cuh"

namespace swag::ladder {
namespace {

constexpr int kPixels = 128, kChannels = 64;
constexpr int kThreads = 256;
constexpr int kStages = 3;
constexpr int kStageFloats = (kPixels + kChannels) * kSliceColumns;
constexpr int kSharedBytes = kStages * kStageFloats * 4;

/// piece = A W^T over one slice, for the warp's 32 x 32 outputs whose first rows are given.
__device__ __forceinline__ void multiply_slice(float (&piece)[2][4][4], float* a_slice, float* w_slice,
                                               int a_row, int w_row) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll 1                                      // unrolled, it takes more registers than there are
  for (int chunk = 0; chunk < kChunks; chunk += 2) {  // 8 columns
    uint32_t a[2][4], w[2][4];
#pragma unroll
    for (int i = 0; i < 2; ++i) {  // rows 0-7, rows 8-15, then both 4 columns on
      ldmatrix(a[i], chunk_at(a_slice, a_row + i * 16 + lane % 16, chunk + lane / 16));
      round_all(a[i]);
    }
#pragma unroll
    for (int j = 0; j < 2; ++j) {  // rows 0-7, the same 4 columns on, then both for rows 8-15
      ldmatrix(w[j], chunk_at(w_slice, w_row + j * 16 + lane / 16 * 8 + lane % 8, chunk + lane / 8 % 2));
      round_all(w[j]);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const uint32_t b[2] = {w[j / 2][j % 2 * 2], w[j / 2][j % 2 * 2 + 1]};
        mma_tf32(piece[i][j], a[i], b);
      }
    }
  }
}

template <bool kVectors>
__global__ void __launch_bounds__(kThreads, 2)
    conv2d_tensor_cores_kernel(float* y, const float* x, const float* weight, Epilogue epilogue, Geometry g) {
  DYNAMIC_SHARED(float, slices);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int first_pixel = static_cast<int>(blockIdx.x) * kPixels;
  const int first_channel = static_cast<int>(blockIdx.y) * kChannels;
  const int a_row = warp % 4 * 32, w_row = warp / 4 * 32;

  const SliceCopier<kThreads, kPixels, kChannels, kVectors> copier(x, weight, g, first_pixel, first_channel);
  const auto copy_slice = [&](int index) { copier.copy(slices + index % kStages * kStageFloats, index, g); };

  float sum[2][4][4] = {};
  for (int index = 0; index < kStages - 1; ++index) copy_slice(index);
  for (int index = 0; index * kSliceColumns < g.depth; ++index) {
    cp_async_wait<kStages - 2>();  // this thread's copies of the slice have arrived,
    __syncthreads();               // everybody's have, and the slice before is free
    copy_slice(index + kStages - 1);
    float* slice = slices + index % kStages * kStageFloats;
    float piece[2][4][4] = {};
    multiply_slice(piece, slice, slice + kPixels * kSliceColumns, a_row, w_row);
#pragma unroll
    for (int i = 0; i < 32; ++i) sum[i / 16][i / 4 % 4][i % 4] += piece[i / 16][i / 4 % 4][i % 4];
  }

#pragma unroll
  for (int i = 0; i < 16; ++i) {  // pairs of channels: (tile of pixels, tile of channels, half)
    const float* pair = &sum[i / 8][i / 2 % 4][i % 2 * 2];
    const int pixel = first_pixel + a_row + i / 8 * 16 + i % 2 * 8 + lane / 4;
    const int c = first_channel + w_row + i / 2 % 4 * 8 + lane % 4 * 2;
    write_pair<kVectors>(y, pair, pixel, c, epilogue, g);
  }
}

}  // namespace

void conv2d_6_tensor_cores(float* y, const float* x, const float* weight, const Epilogue& epilogue,
                           const Conv2dParams& params, Stream stream) {
  if (is_empty(params)) return;
  const Geometry g = geometry_of(params);
  const dim3 grid(ceil_div(g.pixels, kPixels), ceil_div(g.c_out, kChannels));
  const auto kernel =
      takes_vectors(y, x, weight, g) ? conv2d_tensor_cores_kernel<true> : conv2d_tensor_cores_kernel<false>;
  allow_shared(kernel, kSharedBytes);
  launch(kernel, grid, kThreads, kSharedBytes, stream, y, x, weight, epilogue, g);
}

}  // namespace swag::ladder
