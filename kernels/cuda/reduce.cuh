// Sums and maxima over threads, warps, blocks and whole grids: in a fixed order, without atomics, so that the
// same input gives the same bytes. How a sum is cut depends on the shape alone, not on the GPU.
//
// A sum over a grid takes two launches: blocks leave partial sums in scratch, one block adds them up.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"

namespace swag::cuda {

constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kLanes = 32;
constexpr int kReduceThreads = 256;    // of a block
constexpr int kReduceBlocks = 1024;    // at most: as many partial results
constexpr int kReduceElements = 2048;  // at least, for a block of its own

/// The larger; NaN as soon as one of them is (max() would drop it).
template <typename T>
__device__ __forceinline__ T larger(T a, T b) {
  return b > a || b != b ? b : a;
}

/// The sum over the 32 lanes, the same in all: at each step both partners add the same two values.
__device__ __forceinline__ double warp_sum(double value) {
#pragma unroll
  for (int step = kLanes / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

template <typename T>
__device__ __forceinline__ T warp_max(T value) {
#pragma unroll
  for (int step = kLanes / 2; step > 0; step /= 2) {
    value = larger(value, __shfl_xor_sync(kAllLanes, value, step));
  }
  return value;
}

/// The sum over a block of kReduceThreads, the same in all threads. All of them must call.
__device__ __forceinline__ double block_sum(double value) {
  __shared__ double warps[kReduceThreads / kLanes];
  value = warp_sum(value);
  __syncthreads();  // an earlier call's readers are done
  if (threadIdx.x % kLanes == 0) warps[threadIdx.x / kLanes] = value;
  __syncthreads();
  double sum = 0;
#pragma unroll
  for (int warp = 0; warp < kReduceThreads / kLanes; ++warp) sum += warps[warp];
  return sum;
}

/// The maximum over a block of kReduceThreads, the same in all threads. All of them must call.
template <typename T>
__device__ __forceinline__ T block_max(T value) {
  __shared__ T warps[kReduceThreads / kLanes];
  value = warp_max(value);
  __syncthreads();
  if (threadIdx.x % kLanes == 0) warps[threadIdx.x / kLanes] = value;
  __syncthreads();
  T largest = warps[0];
#pragma unroll
  for (int warp = 1; warp < kReduceThreads / kLanes; ++warp) largest = larger(largest, warps[warp]);
  return largest;
}

/// Where finish_sums puts its kValues sums. A null pointer: nobody wants that one.
template <int kValues>
struct SumResults {
  double* at[kValues];
  double factor = 1;  // of all of them
};

/// The block's sum of each value becomes partials(k, block). All kReduceThreads must call.
template <int kValues>
__device__ __forceinline__ void store_partial_sums(double* partials, const double (&values)[kValues]) {
  const int blocks = gridDim.x * gridDim.y;
  const int block = blockIdx.y * gridDim.x + blockIdx.x;
#pragma unroll
  for (int k = 0; k < kValues; ++k) {
    const double sum = block_sum(values[k]);
    if (threadIdx.x == 0) partials[k * blocks + block] = sum;
  }
}

/// One block adds up what store_partial_sums left; a thread takes every 256th partial sum.
/// Grid 1 x block 256. Shared: 64 bytes. Bound by latency: a few microseconds whatever it adds.
template <int kValues>
__global__ void __launch_bounds__(kReduceThreads)
    finish_sums_kernel(const SumResults<kValues> results, const double* partials, int blocks) {
#pragma unroll
  for (int k = 0; k < kValues; ++k) {
    double sum = 0;
    for (int i = threadIdx.x; i < blocks; i += kReduceThreads) sum += partials[k * blocks + i];
    sum = block_sum(sum);
    if (threadIdx.x == 0 && results.at[k] != nullptr) *results.at[k] = sum * results.factor;
  }
}

// ---------------------------------------------------------------- host side

inline int reduce_blocks(int64_t count) {
  return static_cast<int>(std::min<int64_t>(ceil_divide(count, kReduceElements), kReduceBlocks));
}

constexpr int64_t sums_workspace_bytes(int values) {
  return int64_t{kReduceBlocks} * values * static_cast<int64_t>(sizeof(double));
}

template <int kValues>
void finish_sums(const SumResults<kValues>& results, const double* partials, int blocks, Stream stream) {
  launch(finish_sums_kernel<kValues>, dim3(1), dim3(kReduceThreads), 0, stream, results, partials, blocks);
}

}  // namespace swag::cuda
