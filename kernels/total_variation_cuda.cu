#include "kernels/cuda/reduce.cuh"
#include "kernels/normalize.h"
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

/// The same of the nine-point stencil, a thread an element and its eight neighbours: half of what it has in
/// common with each. Everything is float64, as on the CPU.
/// Grid, shared memory and bytes: as above, and 5 float64 operations per neighbour.
__global__ void __launch_bounds__(kReduceThreads)
    total_variation_nine_point_kernel(double* partials, float* dx, const float* x, double factor,
                                      TotalVariationParams params, NinePointWeights weights) {
  const int64_t row_size = int64_t{params.w} * 3;
  double loss[1] = {0};
  for (int row = blockIdx.y; row < params.h; row += gridDim.y) {
    const DiagonalNeighbours rows(row, params.h);
    for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < row_size;
         i += int64_t{gridDim.x} * blockDim.x) {
      const int col = static_cast<int>(i) / 3, c = static_cast<int>(i) % 3;
      const DiagonalNeighbours cols(col, params.w);
      const double here = x[row * row_size + i];
      double sum = 0, squares = 0;
      const auto add = [&](int64_t r, int64_t q, double weight) {
        const double difference = here - static_cast<double>(x[r * row_size + q * 3 + c]);
        sum += weight * difference;
        squares += weight * difference * difference;
      };
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        add(rows.at[k], col, weights.straight);
        add(row, cols.at[k], weights.straight);
#pragma unroll
        for (int j = 0; j < 2; ++j)
          add(rows.at[k], cols.at[j], weights.diagonal * rows.times[k] * cols.times[j]);
      }
      const double scale = pixel_deviation(c) * pixel_deviation(c);
      dx[row * row_size + i] += static_cast<float>(2 * factor * scale * sum);
      loss[0] += 0.5 * scale * squares;
    }
  }
  store_partial_sums(partials, loss);
}

/// Blocks for rows of `row_size` elements, none for an empty image.
dim3 variation_grid(int h, int64_t row_size) {
  const int64_t columns = std::min<int64_t>(ceil_divide(row_size, kReduceThreads), kMostColumnBlocks);
  const int64_t rows = columns == 0 ? 0 : std::min<int64_t>(h, kReduceBlocks / columns);
  return dim3(static_cast<unsigned>(columns), static_cast<unsigned>(rows));
}

}  // namespace

// ---------------------------------------------------------------- launchers

int64_t total_variation_workspace_bytes() { return sums_workspace_bytes(1); }

void total_variation(double* loss, float* dx, const float* x, double factor, void* workspace,
                     const TotalVariationParams& params, Stream stream) {
  auto* partials = static_cast<double*>(workspace);
  const dim3 grid = variation_grid(params.h, int64_t{params.w} * params.c);
  if (grid.x * grid.y > 0) {
    launch(total_variation_kernel, grid, dim3(kReduceThreads), 0, stream, partials, dx, x,
           static_cast<float>(factor), params);
  }
  finish_sums(SumResults<1>{{loss}, 1}, partials, static_cast<int>(grid.x * grid.y), stream);
}

void total_variation_nine_point(double* loss, float* dx, const float* x, double factor, void* workspace,
                                const TotalVariationParams& params, Stream stream) {
  auto* partials = static_cast<double*>(workspace);
  const dim3 grid = variation_grid(params.h, int64_t{params.w} * 3);
  if (grid.x * grid.y > 0) {
    launch(total_variation_nine_point_kernel, grid, dim3(kReduceThreads), 0, stream, partials, dx, x, factor,
           params, NinePointWeights(params));
  }
  finish_sums(SumResults<1>{{loss}, 1}, partials, static_cast<int>(grid.x * grid.y), stream);
}

}  // namespace swag::cuda
