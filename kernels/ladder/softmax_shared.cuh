// What all softmax kernels of the ladder share: S = count * exp((F - max) / T) / sum of exp((F - max) / T)
// over a map.
//
// The maximum goes out first, so that no exponential exceeds 1. Sums are float64, as a map has millions of
// terms. No atomics: partial results are combined in an order that is the same in every run. A NaN anywhere
// makes every S NaN.
#pragma once
#include "kernels/cuda/launch.cuh"
#include "kernels/ladder/ladder.h"

namespace swag::ladder {

constexpr int kSoftmaxThreads = 256;

/// The larger; NaN as soon as one of them is.
template <typename T>
__device__ __forceinline__ T larger(T a, T b) {
  return b > a || b != b ? b : a;
}

__device__ __forceinline__ double negative_infinity() { return -static_cast<double>(INFINITY); }

/// Two parts' statistics as one: the sum whose maximum is lower is taken to the other's.
__device__ __forceinline__ SoftmaxStatistics combined(const SoftmaxStatistics& a, const SoftmaxStatistics& b,
                                                      double inverse_temperature) {
  SoftmaxStatistics c;
  c.max = larger(a.max, b.max);
  c.sum = (a.max == c.max ? a.sum : a.sum * exp((a.max - c.max) * inverse_temperature)) +
          (b.max == c.max ? b.sum : b.sum * exp((b.max - c.max) * inverse_temperature));
  return c;
}

/// One more value for a thread's running statistics.
__device__ __forceinline__ void add_value(float& max, double& sum, float value, float inverse_temperature) {
  const float before = max;
  max = larger(max, value);
  // Rare once a thread has seen some values; the first time there is no sum yet, and -inf - max is no number
  // to trust.
  if (max != before && sum != 0) sum *= exp(static_cast<double>(before - max) * inverse_temperature);
  sum += expf((value - max) * inverse_temperature);
}

inline unsigned softmax_blocks(int64_t count, int values_per_thread) {
  const int64_t per_block = int64_t{kSoftmaxThreads} * values_per_thread;
  const int64_t blocks = (count + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < kSoftmaxBlocks ? blocks : kSoftmaxBlocks);
}

}  // namespace swag::ladder
