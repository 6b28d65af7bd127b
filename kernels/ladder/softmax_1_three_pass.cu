// Step 1: the formula, pass by pass.
//
// Idea:     none yet. One pass over the map for the maximum, one for the sum, one for the quotient; a
//           block adds up in a tree in shared memory, and one block combines what the others left.
// Mapping:  a thread takes every (grid * 256)-th value. Grid: at most 256 blocks of 256; the quotient:
//           count / 256. Shared memory: 2 KiB. Five launches.
// Bound by: bytes: 3 reads and a write, 16 per value; and 9 barriers for each tree.
#include "kernels/ladder/softmax_shared.cuh"

namespace swag::ladder {
namespace {

struct Maximum {
  __device__ __forceinline__ double operator()(double a, double b) const { return larger(a, b); }
};
struct Sum {
  __device__ __forceinline__ double operator()(double a, double b) const { return a + b; }
};

/// What thread 0 gets: the values of all threads of the block, combined in a tree.
template <typename Combine>
__device__ __forceinline__ double block_tree(double value, Combine combine) {
  __shared__ double values[kSoftmaxThreads];
  const unsigned thread = threadIdx.x;
  values[thread] = value;
  __syncthreads();
  for (unsigned half = kSoftmaxThreads / 2; half > 0; half /= 2) {
    if (thread < half) values[thread] = combine(values[thread], values[thread + half]);
    __syncthreads();
  }
  return values[0];
}

__global__ void softmax_max_kernel(double* partial, const float* f, int64_t count) {
  float max = -INFINITY;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kSoftmaxThreads + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * kSoftmaxThreads) {
    max = larger(max, f[i]);
  }
  const double all = block_tree(max, Maximum());
  if (threadIdx.x == 0) partial[blockIdx.x] = all;
}

__global__ void softmax_sum_kernel(double* partial, const float* f, const double* max,
                                   float inverse_temperature, int64_t count) {
  const float map_max = static_cast<float>(*max);
  double sum = 0;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kSoftmaxThreads + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * kSoftmaxThreads) {
    sum += expf((f[i] - map_max) * inverse_temperature);
  }
  const double all = block_tree(sum, Sum());
  if (threadIdx.x == 0) partial[blockIdx.x] = all;
}

/// One block; at most one partial result per thread.
template <typename Combine>
__global__ void softmax_combine_kernel(double* result, const double* partial, int partials, double identity) {
  const int thread = static_cast<int>(threadIdx.x);
  const double all = block_tree(thread < partials ? partial[thread] : identity, Combine());
  if (thread == 0) *result = all;
}

__global__ void softmax_quotient_kernel(float* s, const float* f, const SoftmaxStatistics* statistics,
                                        float inverse_temperature, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kSoftmaxThreads + threadIdx.x;
  if (i >= count) return;
  const double factor = static_cast<double>(count) / statistics->sum;
  s[i] =
      static_cast<float>(expf((f[i] - static_cast<float>(statistics->max)) * inverse_temperature) * factor);
}

}  // namespace

void softmax_1_three_pass(float* s, const float* f, void* scratch, const SoftmaxParams& params,
                          Stream stream) {
  const int64_t count = params.m * params.d;
  const auto inverse_temperature = static_cast<float>(1 / params.temperature);
  auto* statistics = static_cast<SoftmaxStatistics*>(scratch);
  auto* partial = reinterpret_cast<double*>(statistics + 1);
  const unsigned blocks = softmax_blocks(count, 4);
  const int partials = static_cast<int>(blocks);
  launch(softmax_max_kernel, blocks, kSoftmaxThreads, 0, stream, partial, f, count);
  launch(softmax_combine_kernel<Maximum>, 1, kSoftmaxThreads, 0, stream, &statistics->max, partial, partials,
         -static_cast<double>(INFINITY));
  launch(softmax_sum_kernel, blocks, kSoftmaxThreads, 0, stream, partial, f, &statistics->max,
         inverse_temperature, count);
  launch(softmax_combine_kernel<Sum>, 1, kSoftmaxThreads, 0, stream, &statistics->sum, partial, partials,
         0.0);
  const auto quotient_blocks = static_cast<unsigned>((count + kSoftmaxThreads - 1) / kSoftmaxThreads);
  launch(softmax_quotient_kernel, quotient_blocks, kSoftmaxThreads, 0, stream, s, f, statistics,
         inverse_temperature, count);
}

}  // namespace swag::ladder
