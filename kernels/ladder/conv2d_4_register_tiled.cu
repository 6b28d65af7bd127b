// Step 4: a thread computes many outputs out of registers.
//
// Idea:     8 pixels x 4 channels need 8 + 4 values from shared memory for 32 multiply-adds, where step 3
//           read 64. The larger block tile also reads global memory less often.
// Mapping:  one thread computes 8 pixels x 4 channels, a block of 256 threads 128 x 64, in slices of 8
//           columns. Grid: (pixels / 128) x (c_out / 64). Shared memory: 6 KiB.
// Bound by: instructions that are not multiply-adds: scalar loads, address arithmetic; and bank conflicts
//           when the slices are stored (8 lanes of a warp hit one bank).
#include "kernels/ladder/conv2d_geometry.cuh"

namespace swag::ladder {
namespace {

constexpr int kPixels = 128, kChannels = 64, kDepth = 8;  // of a block's tile
constexpr int kThreadPixels = 8, kThreadChannels = 4;
constexpr int kThreads = 256;
constexpr int kRowStep = kThreads / kDepth;  // rows that the block copies at once
constexpr int kARows = kPixels / kRowStep, kWRows = kChannels / kRowStep;
constexpr int kThreadCols = kChannels / kThreadChannels;

__global__ void __launch_bounds__(kThreads)
    conv2d_register_tiled_kernel(float* y, const float* x, const float* weight, Epilogue epilogue,
                                 Geometry g) {
  __shared__ float a_tile[kDepth][kPixels];
  __shared__ float w_tile[kDepth][kChannels];
  const int thread = static_cast<int>(threadIdx.x);
  const int first_pixel = static_cast<int>(blockIdx.x) * kPixels;
  const int first_channel = static_cast<int>(blockIdx.y) * kChannels;
  const int copy_k = thread % kDepth, copy_row = thread / kDepth;  // 8 lanes copy a sector of 32 bytes
  const int pixel = thread / kThreadCols * kThreadPixels;          // of this thread's outputs, in the tile
  const int channel = thread % kThreadCols * kThreadChannels;

  Window windows[kARows];
#pragma unroll
  for (int i = 0; i < kARows; ++i) windows[i] = window_of(g, first_pixel + copy_row + i * kRowStep);

  float sum[kThreadPixels][kThreadChannels] = {}, piece[kThreadPixels][kThreadChannels] = {};
  int in_piece = 0;
  for (int begin = 0; begin < g.depth; begin += kDepth) {
    const int k = begin + copy_k;
    const Tap tap = tap_of(g, k);
#pragma unroll
    for (int i = 0; i < kARows; ++i) {
      const int64_t offset = k < g.depth ? patch_offset(g, windows[i], tap) : -1;
      a_tile[copy_k][copy_row + i * kRowStep] = offset >= 0 ? x[offset] : 0;
    }
#pragma unroll
    for (int i = 0; i < kWRows; ++i) {
      const int row = copy_row + i * kRowStep;
      const bool inside = k < g.depth && first_channel + row < g.c_out;
      w_tile[copy_k][row] = inside ? weight[static_cast<int64_t>(first_channel + row) * g.depth + k] : 0;
    }
    __syncthreads();
#pragma unroll
    for (int kk = 0; kk < kDepth; ++kk) {
      float a[kThreadPixels], w[kThreadChannels];
#pragma unroll
      for (int i = 0; i < kThreadPixels; ++i) a[i] = a_tile[kk][pixel + i];
#pragma unroll
      for (int j = 0; j < kThreadChannels; ++j) w[j] = w_tile[kk][channel + j];
#pragma unroll
      for (int i = 0; i < kThreadPixels; ++i) {
#pragma unroll
        for (int j = 0; j < kThreadChannels; ++j) piece[i][j] += a[i] * w[j];
      }
    }
    in_piece += kDepth;
    if (in_piece >= kPiece || begin + kDepth >= g.depth) {
      in_piece = 0;
      add_piece(sum, piece);
    }
    __syncthreads();
  }

#pragma unroll
  for (int i = 0; i < kThreadPixels; ++i) {
    if (first_pixel + pixel + i >= g.pixels) break;
    float* out = y + static_cast<int64_t>(first_pixel + pixel + i) * g.y_pitch;
#pragma unroll
    for (int j = 0; j < kThreadChannels; ++j) {
      const int c = first_channel + channel + j;
      if (c < g.c_out) out[c] = finish(sum[i][j], epilogue, c);
    }
  }
}

}  // namespace

void conv2d_4_register_tiled(float* y, const float* x, const float* weight, const Epilogue& epilogue,
                             const Conv2dParams& params, Stream stream) {
  if (is_empty(params)) return;
  const Geometry g = geometry_of(params);
  const dim3 grid(ceil_div(g.pixels, kPixels), ceil_div(g.c_out, kChannels));
  launch(conv2d_register_tiled_kernel, grid, kThreads, 0, stream, y, x, weight, epilogue, g);
}

}  // namespace swag::ladder
