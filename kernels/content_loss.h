// Content loss, eq. (3) and (12), on smoothed maps: loss = sum (s - target)^2; the factors are src/losses'
// business.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag::cpu {

template <typename T>
void content_loss_forward(double* loss,     // (1), float64 sum in fixed ranges
                          const T* s,       // (count)
                          const T* target,  // (count)
                          int64_t count, Stream stream);

/// ds = factor * (s - target) (+ ds, when accumulate).
template <typename T>
void content_loss_backward(T* ds,            // (count)
                           const T* s,       // (count)
                           const T* target,  // (count)
                           double factor, bool accumulate, int64_t count, Stream stream);

}  // namespace swag::cpu
