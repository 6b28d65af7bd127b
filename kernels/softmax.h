// The smoothings of SWAG and their backward passes. A feature map is m positions of d channels, dense (pitch
// d).
//
//   softmax   S = d * m * exp(F / T) / sum over all d * m entries of exp(F / T)      (eq. 11, times d * m)
//   channel   S = softmax of F / T over the d channels at each position
//   scale     S = F / T
//
// Sums are float64 and scalars live in memory of the backend, so that a whole evaluation needs no read-back.
// The maximum is taken out first; a NaN anywhere makes every S NaN.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

struct SoftmaxParams {
  int64_t m = 0;  // positions
  int d = 0;      // channels
  double temperature = 1;
};

/// What the softmax over a whole layer needs to know of it: the maximum of F, and the sum of exp((F - max) /
/// T).
struct SoftmaxStatistics {
  double max = 0;
  double sum = 0;
};

namespace cpu {

template <typename T>
void softmax_statistics(SoftmaxStatistics* statistics,
                        const T* f,  // (m, d)
                        const SoftmaxParams& params, Stream stream);

template <typename T>
void softmax_forward(T* s,        // (m, d); may equal f
                     const T* f,  // (m, d)
                     const SoftmaxStatistics* statistics, const SoftmaxParams& params, Stream stream);

/// df = S * (ds - <ds, S> / (d * m)) / T
template <typename T>
void softmax_backward(T* df,            // (m, d); may equal ds
                      const T* ds,      // (m, d)
                      const T* s,       // (m, d)
                      double* scratch,  // (1): receives <ds, S>
                      const SoftmaxParams& params, Stream stream);

template <typename T>
void softmax_channel_forward(T* s,        // (m, d); may equal f
                             const T* f,  // (m, d)
                             const SoftmaxParams& params, Stream stream);

/// df = S * (ds - sum over the channels of ds * S) / T
template <typename T>
void softmax_channel_backward(T* df,        // (m, d); may equal ds
                              const T* ds,  // (m, d)
                              const T* s,   // (m, d)
                              const SoftmaxParams& params, Stream stream);

/// y = x * factor, for the smoothing `scale` (factor 1 / T) and its backward.
template <typename T>
void scale(T* y,        // (count); may equal x
           const T* x,  // (count)
           double factor, int64_t count, Stream stream);

/// Normalised entropy, eq. (6), of softmax(F / T) over the whole map, in [0, 1].
template <typename T>
double softmax_entropy(const T* f,  // (m, d)
                       const SoftmaxParams& params, Stream stream);

/// Mean over the positions of the entropy over channels / log d.
template <typename T>
double softmax_channel_entropy(const T* f,  // (m, d)
                               const SoftmaxParams& params, Stream stream);

}  // namespace cpu
}  // namespace swag
