// Step 3: wide accesses, few barriers, few launches.
//
// Idea:     a thread reads four values at a time. Warps combine by shuffles, so that a block needs one
//           barrier where the tree took nine. And no launch in between: every block of the second stage
//           combines the partial results again, a few KiB out of the L2 cache, in the same order and so
//           with the same result.
// Mapping:  first stage: a thread takes every (grid * 256)-th group of 4 values; second stage: the same,
//           for the quotient. Grid: at most 256 blocks of 256, both. Shared memory: 128 bytes, of which
//           16 per warp. Two launches.
// Bound by: bytes: 2 reads and a write, 12 per value. The second read comes from the L2 cache where the
//           map fits there.
//
// Values behind the last group of four, or all where a tensor is not aligned to 16 bytes, are read one by
// one.
#include "kernels/cuda/vector.cuh"
#include "kernels/ladder/softmax_shared.cuh"

namespace swag::ladder {
namespace {

constexpr int kWarps = kSoftmaxThreads / 32;

/// What every thread gets: the statistics of all threads of the block. One barrier.
__device__ __forceinline__ SoftmaxStatistics block_combined(SoftmaxStatistics mine,
                                                            double inverse_temperature) {
  __shared__ double maxima[kWarps];
  __shared__ double sums[kWarps];
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    SoftmaxStatistics other;
    other.max = __shfl_down_sync(0xffffffffu, mine.max, distance);
    other.sum = __shfl_down_sync(0xffffffffu, mine.sum, distance);
    mine = combined(mine, other, inverse_temperature);
  }
  if (lane == 0) {
    maxima[warp] = mine.max;
    sums[warp] = mine.sum;
  }
  __syncthreads();
  SoftmaxStatistics all;
  all.max = maxima[0], all.sum = sums[0];
  for (int i = 1; i < kWarps; ++i) {
    SoftmaxStatistics other;
    other.max = maxima[i], other.sum = sums[i];
    all = combined(all, other, inverse_temperature);
  }
  return all;
}

/// `vectors` groups of four come first, then single values up to `count`.
__global__ void __launch_bounds__(kSoftmaxThreads)
    softmax_partial_kernel(SoftmaxStatistics* partial, const float* f, float inverse_temperature,
                           int64_t vectors, int64_t count) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kSoftmaxThreads + threadIdx.x;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kSoftmaxThreads;
  float max = -INFINITY;
  double sum = 0;
  for (int64_t i = first; i < vectors; i += step) {
    const float4 v = load4(f + 4 * i);
    add_value(max, sum, v.x, inverse_temperature);
    add_value(max, sum, v.y, inverse_temperature);
    add_value(max, sum, v.z, inverse_temperature);
    add_value(max, sum, v.w, inverse_temperature);
  }
  for (int64_t i = 4 * vectors + first; i < count; i += step) add_value(max, sum, f[i], inverse_temperature);
  SoftmaxStatistics mine;
  mine.max = max, mine.sum = sum;
  const SoftmaxStatistics all = block_combined(mine, inverse_temperature);
  if (threadIdx.x == 0) partial[blockIdx.x] = all;
}

__global__ void __launch_bounds__(kSoftmaxThreads)
    softmax_finish_kernel(float* s, const float* f, const SoftmaxStatistics* partial, int partials,
                          float inverse_temperature, int64_t vectors, int64_t count) {
  const int thread = static_cast<int>(threadIdx.x);
  SoftmaxStatistics all;
  all.max = thread < partials ? partial[thread].max : negative_infinity();
  all.sum = thread < partials ? partial[thread].sum : 0;
  all = block_combined(all, inverse_temperature);
  const auto max = static_cast<float>(all.max);
  const double factor = static_cast<double>(count) / all.sum;
  const auto quotient = [&](float value) {
    return static_cast<float>(expf((value - max) * inverse_temperature) * factor);
  };

  const int64_t first = static_cast<int64_t>(blockIdx.x) * kSoftmaxThreads + thread;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kSoftmaxThreads;
  for (int64_t i = first; i < vectors; i += step) {
    const float4 v = load4(f + 4 * i);
    store4(s + 4 * i, make_float4(quotient(v.x), quotient(v.y), quotient(v.z), quotient(v.w)));
  }
  for (int64_t i = 4 * vectors + first; i < count; i += step) s[i] = quotient(f[i]);
}

}  // namespace

void softmax_3_two_stage(float* s, const float* f, void* scratch, const SoftmaxParams& params,
                         Stream stream) {
  const int64_t count = params.m * params.d;
  const auto inverse_temperature = static_cast<float>(1 / params.temperature);
  auto* partial = static_cast<SoftmaxStatistics*>(scratch);
  const bool aligned = (reinterpret_cast<uintptr_t>(s) | reinterpret_cast<uintptr_t>(f)) % 16 == 0;
  const int64_t vectors = aligned ? count / 4 : 0;
  const unsigned blocks = softmax_blocks(count, 16);
  launch(softmax_partial_kernel, blocks, kSoftmaxThreads, 0, stream, partial, f, inverse_temperature, vectors,
         count);
  launch(softmax_finish_kernel, blocks, kSoftmaxThreads, 0, stream, s, f, partial, static_cast<int>(blocks),
         inverse_temperature, vectors, count);
}

}  // namespace swag::ladder
