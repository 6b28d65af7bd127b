// ReLU with its sign bits. torch: F.relu(x). NaN passes (x < 0 ? 0 : x), so that a divergence is seen.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

/// A map of `pixels` positions and c channels; pitches in elements.
struct ReluParams {
  int64_t pixels = 0;
  int c = 0;
  int64_t x_pitch = 0, y_pitch = 0;
};

namespace cpu {

template <typename T>
void relu_forward(T* y,            // (pixels, c), pitch y_pitch; may equal x
                  uint32_t* mask,  // (pixels, mask_words(c)), or null
                  const T* x,      // (pixels, c), pitch x_pitch
                  const ReluParams& params, Stream stream);

/// dx = mask ? dy : 0
template <typename T>
void relu_backward(T* dx,                 // (pixels, c), pitch x_pitch; may equal dy
                   const T* dy,           // (pixels, c), pitch y_pitch
                   const uint32_t* mask,  // (pixels, mask_words(c))
                   const ReluParams& params, Stream stream);

}  // namespace cpu

namespace cuda {

template <typename T>
void relu_forward(T* y, uint32_t* mask, const T* x, const ReluParams& params, Stream stream);
template <typename T>
void relu_backward(T* dx, const T* dy, const uint32_t* mask, const ReluParams& params, Stream stream);

}  // namespace cuda
}  // namespace swag
