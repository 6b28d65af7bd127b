#include <cmath>
#include <limits>

#include "kernels/cuda/reduce.cuh"
#include "kernels/softmax.h"

namespace swag::cuda {
namespace {

constexpr int kTileFloats = 16;                      // of one thread, in registers
constexpr int kTile = kReduceThreads * kTileFloats;  // elements
constexpr int kWarpsPerBlock =
    kReduceThreads / kLanes;  // each has a position of its own, where there are many
constexpr float kLowest = -std::numeric_limits<float>::infinity();

/// q = (F - max) / T <= 0, so that the exponentials are at most 1.
__device__ __forceinline__ float exponential(float f, float max, float inverse_temperature) {
  return expf((f - max) * inverse_temperature);
}

/// A float64 factor as two floats. float * factor, rounded once, is then two float instructions: the rounding
/// of a float factor would be the same for all S, and Gram matrices that differ in the fourth digit are
/// compared later, but float64 is 64 times slower than float on most GPUs.
struct SplitFactor {
  float high, low;
  __device__ explicit SplitFactor(double factor)
      : high(static_cast<float>(factor)), low(static_cast<float>(factor - static_cast<double>(high))) {}
  __device__ float times(float value) const { return fmaf(value, high, value * low); }
};

// ---------------------------------------------------------------- over the whole map

/// What each block of the first stage leaves, in two rows, which a warp then reads side by side.
struct PartialStatistics {
  double* max;  // (blocks)
  double* sum;  // (blocks)
};

/// A block goes from tile to tile: it takes the tile's maximum out of registers first, then adds the
/// exponentials under the largest maximum so far, to which the sum of the tiles before is scaled down. So the
/// map is read once, and float64 exponentials are needed only when the maximum grows.
/// Grid: tiles of 4096 elements, at most 1024 x block 256. Shared: 96 bytes. Bound by bytes, 4 per element,
/// where float64 additions are fast; by those where they are not.
template <int kWidth, typename F>
__global__ void __launch_bounds__(kReduceThreads)
    softmax_statistics_kernel(PartialStatistics partials, const F* f, float inverse_temperature,
                              int64_t count) {
  constexpr int kLoads = kTileFloats / kWidth;
  float running = kLowest;
  double sum = 0;
  for (int64_t begin = int64_t{blockIdx.x} * kTile; begin < count; begin += int64_t{gridDim.x} * kTile) {
    Floats<kWidth> tile[kLoads];
    float largest = kLowest;
#pragma unroll
    for (int j = 0; j < kLoads; ++j) {
      const int64_t i = begin + (j * kReduceThreads + static_cast<int>(threadIdx.x)) * kWidth;
      tile[j] = load_some<kWidth>(f, i, count, kLowest);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) largest = larger(largest, tile[j].at[k]);
    }
    largest = larger(running, block_max(largest));  // the same in all threads
    if (largest == kLowest) continue;               // nothing but -infinity so far: its exponentials are 0
    if (largest != running) {
      sum *= exp((static_cast<double>(running) - static_cast<double>(largest)) *
                 static_cast<double>(inverse_temperature));
    }
    running = largest;
#pragma unroll
    for (int j = 0; j < kLoads; ++j) {
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        sum += static_cast<double>(exponential(tile[j].at[k], running, inverse_temperature));
      }
    }
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) {
    partials.max[blockIdx.x] = static_cast<double>(running);
    partials.sum[blockIdx.x] = sum;
  }
}

/// One block brings all partial sums under the largest maximum.
/// Grid 1 x block 256. Shared: 128 bytes. Bound by latency.
__global__ void __launch_bounds__(kReduceThreads)
    softmax_statistics_finish_kernel(SoftmaxStatistics* statistics, PartialStatistics partials,
                                     float inverse_temperature, int blocks) {
  double largest = static_cast<double>(kLowest), sum = 0;
  for (int i = threadIdx.x; i < blocks; i += kReduceThreads) largest = larger(largest, partials.max[i]);
  largest = block_max(largest);
  for (int i = threadIdx.x; i < blocks; i += kReduceThreads) {
    const double max = partials.max[i];
    const double scale = max == largest ? 1 : exp((max - largest) * static_cast<double>(inverse_temperature));
    sum += partials.sum[i] * scale;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) *statistics = SoftmaxStatistics{largest, sum};
}

/// A thread makes kWidth elements of S.
/// Grid: count / (256 kWidth) x block 256. No shared memory. Bound by bytes: 8 per element.
template <int kWidth, typename F>
__global__ void __launch_bounds__(kElementThreads)
    softmax_forward_kernel(float* s, const F* f, const SoftmaxStatistics* statistics,
                           float inverse_temperature, int64_t count) {
  const float max = static_cast<float>(statistics->max);
  const SplitFactor factor(static_cast<double>(count) / statistics->sum);
  for_each_group<kWidth>(count, [&](int64_t i) {
    Floats<kWidth> v = load_some<kWidth>(f, i, count, 0);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) v.at[k] = factor.times(exponential(v.at[k], max, inverse_temperature));
    store_some(s, i, count, v);
  });
}

/// A thread makes kWidth elements of df.
/// Grid: count / (256 kWidth) x block 256. No shared memory. Bound by bytes: 12 per element.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kElementThreads)
    softmax_backward_kernel(T* df, const float* ds, const float* s, SoftmaxInner inner,
                            float inverse_temperature, int64_t count) {
  double sum = 0;
#pragma unroll
  for (int k = 0; k < 2; ++k) {
    if (inner.value[k] != nullptr) sum += inner.factor[k] * *inner.value[k];
  }
  const float mean = static_cast<float>(sum / static_cast<double>(count));
  for_each_group<kWidth>(count, [&](int64_t i) {
    Floats<kWidth> gradient = load_some<kWidth>(ds, i, count, 0);
    const Floats<kWidth> sigma = load_some<kWidth>(s, i, count, 0);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      gradient.at[k] = sigma.at[k] * (gradient.at[k] - mean) * inverse_temperature;
    }
    store_some(df, i, count, gradient);
  });
}

// ---------------------------------------------------------------- over the channels

/// body(position) for every position, one warp at each.
template <typename Body>
__device__ __forceinline__ void for_each_position(int64_t m, Body&& body) {
  const int64_t stride = int64_t{gridDim.x} * kWarpsPerBlock;
  for (int64_t i = int64_t{blockIdx.x} * kWarpsPerBlock + threadIdx.x / kLanes; i < m; i += stride) body(i);
}

/// The largest of a position's channels, the same in all lanes.
template <int kWidth, typename F>
__device__ __forceinline__ float channel_max(const F* f, int d) {
  float largest = kLowest;
  for (int k = threadIdx.x % kLanes * kWidth; k < d; k += kLanes * kWidth) {
    const Floats<kWidth> v = load<kWidth>(f + k);
#pragma unroll
    for (int j = 0; j < kWidth; ++j) largest = larger(largest, v.at[j]);
  }
  return warp_max(largest);
}

/// A warp makes a position: maximum, sum, values. A lane reads its channels three times, from memory only
/// the first time.
/// Grid: positions / 8 x block 256. No shared memory. Bound by bytes: 8 per element.
template <int kWidth, typename F>
__global__ void __launch_bounds__(kReduceThreads)
    softmax_channel_forward_kernel(float* s, const F* f, float inverse_temperature, int64_t m, int d) {
  const int lane = threadIdx.x % kLanes;
  for_each_position(m, [&](int64_t position) {
    const F* from = f + position * d;
    const float max = channel_max<kWidth>(from, d);
    double sum = 0;
    for (int k = lane * kWidth; k < d; k += kLanes * kWidth) {
      const Floats<kWidth> v = load<kWidth>(from + k);
#pragma unroll
      for (int j = 0; j < kWidth; ++j) {
        sum += static_cast<double>(exponential(v.at[j], max, inverse_temperature));
      }
    }
    const SplitFactor factor(1 / warp_sum(sum));
    for (int k = lane * kWidth; k < d; k += kLanes * kWidth) {
      Floats<kWidth> v = load<kWidth>(from + k);
#pragma unroll
      for (int j = 0; j < kWidth; ++j) v.at[j] = factor.times(exponential(v.at[j], max, inverse_temperature));
      store(s + position * d + k, v);
    }
  });
}

/// A warp makes a position: <ds, S>, then df.
/// Grid: positions / 8 x block 256. No shared memory. Bound by bytes: 12 per element.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kReduceThreads)
    softmax_channel_backward_kernel(T* df, const float* ds, const float* s, float inverse_temperature,
                                    int64_t m, int d) {
  const int lane = threadIdx.x % kLanes;
  for_each_position(m, [&](int64_t position) {
    const int64_t origin = position * d;
    double sum = 0;
    for (int k = lane * kWidth; k < d; k += kLanes * kWidth) {
      const Floats<kWidth> gradient = load<kWidth>(ds + origin + k), sigma = load<kWidth>(s + origin + k);
#pragma unroll
      for (int j = 0; j < kWidth; ++j) {
        sum += static_cast<double>(gradient.at[j]) * static_cast<double>(sigma.at[j]);
      }
    }
    const float mean = static_cast<float>(warp_sum(sum));
    for (int k = lane * kWidth; k < d; k += kLanes * kWidth) {
      Floats<kWidth> gradient = load<kWidth>(ds + origin + k);
      const Floats<kWidth> sigma = load<kWidth>(s + origin + k);
#pragma unroll
      for (int j = 0; j < kWidth; ++j) {
        gradient.at[j] = sigma.at[j] * (gradient.at[j] - mean) * inverse_temperature;
      }
      store(df + origin + k, gradient);
    }
  });
}

/// A thread makes kWidth elements of y.
/// Grid: count / (256 kWidth) x block 256. No shared memory. Bound by bytes: 8 per element.
template <int kWidth, typename T, typename X>
__global__ void __launch_bounds__(kElementThreads)
    scale_kernel(T* y, const X* x, float factor, int64_t count) {
  for_each_group<kWidth>(count, [&](int64_t i) {
    Floats<kWidth> v = load_some<kWidth>(x, i, count, 0);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) v.at[k] *= factor;
    store_some(y, i, count, v);
  });
}

// ---------------------------------------------------------------- entropies: once per layer, not per step

/// H = (log Z - sum of p q) / log(count), with Z the sum of exp(q) and `weighted` that of exp(q) * T q.
__device__ double normalised_entropy(double z, double weighted, int64_t count, double temperature) {
  if (count <= 1) return 0;
  return (log(z) - weighted / (z * temperature)) / log(static_cast<double>(count));
}

/// The sum of exp(q) * (F - max), and again that of exp(q). The difference in float64 stays finite where q,
/// divided by a tiny temperature, does not.
/// Grid: at most 1024 x block 256. Shared: 64 bytes. Bound by bytes: 4 per element.
template <typename F>
__global__ void __launch_bounds__(kReduceThreads)
    softmax_entropy_kernel(double* partials, const F* f, const SoftmaxStatistics* statistics,
                           float inverse_temperature, int64_t count) {
  const float max = static_cast<float>(statistics->max);
  double sums[2] = {0, 0};
  for_each_group<1>(count, [&](int64_t i) {
    const float value = load<1>(f + i).at[0];
    const double weight = exponential(value, max, inverse_temperature);
    sums[0] += weight;
    sums[1] += weight * (static_cast<double>(value) - static_cast<double>(max));
  });
  store_partial_sums(partials, sums);
}

/// One thread turns the two sums into the entropy.
/// Grid 1 x block 1. No shared memory. Bound by latency.
__global__ void softmax_entropy_finish_kernel(double* entropy, const double* sums, int64_t count,
                                              double temperature) {
  *entropy = normalised_entropy(sums[0], sums[1], count, temperature);
}

/// A warp makes the entropy of a position, a block the sum of its warps'.
/// Grid: at most 1024 x block 256. Shared: 64 bytes. Bound by bytes: 4 per element.
template <typename F>
__global__ void __launch_bounds__(kReduceThreads)
    softmax_channel_entropy_kernel(double* partials, const F* f, double temperature, int64_t m, int d) {
  const int lane = threadIdx.x % kLanes;
  const float inverse_temperature = static_cast<float>(1 / temperature);
  double sum[1] = {0};
  for_each_position(m, [&](int64_t position) {
    const F* from = f + position * d;
    const float max = channel_max<1>(from, d);
    double z = 0, weighted = 0;
    for (int k = lane; k < d; k += kLanes) {
      const float value = load<1>(from + k).at[0];
      const double weight = exponential(value, max, inverse_temperature);
      z += weight;
      weighted += weight * (static_cast<double>(value) - static_cast<double>(max));
    }
    z = warp_sum(z);
    weighted = warp_sum(weighted);
    if (lane == 0) sum[0] += normalised_entropy(z, weighted, d, temperature);
  });
  store_partial_sums(partials, sum);
}

float inverse_of(double temperature) { return static_cast<float>(1 / temperature); }

/// What entropies need beside partial results; it lies behind them in the workspace.
struct EntropyScratch {
  SoftmaxStatistics statistics;
  double sums[2];
};

EntropyScratch* entropy_scratch(void* workspace) {
  return reinterpret_cast<EntropyScratch*>(static_cast<char*>(workspace) + sums_workspace_bytes(2));
}

dim3 position_grid(int64_t m) { return dim3(grid_of(ceil_divide(m, kWarpsPerBlock))); }

}  // namespace

// ---------------------------------------------------------------- launchers

int64_t softmax_workspace_bytes() {
  return sums_workspace_bytes(2) + static_cast<int64_t>(sizeof(EntropyScratch));
}

template <typename F>
void softmax_statistics(SoftmaxStatistics* statistics, const F* f, void* workspace,
                        const SoftmaxParams& params, Stream stream) {
  const int64_t count = params.m * params.d;
  auto* values = static_cast<double*>(workspace);
  const PartialStatistics partials{values, values + kReduceBlocks};
  const float inverse_temperature = inverse_of(params.temperature);
  const int blocks = static_cast<int>(std::min<int64_t>(ceil_divide(count, kTile), kReduceBlocks));
  if (blocks > 0) {
    launch(fits_float4({}, {f}) ? softmax_statistics_kernel<4, F> : softmax_statistics_kernel<1, F>,
           dim3(blocks), dim3(kReduceThreads), 0, stream, partials, f, inverse_temperature, count);
  }
  launch(softmax_statistics_finish_kernel, dim3(1), dim3(kReduceThreads), 0, stream, statistics, partials,
         inverse_temperature, blocks);
}
template void softmax_statistics(SoftmaxStatistics*, const float*, void*, const SoftmaxParams&, Stream);
template void softmax_statistics(SoftmaxStatistics*, const Float16*, void*, const SoftmaxParams&, Stream);

template <typename F>
void softmax_forward(float* s, const F* f, const SoftmaxStatistics* statistics, const SoftmaxParams& params,
                     Stream stream) {
  const int64_t count = params.m * params.d;
  if (count == 0) return;
  const bool vector = fits_float4({}, {s, f});
  launch(vector ? softmax_forward_kernel<4, F> : softmax_forward_kernel<1, F>,
         dense_grid(count, vector ? 4 : 1), dim3(kElementThreads), 0, stream, s, f, statistics,
         inverse_of(params.temperature), count);
}
template void softmax_forward(float*, const float*, const SoftmaxStatistics*, const SoftmaxParams&, Stream);
template void softmax_forward(float*, const Float16*, const SoftmaxStatistics*, const SoftmaxParams&, Stream);

template <typename T>
void softmax_backward(T* df, const float* ds, const float* s, const SoftmaxInner& inner,
                      const SoftmaxParams& params, Stream stream) {
  const int64_t count = params.m * params.d;
  if (count == 0) return;
  const bool vector = fits_float4({}, {df, ds, s});
  launch(vector ? softmax_backward_kernel<4, T> : softmax_backward_kernel<1, T>,
         dense_grid(count, vector ? 4 : 1), dim3(kElementThreads), 0, stream, df, ds, s, inner,
         inverse_of(params.temperature), count);
}
template void softmax_backward(float*, const float*, const float*, const SoftmaxInner&, const SoftmaxParams&,
                               Stream);
template void softmax_backward(Tf32*, const float*, const float*, const SoftmaxInner&, const SoftmaxParams&,
                               Stream);
template void softmax_backward(BFloat16*, const float*, const float*, const SoftmaxInner&,
                               const SoftmaxParams&, Stream);

template <typename F>
void softmax_channel_forward(float* s, const F* f, const SoftmaxParams& params, Stream stream) {
  if (params.m == 0 || params.d == 0) return;
  const bool vector = fits_float4({params.d}, {s, f});
  launch(vector ? softmax_channel_forward_kernel<4, F> : softmax_channel_forward_kernel<1, F>,
         position_grid(params.m), dim3(kReduceThreads), 0, stream, s, f, inverse_of(params.temperature),
         params.m, params.d);
}
template void softmax_channel_forward(float*, const float*, const SoftmaxParams&, Stream);
template void softmax_channel_forward(float*, const Float16*, const SoftmaxParams&, Stream);

template <typename T>
void softmax_channel_backward(T* df, const float* ds, const float* s, const SoftmaxParams& params,
                              Stream stream) {
  if (params.m == 0 || params.d == 0) return;
  const bool vector = fits_float4({params.d}, {df, ds, s});
  launch(vector ? softmax_channel_backward_kernel<4, T> : softmax_channel_backward_kernel<1, T>,
         position_grid(params.m), dim3(kReduceThreads), 0, stream, df, ds, s, inverse_of(params.temperature),
         params.m, params.d);
}
template void softmax_channel_backward(float*, const float*, const float*, const SoftmaxParams&, Stream);
template void softmax_channel_backward(Tf32*, const float*, const float*, const SoftmaxParams&, Stream);
template void softmax_channel_backward(BFloat16*, const float*, const float*, const SoftmaxParams&, Stream);

template <typename T, typename X>
void scale(T* y, const X* x, double factor, int64_t count, Stream stream) {
  if (count == 0) return;
  const bool vector = fits_float4({}, {y, x});
  launch(vector ? scale_kernel<4, T, X> : scale_kernel<1, T, X>, dense_grid(count, vector ? 4 : 1),
         dim3(kElementThreads), 0, stream, y, x, factor, count);
}
template void scale(float*, const float*, double, int64_t, Stream);
template void scale(Tf32*, const float*, double, int64_t, Stream);
template void scale(float*, const Float16*, double, int64_t, Stream);
template void scale(BFloat16*, const float*, double, int64_t, Stream);

template <typename F>
void softmax_entropy(double* entropy, const F* f, void* workspace, const SoftmaxParams& params,
                     Stream stream) {
  const int64_t count = params.m * params.d;
  EntropyScratch* scratch = entropy_scratch(workspace);
  softmax_statistics(&scratch->statistics, f, workspace, params, stream);
  auto* partials = static_cast<double*>(workspace);
  const int blocks = reduce_blocks(count);
  if (blocks > 0) {
    launch(softmax_entropy_kernel<F>, dim3(blocks), dim3(kReduceThreads), 0, stream, partials, f,
           &scratch->statistics, inverse_of(params.temperature), count);
  }
  finish_sums(SumResults<2>{{scratch->sums, scratch->sums + 1}, 1}, partials, blocks, stream);
  launch(softmax_entropy_finish_kernel, dim3(1), dim3(1), 0, stream, entropy, scratch->sums, count,
         params.temperature);
}
template void softmax_entropy(double*, const float*, void*, const SoftmaxParams&, Stream);
template void softmax_entropy(double*, const Float16*, void*, const SoftmaxParams&, Stream);

template <typename F>
void softmax_channel_entropy(double* entropy, const F* f, void* workspace, const SoftmaxParams& params,
                             Stream stream) {
  auto* partials = static_cast<double*>(workspace);
  const int blocks =
      static_cast<int>(std::min<int64_t>(ceil_divide(params.m, kWarpsPerBlock), kReduceBlocks));
  if (blocks > 0) {
    launch(softmax_channel_entropy_kernel<F>, dim3(blocks), dim3(kReduceThreads), 0, stream, partials, f,
           params.temperature, params.m, params.d);
  }
  finish_sums(SumResults<1>{{entropy}, 1 / static_cast<double>(params.m)}, partials, blocks, stream);
}
template void softmax_channel_entropy(double*, const float*, void*, const SoftmaxParams&, Stream);
template void softmax_channel_entropy(double*, const Float16*, void*, const SoftmaxParams&, Stream);

}  // namespace swag::cuda
