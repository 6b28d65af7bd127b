#include "kernels/cuda/blas.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/triangle.cuh"
#include "kernels/gram.h"

// gram_forward cuts the positions into chunks and centres each, as its CPU twin does and for its reason:
// float then rounds sums of the size of the covariance. A batch of chunks at a time, whose size bounds the
// scratch:
//
//   centre_kernel         R = S - mean of the chunk, the mean and the sum of R, per channel
//   cublasSgemm, batched  R^T R of each chunk, float
//   add_products_kernel   what these make of S^T S, added up in float64 over slices of the chunks
//   store_gram_kernel     the slices added up, divided by m, written to both halves
//
// With mu the mean of a chunk of n positions: sum S_a S_b = sum R_a R_b + mu_a sum R_b + mu_b sum R_a
// + n mu_a mu_b. Only the tiles on and above the diagonal are added up.

namespace swag::cuda {
namespace {

constexpr int kChunk = 512;   // positions
constexpr int kTile = 32;     // rows and columns of A
constexpr int kTileRows = 8;  // of threads, each with four rows of a tile
constexpr int kRowsPerThread = kTile / kTileRows;
constexpr int kRun = 32;            // positions whose sum float holds well
constexpr int kWantedBlocks = 256;  // of add_products_kernel: enough for the GPUs of today
constexpr int64_t kBatchBytes = int64_t{32} << 20;
constexpr int64_t kMostBatch = 4096;  // chunks
constexpr int64_t kAlignment = 256;
constexpr int64_t kBackwardRows = int64_t{1} << 24;  // positions of one product: cuBLAS counts in int

/// How gram_forward cuts its work and its workspace, by the shape alone.
struct Plan {
  int64_t chunks, rows, batch, tiles_per_side, tiles, slices;  // rows: of a chunk that are multiplied
  // Offsets in bytes.
  int64_t sums, centred, products, means, bytes;

  explicit Plan(const GramParams& params) {
    const int64_t d = params.d, square = d * d;
    chunks = ceil_divide(params.m, kChunk);
    rows = chunks > 1 ? kChunk : ceil_divide(params.m, kTileRows) * kTileRows;
    const int64_t chunk_bytes = std::max<int64_t>(1, (rows * d + square) * sizeof(float));
    batch =
        std::min({std::max<int64_t>(1, kBatchBytes / chunk_bytes), std::max<int64_t>(1, chunks), kMostBatch});
    // Equal batches: a product takes as long for a few chunks as for one on each processor.
    if (chunks > 0) batch = ceil_divide(chunks, ceil_divide(chunks, batch));
    tiles_per_side = ceil_divide(d, kTile);
    tiles = tiles_per_side * (tiles_per_side + 1) / 2;
    slices = tiles == 0 ? 0 : std::min(batch, ceil_divide(kWantedBlocks, tiles));
    bytes = 0;
    // Float64 sums of the slices, at 0; a single one is A itself.
    place(slices > 1 ? slices * square * sizeof(double) : 0);
    sums = place(batch * d * sizeof(double));
    centred = place(batch * rows * d * sizeof(float));
    products = place(batch * square * sizeof(float));
    means = place(batch * d * sizeof(float));
  }

 private:
  int64_t place(int64_t size) {
    const int64_t offset = bytes;
    bytes += ceil_divide(size, kAlignment) * kAlignment;
    return offset;
  }
};

/// What is known of a batch's chunks; `m` counts from the batch's first position.
struct Batch {
  const float* products;  // (chunks, d, d)
  const float* means;     // (chunks, d)
  const double* sums;     // (chunks, d), of the centred values
  int64_t m;
  int chunks, d;
};

/// The sum over the eight rows of threads of each column of them, in order; the same in all rows.
__device__ __forceinline__ double column_sum(double value) {
  __shared__ double rows[kTileRows][kTile];
  __syncthreads();  // an earlier call's readers are done
  rows[threadIdx.y][threadIdx.x] = value;
  __syncthreads();
  double sum = 0;
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) sum += rows[row][threadIdx.x];
  return sum;
}

/// A block centres 32 channels of a chunk; a thread every eighth position of one. Of its `rows` rows those
/// beyond the last position become 0, so that all products have one size.
/// Grid: channels / 32 x chunks; block 32 x 8. Shared: 2 KiB. Bound by bytes: 8 per element, as the second
/// reading comes from the caches.
template <typename S>
__global__ void __launch_bounds__(kTile* kTileRows)
    centre_kernel(float* centred, float* means, double* sums, const S* s, int64_t m, int rows, int d) {
  const int channel = blockIdx.x * kTile + threadIdx.x;
  const int64_t first = int64_t{blockIdx.y} * kChunk;
  const int n = static_cast<int>(min(static_cast<long long>(kChunk), static_cast<long long>(m - first)));
  const bool active = channel < d;
  const S* from = s + first * d + channel;
  float run = 0;
  if (active) {
    for (int i = threadIdx.y; i < n; i += kTileRows) run += load<1>(from + int64_t{i} * d).at[0];
  }
  // The mean may be rough: the formula holds for any.
  const float mean = static_cast<float>(column_sum(run) / n);

  double sum = 0;
  if (active) {
    float* to = centred + first * d + channel;
    for (int begin = 0; begin < rows; begin += kRun * kTileRows) {
      run = 0;
      const int end = min(begin + kRun * kTileRows, rows);
      for (int i = begin + static_cast<int>(threadIdx.y); i < end; i += kTileRows) {
        const float value = i < n ? load<1>(from + int64_t{i} * d).at[0] - mean : 0;
        to[int64_t{i} * d] = value;
        run += value;
      }
      sum += run;
    }
  }
  sum = column_sum(sum);
  if (active && threadIdx.y == 0) {
    means[int64_t{blockIdx.y} * d + channel] = mean;
    sums[int64_t{blockIdx.y} * d + channel] = sum;
  }
}

/// A block adds up one tile of A over one slice of a batch's chunks; a thread has four rows of a column.
/// Grid: tiles on and above the diagonal x slices; block 32 x 8. No shared memory. Bound by bytes: 4 per
/// element of the products.
__global__ void __launch_bounds__(kTile* kTileRows)
    add_products_kernel(double* slices, Batch batch, int tiles_per_side, bool is_first_batch) {
  const TileIndex tile(blockIdx.x, tiles_per_side);
  const int64_t d = batch.d, square = d * d;
  const int col = tile.col * kTile + threadIdx.x;
  if (col >= d) return;
  const int begin = static_cast<int>(int64_t{batch.chunks} * blockIdx.y / gridDim.y);
  const int end = static_cast<int>(int64_t{batch.chunks} * (blockIdx.y + 1) / gridDim.y);
  double values[kRowsPerThread] = {};
  for (int chunk = begin; chunk < end; ++chunk) {
    const int64_t rest = batch.m - int64_t{chunk} * kChunk;
    const double n = rest < kChunk ? static_cast<double>(rest) : kChunk;
    const double mean_col = batch.means[chunk * d + col], sum_col = batch.sums[chunk * d + col];
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      const int row = tile.row * kTile + static_cast<int>(threadIdx.y) + i * kTileRows;
      if (row >= d) continue;
      const double mean_row = batch.means[chunk * d + row];
      const double constant = batch.sums[chunk * d + row] + n * mean_row;
      values[i] += static_cast<double>(batch.products[chunk * square + row * d + col]) + mean_row * sum_col +
                   constant * mean_col;
    }
  }
#pragma unroll
  for (int i = 0; i < kRowsPerThread; ++i) {
    const int row = tile.row * kTile + static_cast<int>(threadIdx.y) + i * kTileRows;
    if (row >= d) continue;
    double* sum = slices + blockIdx.y * square + row * d + col;
    *sum = is_first_batch ? values[i] : *sum + values[i];
  }
}

/// A block writes one tile of A and its mirror image. A may be the only slice: only the upper tiles are read.
/// Grid: tiles on and above the diagonal; block 32 x 8. Shared: 8 KiB, with one column more than used: read
/// by columns it has no bank conflicts. Bound by bytes: 8 per element of A and per slice of it.
__global__ void __launch_bounds__(kTile* kTileRows)
    store_gram_kernel(double* a, const double* slices, int slice_count, int tiles_per_side, double m, int d) {
  __shared__ double values[kTile][kTile + 1];
  const TileIndex tile(blockIdx.x, tiles_per_side);
  const int64_t square = int64_t{d} * d;
  const int x = threadIdx.x;
  const bool diagonal = tile.row == tile.col;
  for (int y = threadIdx.y; y < kTile; y += kTileRows) {
    if (diagonal && y > x) continue;  // the upper half stands for both
    const int row = tile.row * kTile + y, col = tile.col * kTile + x;
    double sum = 0;
    if (row < d && col < d) {
      for (int slice = 0; slice < slice_count; ++slice)
        sum += slices[slice * square + int64_t{row} * d + col];
    }
    values[y][x] = sum / m;
    if (diagonal) values[x][y] = sum / m;
  }
  __syncthreads();
  for (int y = threadIdx.y; y < kTile; y += kTileRows) {
    const int row = tile.row * kTile + y, col = tile.col * kTile + x;
    if (row < d && col < d) a[int64_t{row} * d + col] = values[y][x];
  }
  if (diagonal) return;
  for (int y = threadIdx.y; y < kTile; y += kTileRows) {
    const int row = tile.col * kTile + y, col = tile.row * kTile + x;
    if (row < d && col < d) a[int64_t{row} * d + col] = values[x][y];
  }
}

/// A thread takes elements of the difference and gathers their squares, and their products with A.
/// Grid: at most 1024 x block 256. Shared: 64 bytes. Bound by bytes: 20 per element.
__global__ void __launch_bounds__(kReduceThreads)
    gram_difference_kernel(double* partials, float* difference, const double* a, const double* target,
                           int64_t count) {
  double sums[2] = {0, 0};
  for_each_group<1>(count, [&](int64_t i) {
    const double value = a[i], delta = value - target[i];
    difference[i] = static_cast<float>(delta);
    sums[0] += delta * delta;
    sums[1] += delta * value;
  });
  store_partial_sums(partials, sums);
}

/// ds = factor * offset in every row, or ds += it.
/// Grid: rows of blocks; block 256, as many channels as there are, side by side. No shared memory. Bound by
/// bytes: 4 per element, 8 where it adds.
__global__ void __launch_bounds__(kElementThreads)
    add_offset_kernel(float* ds, const double* offset, double factor, bool accumulate, int64_t m, int d) {
  for_each_unit(m, d, [&](int64_t row, int channel) {
    const float value = static_cast<float>(factor * offset[channel]);
    float* to = ds + row * d + channel;
    *to = accumulate ? *to + value : value;
  });
}

}  // namespace

// ---------------------------------------------------------------- launchers

int64_t gram_workspace_bytes(const GramParams& params) { return Plan(params).bytes; }

template <typename S>
void gram_forward(double* a, const S* s, void* workspace, const GramParams& params, Blas blas,
                  Stream stream) {
  const Plan plan(params);
  const int d = params.d;
  if (d == 0 || params.m == 0) return;
  auto* memory = static_cast<char*>(workspace);
  double* const slices = plan.slices > 1 ? reinterpret_cast<double*>(memory) : a;
  auto* sums = reinterpret_cast<double*>(memory + plan.sums);
  auto* centred = reinterpret_cast<float*>(memory + plan.centred);
  auto* products = reinterpret_cast<float*>(memory + plan.products);
  auto* means = reinterpret_cast<float*>(memory + plan.means);
  const dim3 block(kTile, kTileRows);
  const auto tiles = static_cast<unsigned>(plan.tiles);
  const int tiles_per_side = static_cast<int>(plan.tiles_per_side);
  // A short last batch must not have more slices than chunks: the first batch has written them all.
  for (int64_t first = 0; first < plan.chunks; first += plan.batch) {
    const int chunks = static_cast<int>(std::min(plan.batch, plan.chunks - first));
    const int64_t position = first * kChunk;
    const int64_t rest = params.m - position;
    launch(centre_kernel<S>, dim3(static_cast<unsigned>(plan.tiles_per_side), static_cast<unsigned>(chunks)),
           block, 0, stream, centred, means, sums, s + position * d, rest, static_cast<int>(plan.rows), d);
    // Row-major R is column-major R^T: the product of that with its transpose.
    const float one = 1, zero = 0;
    const long long chunk_size = plan.rows * d, square = int64_t{d} * d;
    check_blas(cublasSgemmStridedBatched(static_cast<cublasHandle_t>(blas.handle), CUBLAS_OP_N, CUBLAS_OP_T,
                                         d, d, static_cast<int>(plan.rows), &one, centred, d, chunk_size,
                                         centred, d, chunk_size, &zero, products, d, square, chunks),
               "cublasSgemmStridedBatched");
    const unsigned used = static_cast<unsigned>(std::min<int64_t>(plan.slices, chunks));
    launch(add_products_kernel, dim3(tiles, used), block, 0, stream, slices,
           Batch{products, means, sums, rest, chunks, d}, tiles_per_side, first == 0);
  }
  launch(store_gram_kernel, dim3(tiles), block, 0, stream, a, slices, static_cast<int>(plan.slices),
         tiles_per_side, static_cast<double>(params.m) / (params.scale * params.scale), d);
}
template void gram_forward(double*, const float*, void*, const GramParams&, Blas, Stream);
template void gram_forward(double*, const Float16*, void*, const GramParams&, Blas, Stream);

int64_t gram_difference_workspace_bytes() { return sums_workspace_bytes(2); }

void gram_difference(double* loss, double* inner, float* difference, const double* a, const double* target,
                     void* workspace, int d, Stream stream) {
  const int64_t count = int64_t{d} * d;
  auto* partials = static_cast<double*>(workspace);
  const int blocks = reduce_blocks(count);
  if (blocks > 0) {
    launch(gram_difference_kernel, dim3(blocks), dim3(kReduceThreads), 0, stream, partials, difference, a,
           target, count);
  }
  finish_sums(SumResults<2>{{loss, inner}, 1}, partials, blocks, stream);
}

void gram_backward(float* ds, const float* s, const float* difference, const double* offset, double factor,
                   bool accumulate, const GramParams& params, Blas blas, Stream stream) {
  const int d = params.d;
  if (d == 0) return;
  if (offset != nullptr) {
    const dim3 block = map_block(d);
    launch(add_offset_kernel, map_grid(params.m, block), block, 0, stream, ds, offset, factor, accumulate,
           params.m, d);
    accumulate = true;
  }
  const float alpha = static_cast<float>(factor), beta = accumulate ? 1.f : 0.f;
  for (int64_t row = 0; row < params.m; row += kBackwardRows) {
    const int rows = static_cast<int>(std::min(kBackwardRows, params.m - row));
    // Row-major ds = S difference is column-major ds^T = difference^T S^T, and difference is symmetric.
    check_blas(cublasSgemm(static_cast<cublasHandle_t>(blas.handle), CUBLAS_OP_N, CUBLAS_OP_N, d, rows, d,
                           &alpha, difference, d, s + row * d, d, &beta, ds + row * d, d),
               "cublasSgemm");
  }
}

}  // namespace swag::cuda
