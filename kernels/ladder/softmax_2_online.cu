// Step 2: maximum and sum in one pass.
//
// Idea:     keep a running maximum and the sum relative to it; when a larger value comes, scale the sum
//           by exp(old - new). Two parts are combined in the same way, so the tree carries pairs.
// Mapping:  a thread takes every (grid * 256)-th value. Grid: at most 256 blocks of 256; the quotient:
//           count / 256. Shared memory: 4 KiB. Three launches.
// Bound by: bytes: 2 reads and a write, 12 per value.
#include "kernels/ladder/softmax_shared.cuh"

namespace swag::ladder {
namespace {

/// What thread 0 gets: the statistics of all threads of the block, combined in a tree.
__device__ __forceinline__ SoftmaxStatistics block_tree(double max, double sum, double inverse_temperature) {
  __shared__ double maxima[kSoftmaxThreads];
  __shared__ double sums[kSoftmaxThreads];
  const unsigned thread = threadIdx.x;
  maxima[thread] = max;
  sums[thread] = sum;
  __syncthreads();
  for (unsigned half = kSoftmaxThreads / 2; half > 0; half /= 2) {
    if (thread < half) {
      SoftmaxStatistics a, b;
      a.max = maxima[thread], a.sum = sums[thread];
      b.max = maxima[thread + half], b.sum = sums[thread + half];
      a = combined(a, b, inverse_temperature);
      maxima[thread] = a.max;
      sums[thread] = a.sum;
    }
    __syncthreads();
  }
  SoftmaxStatistics all;
  all.max = maxima[0], all.sum = sums[0];
  return all;
}

__global__ void softmax_online_kernel(SoftmaxStatistics* partial, const float* f, float inverse_temperature,
                                      int64_t count) {
  float max = -INFINITY;
  double sum = 0;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kSoftmaxThreads + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * kSoftmaxThreads) {
    add_value(max, sum, f[i], inverse_temperature);
  }
  const SoftmaxStatistics all = block_tree(max, sum, inverse_temperature);
  if (threadIdx.x == 0) partial[blockIdx.x] = all;
}

/// One block; at most one partial result per thread.
__global__ void softmax_online_combine_kernel(SoftmaxStatistics* statistics, const SoftmaxStatistics* partial,
                                              int partials, float inverse_temperature) {
  const int thread = static_cast<int>(threadIdx.x);
  const double max = thread < partials ? partial[thread].max : negative_infinity();
  const double sum = thread < partials ? partial[thread].sum : 0;
  const SoftmaxStatistics all = block_tree(max, sum, inverse_temperature);
  if (thread == 0) *statistics = all;
}

__global__ void softmax_online_quotient_kernel(float* s, const float* f, const SoftmaxStatistics* statistics,
                                               float inverse_temperature, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kSoftmaxThreads + threadIdx.x;
  if (i >= count) return;
  const double factor = static_cast<double>(count) / statistics->sum;
  s[i] =
      static_cast<float>(expf((f[i] - static_cast<float>(statistics->max)) * inverse_temperature) * factor);
}

}  // namespace

void softmax_2_online(float* s, const float* f, void* scratch, const SoftmaxParams& params, Stream stream) {
  const int64_t count = params.m * params.d;
  const auto inverse_temperature = static_cast<float>(1 / params.temperature);
  auto* statistics = static_cast<SoftmaxStatistics*>(scratch);
  auto* partial = statistics + 1;
  const unsigned blocks = softmax_blocks(count, 4);
  launch(softmax_online_kernel, blocks, kSoftmaxThreads, 0, stream, partial, f, inverse_temperature, count);
  launch(softmax_online_combine_kernel, 1, kSoftmaxThreads, 0, stream, statistics, partial,
         static_cast<int>(blocks), inverse_temperature);
  const auto quotient_blocks = static_cast<unsigned>((count + kSoftmaxThreads - 1) / kSoftmaxThreads);
  launch(softmax_online_quotient_kernel, quotient_blocks, kSoftmaxThreads, 0, stream, s, f, statistics,
         inverse_temperature, count);
}

}  // namespace swag::ladder
