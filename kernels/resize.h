// Resampling along one axis, every output a weighted sum of neighbouring inputs: two calls resize a map. The
// weights come from the host (resize_axis: Lanczos-3 and Catmull-Rom). torch:
// F.interpolate(mode="bicubic", antialias=True) is of this kind, with other weights.
#pragma once
#include <cstdint>
#include <limits>

#include "kernels/stream.h"

namespace swag {

/// Output i is the sum over k < count[i] of weights[i * taps + k] times input first[i] + k.
struct ResizeWeights {
  const int32_t* first = nullptr;   // (out)
  const int32_t* count = nullptr;   // (out), at most taps
  const double* weights = nullptr;  // (out, taps)
  int taps = 0;
};

/// The axis may have anything before it (`lines`) and behind it (`c`): to resize rows of pixels (h, w, 3) are
/// h lines, in = w and c = 3; to resize columns one line, in = h and c = 3 w.
struct ResizeParams {
  int64_t lines = 0;
  int in = 0, out = 0;
  int64_t c = 0;
  double lowest = -std::numeric_limits<double>::infinity();  // what is less becomes this; NaN stays
};

namespace cpu {

/// Sums in double for every T.
template <typename T>
void resize(T* y,        // (lines, out, c)
            const T* x,  // (lines, in, c)
            const ResizeWeights& weights, const ResizeParams& params, Stream stream);

}  // namespace cpu

namespace cuda {

/// `weights` point to device memory.
void resize(float* y, const float* x, const ResizeWeights& weights, const ResizeParams& params,
            Stream stream);

}  // namespace cuda
}  // namespace swag
