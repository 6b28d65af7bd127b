// Batch normalisation with fixed statistics. torch: F.batch_norm(x, mean, var, weight, bias, training=False,
// eps).
//
//   y = x * scale + shift,   scale = weight / sqrt(var + eps),   shift = bias - mean * scale
//
// Usually folded into the convolution before it (src/weights); this is the unfolded form, for networks where
// it cannot be folded, for teaching and for checking.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

struct BatchNormParams {
  int64_t pixels = 0;
  int c = 0;
  int64_t x_pitch = 0, y_pitch = 0;
};

namespace cpu {

template <typename T>
void batch_norm_forward(T* y,            // (pixels, c), pitch y_pitch; may equal x
                        const T* x,      // (pixels, c), pitch x_pitch
                        const T* scale,  // (c)
                        const T* shift,  // (c)
                        const BatchNormParams& params, Stream stream);

/// dx = dy * scale
template <typename T>
void batch_norm_backward(T* dx,           // (pixels, c), pitch x_pitch; may equal dy
                         const T* dy,     // (pixels, c), pitch y_pitch
                         const T* scale,  // (c)
                         const BatchNormParams& params, Stream stream);

}  // namespace cpu

namespace cuda {

template <typename T>
void batch_norm_forward(T* y, const T* x, const float* scale, const float* shift,
                        const BatchNormParams& params, Stream stream);
template <typename T>
void batch_norm_backward(T* dx, const T* dy, const float* scale, const BatchNormParams& params,
                         Stream stream);

}  // namespace cuda
}  // namespace swag
