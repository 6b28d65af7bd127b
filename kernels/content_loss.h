// Content loss, eq. (3) and (12), on smoothed maps: loss = sum (s - target)^2; the factors are
// src/objective/content_loss's business.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag::cpu {

template <typename T>
void content_loss_forward(double* loss,   // (1), float64 sum in fixed ranges
                          double* inner,  // (1): sum (s - target) * s, see SoftmaxInner of kernels/softmax.h
                          const T* s,     // (count)
                          const T* target,  // (count)
                          int64_t count, Stream stream);

/// ds = factor * (s - target) (+ ds, when accumulate).
template <typename T>
void content_loss_backward(T* ds,            // (count)
                           const T* s,       // (count)
                           const T* target,  // (count)
                           double factor, bool accumulate, int64_t count, Stream stream);

}  // namespace swag::cpu

namespace swag::cuda {

/// Bytes of scratch for content_loss_forward, whatever the count.
int64_t content_loss_workspace_bytes();

template <typename S>
void content_loss_forward(double* loss,     // (1), device
                          double* inner,    // (1), device: sum (s - target) * s
                          const S* s,       // (count)
                          const S* target,  // (count)
                          double scale,     // of both
                          void* workspace,  // (content_loss_workspace_bytes), aligned to 16 bytes
                          int64_t count, Stream stream);

template <typename T, typename S>
void content_loss_backward(T* ds, const S* s, const S* target, double factor, bool accumulate, int64_t count,
                           Stream stream);

}  // namespace swag::cuda
