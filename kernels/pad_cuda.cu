#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/pad.h"

namespace swag::cuda {
namespace {

/// A thread makes one element of y: three channels are no four floats.
/// Grid: row elements / 256 x rows (at most 65535), block 256. No shared memory. Bound by bytes: 8 an
/// element.
__global__ void __launch_bounds__(kElementThreads)
    pad_replicate_forward_kernel(float* y, const float* x, PadParams params) {
  const int64_t row_size = int64_t{params.w_out()} * params.c;
  for (int row = blockIdx.y; row < params.h_out(); row += gridDim.y) {
    const int64_t from = min(max(row - params.pad, 0), params.h - 1);
    for_each_group<1>(row_size, [&](int64_t i) {
      const int col = static_cast<int>(i) / params.c, channel = static_cast<int>(i) % params.c;
      const int64_t source = min(max(col - params.pad, 0), params.w - 1);
      y[row * row_size + i] = x[(from * params.w + source) * params.c + channel];
    });
  }
}

/// A thread makes one element of dx, of all its copies: one but at the edges.
/// Grid: row elements / 256 x rows (at most 65535), block 256. No shared memory. Bound by bytes: 8 an
/// element.
__global__ void __launch_bounds__(kElementThreads)
    pad_replicate_backward_kernel(float* dx, const float* dy, PadParams params) {
  const int64_t row_size = int64_t{params.w} * params.c, padded = int64_t{params.w_out()} * params.c;
  for (int row = blockIdx.y; row < params.h; row += gridDim.y) {
    const PadCopies rows(row, params.h, params.pad);
    for_each_group<1>(row_size, [&](int64_t i) {
      const int col = static_cast<int>(i) / params.c, channel = static_cast<int>(i) % params.c;
      const PadCopies cols(col, params.w, params.pad);
      float sum = 0;
      for (int r = rows.begin; r < rows.end; ++r) {
        for (int q = cols.begin; q < cols.end; ++q) sum += dy[r * padded + int64_t{q} * params.c + channel];
      }
      dx[row * row_size + i] = sum;
    });
  }
}

dim3 row_grid(int rows, int64_t row_size) {
  dim3 grid = dense_grid(row_size, 1);
  grid.y = static_cast<unsigned>(std::min(rows, kMostGridRows));
  return grid;
}

}  // namespace

// ---------------------------------------------------------------- launchers

void pad_replicate_forward(float* y, const float* x, const PadParams& params, Stream stream) {
  if (params.h == 0 || params.w == 0 || params.c == 0) return;
  launch(pad_replicate_forward_kernel, row_grid(params.h_out(), int64_t{params.w_out()} * params.c),
         dim3(kElementThreads), 0, stream, y, x, params);
}

void pad_replicate_backward(float* dx, const float* dy, const PadParams& params, Stream stream) {
  if (params.h == 0 || params.w == 0 || params.c == 0) return;
  launch(pad_replicate_backward_kernel, row_grid(params.h, int64_t{params.w} * params.c),
         dim3(kElementThreads), 0, stream, dx, dy, params);
}

}  // namespace swag::cuda
