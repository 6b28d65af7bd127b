// Gram matrix per position A = S^T S / m, eq. (1), and the style loss's way back through it.
// Products accumulate in the precision of S over at most a few thousand positions, their sums in float64.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

struct GramParams {
  int64_t m = 0;  // positions
  int d = 0;      // channels
};

namespace cpu {

/// Bytes of scratch for gram_forward and gram_backward.
template <typename T>
int64_t gram_workspace_bytes(const GramParams& params, Stream stream);

template <typename T>
void gram_forward(double* a,        // (d, d), full and symmetric
                  const T* s,       // (m, d), dense
                  void* workspace,  // (gram_workspace_bytes), aligned to 64 bytes
                  const GramParams& params, Stream stream);

/// loss = sum (a - target)^2 and difference = a - target.
template <typename T>
void gram_difference(double* loss,          // (1)
                     T* difference,         // (d, d)
                     const double* a,       // (d, d)
                     const double* target,  // (d, d)
                     int d, Stream stream);

/// ds = factor * S * difference (+ ds, when accumulate). With factor = 4 k / m it is the gradient of
/// k * ||A - target||_F^2, because A - target is symmetric.
template <typename T>
void gram_backward(T* ds,                // (m, d), dense
                   const T* s,           // (m, d), dense; ds may not overlap it
                   const T* difference,  // (d, d)
                   double factor, bool accumulate, void* workspace, const GramParams& params, Stream stream);

}  // namespace cpu
}  // namespace swag
