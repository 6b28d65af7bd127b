#include "kernels/cuda/reduce.cuh"
#include "kernels/total_variation.h"

namespace swag::cuda {
namespace {

constexpr int kMostColumnBlocks = 32;

/// A thread makes one element of dx, and the loss of its pairs to the right and below; a block goes over
/// several rows and leaves one partial sum.
/// Grid: row elements / 256 (at most 32) x rows, at most 1024 in all x block 256. Shared: 64 bytes. Bound by
/// bytes: 12 per element; the neighbours come from the caches. One float at a time, because the neighbour
/// three channels on is not aligned to more.
__global__ void __launch_bounds__(kReduceThreads)
    total_variation_kernel(double* partials, float* dx, const float* x, float factor,
                           TotalVariationParams params) {
  const int64_t row_size = int64_t{params.w} * params.c, step = params.c;
  const float twice = 2 * factor;
  double loss[1] = {0};
  for (int row = blockIdx.y; row < params.h; row += gridDim.y) {
    const int64_t origin = row * row_size;
    for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < row_size;
         i += int64_t{gridDim.x} * blockDim.x) {
      const float here = x[origin + i];
      float gradient = dx[origin + i];
      if (row + 1 < params.h) {
        const float below = x[origin + i + row_size];
        const double difference = static_cast<double>(below) - static_cast<double>(here);
        gradient += twice * (here - below);
        loss[0] += difference * difference;
      }
      if (row > 0) gradient += twice * (here - x[origin + i - row_size]);
      if (i + step < row_size) {
        const float right = x[origin + i + step];
        const double difference = static_cast<double>(right) - static_cast<double>(here);
        gradient += twice * (here - right);
        loss[0] += difference * difference;
      }
      if (i >= step) gradient += twice * (here - x[origin + i - step]);
      dx[origin + i] = gradient;
    }
  }
  store_partial_sums(partials, loss);
}

}  // namespace

// ---------------------------------------------------------------- launchers

int64_t total_variation_workspace_bytes() { return sums_workspace_bytes(1); }

void total_variation(double* loss, float* dx, const float* x, double factor, void* workspace,
                     const TotalVariationParams& params, Stream stream) {
  auto* partials = static_cast<double*>(workspace);
  const int64_t row_size = int64_t{params.w} * params.c;
  const int64_t columns = std::min<int64_t>(ceil_divide(row_size, kReduceThreads), kMostColumnBlocks);
  const int64_t rows = columns == 0 ? 0 : std::min<int64_t>(params.h, kReduceBlocks / columns);
  if (columns * rows > 0) {
    const dim3 grid(static_cast<unsigned>(columns), static_cast<unsigned>(rows));
    launch(total_variation_kernel, grid, dim3(kReduceThreads), 0, stream, partials, dx, x, factor, params);
  }
  finish_sums(SumResults<1>{{loss}, 1}, partials, static_cast<int>(columns * rows), stream);
}

}  // namespace swag::cuda
