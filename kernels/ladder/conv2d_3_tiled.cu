// Step 3: a block reads once what its threads share.
//
// Idea:     16 pixels x 16 channels need 16 windows and 16 filters, not 256 of each. The block copies a
//           slice of 16 columns of both matrices into shared memory, waits, and multiplies out of it.
// Mapping:  one thread computes one output; threadIdx.x is the channel, threadIdx.y the pixel. A block
//           computes 16 x 16. Grid: (pixels / 16) x (c_out / 16). Shared memory: 2 KiB.
// Bound by: shared memory: each multiply-add reads it twice. Global reads fall to 0.5 bytes per multiply-
//           add.
#include "kernels/ladder/conv2d_geometry.cuh"

namespace swag::ladder {
namespace {

constexpr int kTile = 16;

__global__ void __launch_bounds__(kTile* kTile)
    conv2d_tiled_kernel(float* y, const float* x, const float* weight, Epilogue epilogue, Geometry g) {
  __shared__ float a_tile[kTile][kTile];  // (pixel, k)
  __shared__ float w_tile[kTile][kTile];  // (k, channel): turned, so that the lanes below read neighbours
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const int pixel = static_cast<int>(blockIdx.x) * kTile + ty;
  const int channel = static_cast<int>(blockIdx.y) * kTile + tx;
  const int filter = static_cast<int>(blockIdx.y) * kTile + ty;  // that this thread copies
  const Window window = window_of(g, pixel);

  float sum = 0;
  for (int begin = 0; begin < g.depth; begin += kTile) {
    const int k = begin + tx;
    const int64_t offset = k < g.depth ? patch_offset(g, window, tap_of(g, k)) : -1;
    a_tile[ty][tx] = offset >= 0 ? x[offset] : 0;
    w_tile[tx][ty] = filter < g.c_out && k < g.depth ? weight[static_cast<int64_t>(filter) * g.depth + k] : 0;
    __syncthreads();  // the tiles are complete
    float piece = 0;
#pragma unroll
    for (int i = 0; i < kTile; ++i) piece += a_tile[ty][i] * w_tile[i][tx];
    sum += piece;
    __syncthreads();  // nobody reads them any more
  }
  if (pixel < g.pixels && channel < g.c_out) {
    y[static_cast<int64_t>(pixel) * g.y_pitch + channel] = finish(sum, epilogue, channel);
  }
}

}  // namespace

void conv2d_3_tiled(float* y, const float* x, const float* weight, const Epilogue& epilogue,
                    const Conv2dParams& params, Stream stream) {
  if (is_empty(params)) return;
  const Geometry g = geometry_of(params);
  const dim3 grid(ceil_div(g.pixels, kTile), ceil_div(g.c_out, kTile));
  launch(conv2d_tiled_kernel, grid, dim3(kTile, kTile), 0, stream, y, x, weight, epilogue, g);
}

}  // namespace swag::ladder
