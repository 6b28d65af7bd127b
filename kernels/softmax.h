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

/// <ds, S> as a sum of at most two products factor * value, which the losses leave, so that no pass need be
/// made for it. For the style loss, ds = factor * S * difference, it is factor * m * sum difference * A
/// (gram_difference); for the content loss, ds = factor * (S - target), it is factor * sum (S - target) * S
/// (content_loss_forward).
struct SoftmaxInner {
  const double* value[2] = {nullptr, nullptr};  // (1) each, in the memory of the maps; null: no such term
  double factor[2] = {0, 0};
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
void softmax_backward(T* df,        // (m, d); may equal ds
                      const T* ds,  // (m, d)
                      const T* s,   // (m, d)
                      const SoftmaxInner& inner, const SoftmaxParams& params, Stream stream);

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

namespace cuda {

// The same, but for scratch that is given from outside and results that stay on the device: no call waits. A
// map F may be stored in 16 bits; S is not.

/// Bytes of scratch for any of these, whatever the shape. Aligned to 16 bytes.
int64_t softmax_workspace_bytes();

/// One pass over f: a block keeps the maximum of what it has seen and the sum under it, which it scales
/// down when the maximum grows.
template <typename F>
void softmax_statistics(SoftmaxStatistics* statistics,  // (1), device
                        const F* f,                     // (m, d)
                        void* workspace,                // (softmax_workspace_bytes)
                        const SoftmaxParams& params, Stream stream);

template <typename F>
void softmax_forward(float* s, const F* f, const SoftmaxStatistics* statistics, const SoftmaxParams& params,
                     Stream stream);

template <typename T>
void softmax_backward(T* df, const float* ds, const float* s, const SoftmaxInner& inner,
                      const SoftmaxParams& params, Stream stream);

template <typename F>
void softmax_channel_forward(float* s, const F* f, const SoftmaxParams& params, Stream stream);
template <typename T>
void softmax_channel_backward(T* df, const float* ds, const float* s, const SoftmaxParams& params,
                              Stream stream);
template <typename T, typename X>
void scale(T* y, const X* x, double factor, int64_t count, Stream stream);

template <typename F>
void softmax_entropy(double* entropy,  // (1), device
                     const F* f,       // (m, d)
                     void* workspace,  // (softmax_workspace_bytes)
                     const SoftmaxParams& params, Stream stream);
template <typename F>
void softmax_channel_entropy(double* entropy,  // (1), device
                             const F* f,       // (m, d)
                             void* workspace,  // (softmax_workspace_bytes)
                             const SoftmaxParams& params, Stream stream);

}  // namespace cuda
}  // namespace swag
