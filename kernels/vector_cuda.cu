#include <stdexcept>
#include <string>

#include "kernels/cuda/reduce.cuh"
#include "kernels/vector.h"

namespace swag::cuda {
namespace {

// Pointers travel as parameters of the kernel: 4 KiB of them everywhere, 32,764 bytes since CUDA 12.1. The
// small table serves histories of up to 100; the large one is copied only when it must be.
constexpr int kSmallDotTable = 480;
constexpr int kSmallCombinationTable = 240;

// ---------------------------------------------------------------- multi_dot

constexpr int kDotTile = 1024;   // elements of the left vectors that a block holds in shared memory
constexpr int kDotBlocks = 512;  // at most
constexpr int kDotWarps = kReduceThreads / kLanes;
constexpr int kLeftGroup = 3;  // left vectors that meet one read of a right one: L-BFGS brings s, y and g

template <int kMost>
struct DotTable {
  const float* vector[kMost];  // the left ones, then the right ones
};

/// A warp multiplies the block's tile of kLefts left vectors, which waits in shared memory as float64, with
/// one right vector, or, when there are few right ones, with a segment of it. So each right vector is read
/// once for all left ones, and a warp's sums need no other warp.
/// Grid: tiles of 1024 elements (at most 512) x groups of three left vectors; block 256. Shared: 8 KiB for
/// each left vector, as kWidth planes so that lanes read side by side. Bound by bytes, 4 per element of a
/// right vector, where float64 is fast; by float64 arithmetic on GPUs that have little of it.
template <int kLefts, int kWidth, int kMost>
__global__ void __launch_bounds__(kReduceThreads)
    multi_dot_kernel(double* partials, const __grid_constant__ DotTable<kMost> table, int lefts, int rights,
                     int segments, int64_t count) {
  constexpr int kUnits = kDotTile / kWidth;
  __shared__ double tile[kLefts][kWidth][kUnits];
  const int first = blockIdx.y * kLefts;
  const int lane = threadIdx.x % kLanes, warp = threadIdx.x / kLanes;
  const int slots = gridDim.x * segments, segment_units = kUnits / segments;
  for (int64_t begin = int64_t{blockIdx.x} * kDotTile; begin < count;
       begin += int64_t{gridDim.x} * kDotTile) {
    const bool is_first = begin == int64_t{blockIdx.x} * kDotTile;
    __syncthreads();  // the tile before has been read
    for (int l = 0; l < kLefts; ++l) {
      for (int unit = threadIdx.x; unit < kUnits; unit += kReduceThreads) {
        Floats<kWidth> v = {};
        if (first + l < lefts)
          v = load_some<kWidth>(table.vector[first + l], begin + unit * kWidth, count, 0);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) tile[l][k][unit] = v.at[k];
      }
    }
    __syncthreads();
    for (int item = warp; item < rights * segments; item += kDotWarps) {
      const int right = item / segments, segment = item % segments;
      const float* vector = table.vector[lefts + right];
      double sums[kLefts] = {};
#pragma unroll 4
      for (int i = lane; i < segment_units; i += kLanes) {
        const int unit = segment * segment_units + i;
        const Floats<kWidth> v = load_some<kWidth>(vector, begin + unit * kWidth, count, 0);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
          const double value = v.at[k];
#pragma unroll
          for (int l = 0; l < kLefts; ++l) sums[l] += tile[l][k][unit] * value;
        }
      }
#pragma unroll
      for (int l = 0; l < kLefts; ++l) {
        const double sum = warp_sum(sums[l]);
        if (lane != 0 || first + l >= lefts) continue;
        double* slot =
            partials + (int64_t{first + l} * rights + right) * slots + blockIdx.x * segments + segment;
        *slot = is_first ? sum : *slot + sum;  // nobody else's slot
      }
    }
  }
}

/// A warp adds up the partial sums of one pair of vectors.
/// Grid: pairs / 8 x block 256. No shared memory. Bound by latency.
__global__ void __launch_bounds__(kReduceThreads)
    multi_dot_finish_kernel(double* results, const double* partials, int pairs, int slots) {
  const int lane = threadIdx.x % kLanes;
  const int64_t pair = int64_t{blockIdx.x} * kDotWarps + threadIdx.x / kLanes;
  if (pair >= pairs) return;
  double sum = 0;
  for (int slot = lane; slot < slots; slot += kLanes) sum += partials[pair * slots + slot];
  sum = warp_sum(sum);
  if (lane == 0) results[pair] = sum;
}

/// How a multi_dot is cut, by its shape alone.
struct DotPlan {
  int blocks = 0, segments = 1, slots = 0;
  DotPlan(int rights, int64_t count) {
    const int64_t tiles = ceil_divide(count, kDotTile);
    if (tiles == 0) return;
    const int64_t tiles_per_block = ceil_divide(tiles, kDotBlocks);
    blocks = static_cast<int>(ceil_divide(tiles, tiles_per_block));
    while (segments < kDotWarps && segments * rights < kDotWarps) segments *= 2;
    slots = blocks * segments;
  }
};

struct DotVectors {
  const float* const* left;
  int lefts;
  const float* const* right;
  int rights;
};

template <int kLefts, int kMost>
void launch_multi_dot(double* partials, const DotVectors& vectors, const DotPlan& plan, int64_t count,
                      Stream stream) {
  DotTable<kMost> table = {};
  std::copy_n(vectors.left, vectors.lefts, table.vector);
  std::copy_n(vectors.right, vectors.rights, table.vector + vectors.lefts);
  const bool vector = std::all_of(table.vector, table.vector + vectors.lefts + vectors.rights,
                                  [](const float* pointer) { return fits_float4({}, {pointer}); });
  const dim3 grid(static_cast<unsigned>(plan.blocks),
                  static_cast<unsigned>((vectors.lefts + kLefts - 1) / kLefts));
  launch(vector ? multi_dot_kernel<kLefts, 4, kMost> : multi_dot_kernel<kLefts, 1, kMost>, grid,
         dim3(kReduceThreads), 0, stream, partials, table, vectors.lefts, vectors.rights, plan.segments,
         count);
}

template <int kMost>
void choose_multi_dot(double* partials, const DotVectors& vectors, const DotPlan& plan, int64_t count,
                      Stream stream) {
  switch (std::min(vectors.lefts, kLeftGroup)) {
    case 1: return launch_multi_dot<1, kMost>(partials, vectors, plan, count, stream);
    case 2: return launch_multi_dot<2, kMost>(partials, vectors, plan, count, stream);
    default: return launch_multi_dot<kLeftGroup, kMost>(partials, vectors, plan, count, stream);
  }
}

// ---------------------------------------------------------------- linear_combination

template <int kMost>
struct CombinationTable {
  const float* vector[kMost];
  double coefficient[kMost];
};

/// A thread makes kWidth elements of y in float64 and rounds once.
/// Grid: count / (256 kWidth) x block 256. No shared memory: pointers and coefficients are in constant
/// memory, or the latter on the device. Bound by bytes: 4 per element of each vector and of y.
template <int kWidth, int kMost>
__global__ void __launch_bounds__(kElementThreads)
    linear_combination_kernel(float* y, const __grid_constant__ CombinationTable<kMost> table,
                              const double* device_coefficients, int vectors_count, int64_t count) {
  for_each_group<kWidth>(count, [&](int64_t i) {
    double sums[kWidth] = {};
#pragma unroll 4
    for (int j = 0; j < vectors_count; ++j) {
      const double coefficient =
          device_coefficients != nullptr ? device_coefficients[j] : table.coefficient[j];
      const Floats<kWidth> v = load_some<kWidth>(table.vector[j], i, count, 0);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) sums[k] += coefficient * static_cast<double>(v.at[k]);
    }
    Floats<kWidth> result;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) result.at[k] = static_cast<float>(sums[k]);
    store_some(y, i, count, result);
  });
}

template <int kMost>
void launch_linear_combination(float* y, const double* coefficients, const double* device_coefficients,
                               const float* const* vectors, int vectors_count, int64_t count, Stream stream) {
  CombinationTable<kMost> table = {};
  std::copy_n(vectors, vectors_count, table.vector);
  if (coefficients != nullptr) std::copy_n(coefficients, vectors_count, table.coefficient);
  const bool vector =
      fits_float4({}, {y}) && std::all_of(vectors, vectors + vectors_count,
                                          [](const float* pointer) { return fits_float4({}, {pointer}); });
  launch(vector ? linear_combination_kernel<4, kMost> : linear_combination_kernel<1, kMost>,
         dense_grid(count, vector ? 4 : 1), dim3(kElementThreads), 0, stream, y, table, device_coefficients,
         vectors_count, count);
}

void require_at_most(const char* function, int vectors, int most) {
  if (vectors <= most) return;
  throw std::length_error(std::string(function) + " of " + std::to_string(vectors) + " vectors, at most " +
                          std::to_string(most) + " travel with a launch");
}

void combine(float* y, const double* coefficients, const double* device_coefficients,
             const float* const* vectors, int vectors_count, int64_t count, Stream stream) {
  require_at_most("linear_combination", vectors_count, kMaxCombinationVectors);
  if (count == 0) return;
  const auto run = vectors_count <= kSmallCombinationTable
                       ? launch_linear_combination<kSmallCombinationTable>
                       : launch_linear_combination<kMaxCombinationVectors>;
  run(y, coefficients, device_coefficients, vectors, vectors_count, count, stream);
}

// ---------------------------------------------------------------- norms

/// The sum and the largest of magnitudes, and a probe: 0, or NaN for ever after an infinity or a NaN.
struct NormSums {
  double sum = 0, probe = 0;
  double largest = 0;
  __device__ void add(double value) {
    const double magnitude = fabs(value);
    sum += magnitude;
    largest = largest < magnitude ? magnitude : largest;
    probe += value - value;
  }
};

/// A block leaves the norms of what its threads have gathered.
/// Grid: at most 1024 x block 256. Shared: 192 bytes. Bound by bytes: 4 per element.
template <int kWidth>
__global__ void __launch_bounds__(kReduceThreads)
    vector_norms_kernel(VectorNorms* partials, const float* x, int64_t count) {
  NormSums norms;
  for_each_group<kWidth>(count, [&](int64_t i) {
    const Floats<kWidth> v = load_some<kWidth>(x, i, count, 0);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) norms.add(v.at[k]);
  });
  const double probe = block_sum(norms.probe), sum = block_sum(norms.sum), largest = block_max(norms.largest);
  if (threadIdx.x == 0) partials[blockIdx.x] = VectorNorms{sum + probe, largest + probe};
}

/// One block joins the partial norms; NaN passes.
/// Grid 1 x block 256. Shared: 128 bytes. Bound by latency.
__global__ void __launch_bounds__(kReduceThreads)
    vector_norms_finish_kernel(VectorNorms* norms, const VectorNorms* partials, int blocks) {
  double sum = 0, largest = 0;
  for (int i = threadIdx.x; i < blocks; i += kReduceThreads) {
    sum += partials[i].sum_abs;
    largest = larger(largest, partials[i].max_abs);
  }
  sum = block_sum(sum);
  largest = block_max(largest);
  if (threadIdx.x == 0) *norms = VectorNorms{sum, largest};
}

template <typename T>
void copy_to_host(T* host, const T* device, int64_t count, Stream stream) {
  CUDA_CHECK(cudaMemcpyAsync(host, device, static_cast<size_t>(count) * sizeof(T), cudaMemcpyDeviceToHost,
                             cuda_stream(stream)));
  CUDA_CHECK(cudaStreamSynchronize(cuda_stream(stream)));
}

}  // namespace

// ---------------------------------------------------------------- launchers

int64_t multi_dot_workspace_bytes(int lefts, int rights, int64_t count) {
  const int64_t pairs = int64_t{lefts} * rights;
  return pairs * (DotPlan(rights, count).slots + 1) * static_cast<int64_t>(sizeof(double));
}

void multi_dot(double* results, const float* const* left, int lefts, const float* const* right, int rights,
               void* workspace, int64_t count, Stream stream) {
  require_at_most("multi_dot", lefts + rights, kMaxDotVectors);
  const int pairs = lefts * rights;
  if (pairs == 0) return;
  auto* partials = static_cast<double*>(workspace);
  const DotPlan plan(rights, count);
  if (plan.blocks > 0) {
    const auto run = lefts + rights <= kSmallDotTable ? choose_multi_dot<kSmallDotTable>
                                                      : choose_multi_dot<kMaxDotVectors>;
    run(partials, DotVectors{left, lefts, right, rights}, plan, count, stream);
  }
  launch(multi_dot_finish_kernel, dim3(grid_of(ceil_divide(pairs, kDotWarps))), dim3(kReduceThreads), 0,
         stream, results, partials, pairs, plan.slots);
}

void multi_dot_to_host(double* results, const float* const* left, int lefts, const float* const* right,
                       int rights, void* workspace, int64_t count, Stream stream) {
  const int64_t pairs = int64_t{lefts} * rights;
  double* device = static_cast<double*>(workspace) + pairs * DotPlan(rights, count).slots;
  multi_dot(device, left, lefts, right, rights, workspace, count, stream);
  copy_to_host(results, device, pairs, stream);
}

void linear_combination(float* y, const double* coefficients, const float* const* vectors, int vectors_count,
                        int64_t count, Stream stream) {
  combine(y, coefficients, nullptr, vectors, vectors_count, count, stream);
}

void linear_combination_of_device_coefficients(float* y, const double* coefficients,
                                               const float* const* vectors, int vectors_count, int64_t count,
                                               Stream stream) {
  combine(y, nullptr, coefficients, vectors, vectors_count, count, stream);
}

int64_t vector_norms_workspace_bytes() {
  return (kReduceBlocks + 1) * static_cast<int64_t>(sizeof(VectorNorms));
}

void vector_norms(VectorNorms* norms, const float* x, void* workspace, int64_t count, Stream stream) {
  auto* partials = static_cast<VectorNorms*>(workspace);
  const int blocks = reduce_blocks(count);
  if (blocks > 0) {
    launch(fits_float4({}, {x}) ? vector_norms_kernel<4> : vector_norms_kernel<1>, dim3(blocks),
           dim3(kReduceThreads), 0, stream, partials, x, count);
  }
  launch(vector_norms_finish_kernel, dim3(1), dim3(kReduceThreads), 0, stream, norms, partials, blocks);
}

VectorNorms vector_norms_to_host(const float* x, void* workspace, int64_t count, Stream stream) {
  VectorNorms* device = static_cast<VectorNorms*>(workspace) + kReduceBlocks;
  vector_norms(device, x, workspace, count, stream);
  VectorNorms norms;
  copy_to_host(&norms, device, 1, stream);
  return norms;
}

}  // namespace swag::cuda
