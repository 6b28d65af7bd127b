// Total variation of an image, squared form:
//
//   loss = sum over rows, columns and channels of (x(r+1, q, c) - x(r, q, c))^2 + (x(r, q+1, c) - x(r, q,
//   c))^2
//
// Pairs that stick out of the image are left out.
//
// The nine-point stencil looks along the diagonals too, so that a slanted edge costs what an upright one
// does, and at pictures in [0, 1] where x is normalised (kernels/normalize.h). With S the sum above and D
// that over both diagonals, the image's edge repeated once around it, both of differences times the channel's
// deviation:
//
//   loss = 2/3 S + 1/6 D h w / ((h + 1) (w + 1))
//
// over h w c values this is TVLoss of crowsonkb/style-transfer-pytorch. A pixel's diagonal neighbours are
// those rows and columns on either side, at an edge its own twice in place of the one missing.
#pragma once
#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/stream.h"

namespace swag {

struct TotalVariationParams {
  int h = 0, w = 0, c = 3;
};

/// What the sums over straight and over diagonal pairs count in the nine-point stencil's loss.
struct NinePointWeights {
  SWAG_HOST_DEVICE explicit NinePointWeights(const TotalVariationParams& params)
      : diagonal(static_cast<double>(params.h) * params.w / (6.0 * (params.h + 1.0) * (params.w + 1.0))) {}
  double straight = 2.0 / 3, diagonal;
};

/// The rows, or columns, beside one of `size`, and how often each stands among the diagonal neighbours.
struct DiagonalNeighbours {
  SWAG_HOST_DEVICE DiagonalNeighbours(int i, int size)
      : at{i > 0 ? i - 1 : 0, i + 1 < size ? i + 1 : i}, times{i > 0 ? 1 : 2, i + 1 < size ? 1 : 2} {}
  int at[2], times[2];
};

namespace cpu {

/// loss as above, unscaled, and dx += factor * d loss / d x.
template <typename T>
void total_variation(double* loss,  // (1)
                     T* dx,         // (h, w, c), dense; added to
                     const T* x,    // (h, w, c), dense
                     double factor, const TotalVariationParams& params, Stream stream);

/// The same by the nine-point stencil, of normalised pixels: c is 3.
template <typename T>
void total_variation_nine_point(double* loss, T* dx, const T* x, double factor,
                                const TotalVariationParams& params, Stream stream);

}  // namespace cpu

namespace cuda {

/// Bytes of scratch, whatever the size of the image.
int64_t total_variation_workspace_bytes();

void total_variation(double* loss,  // (1), device
                     float* dx,     // (h, w, c), dense; added to; not x
                     const float* x, double factor,
                     void* workspace,  // (total_variation_workspace_bytes), aligned to 16 bytes
                     const TotalVariationParams& params, Stream stream);
void total_variation_nine_point(double* loss, float* dx, const float* x, double factor, void* workspace,
                                const TotalVariationParams& params, Stream stream);

}  // namespace cuda
}  // namespace swag
