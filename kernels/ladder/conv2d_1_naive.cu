// Step 1: one thread per output, as the formula reads.
//
// Idea:     none yet. Neighbouring threads take neighbouring rows of the map, which lie far apart in
//           memory.
// Mapping:  one thread computes one y(row, col, channel). Grid: outputs / 256 blocks of 256. No shared
//           memory.
// Bound by: memory transactions. The 32 lanes of a warp read x at 32 places, and each place moves a
//           sector of 32 bytes of which 4 are used.
#include "kernels/ladder/conv2d_geometry.cuh"

namespace swag::ladder {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    conv2d_naive_kernel(float* y, const float* x, const float* weight, Epilogue epilogue, Geometry g) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= static_cast<int64_t>(g.pixels) * g.c_out) return;
  const int row = static_cast<int>(index % g.h_out);
  const int col = static_cast<int>(index / g.h_out % g.w_out);
  const int channel = static_cast<int>(index / g.pixels);

  float sum = 0;
  for (int i = 0; i < g.kh; ++i) {
    const int x_row = row * g.stride_h - g.pad_h + i;
    if (x_row < 0 || x_row >= g.h) continue;
    for (int j = 0; j < g.kw; ++j) {
      const int x_col = col * g.stride_w - g.pad_w + j;
      if (x_col < 0 || x_col >= g.w) continue;
      const float* pixel = x + (static_cast<int64_t>(x_row) * g.w + x_col) * g.x_pitch;
      const float* taps = weight + ((static_cast<int64_t>(channel) * g.kh + i) * g.kw + j) * g.c_in;
      for (int begin = 0; begin < g.c_in; begin += kPiece) {
        const int end = begin + kPiece < g.c_in ? begin + kPiece : g.c_in;
        float piece = 0;
        for (int c = begin; c < end; ++c) piece += pixel[c] * taps[c];
        sum += piece;
      }
    }
  }
  y[(static_cast<int64_t>(row) * g.w_out + col) * g.y_pitch + channel] = finish(sum, epilogue, channel);
}

}  // namespace

void conv2d_1_naive(float* y, const float* x, const float* weight, const Epilogue& epilogue,
                    const Conv2dParams& params, Stream stream) {
  if (is_empty(params)) return;
  const Geometry g = geometry_of(params);
  const unsigned blocks = ceil_div(static_cast<int64_t>(g.pixels) * g.c_out, kThreads);
  launch(conv2d_naive_kernel, blocks, kThreads, 0, stream, y, x, weight, epilogue, g);
}

}  // namespace swag::ladder
