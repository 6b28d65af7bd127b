// Total variation of an image, squared form:
//
//   loss = sum over rows, columns and channels of (x(r+1, q, c) - x(r, q, c))^2 + (x(r, q+1, c) - x(r, q,
//   c))^2
//
// Pairs that stick out of the image are left out.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

struct TotalVariationParams {
  int h = 0, w = 0, c = 3;
};

namespace cpu {

/// loss as above, unscaled, and dx += factor * d loss / d x.
template <typename T>
void total_variation(double* loss,  // (1)
                     T* dx,         // (h, w, c), dense; added to
                     const T* x,    // (h, w, c), dense
                     double factor, const TotalVariationParams& params, Stream stream);

}  // namespace cpu

namespace cuda {

/// Bytes of scratch, whatever the size of the image.
int64_t total_variation_workspace_bytes();

void total_variation(double* loss,  // (1), device
                     float* dx,     // (h, w, c), dense; added to; not x
                     const float* x, double factor,
                     void* workspace,  // (total_variation_workspace_bytes), aligned to 16 bytes
                     const TotalVariationParams& params, Stream stream);

}  // namespace cuda
}  // namespace swag
