// Between pictures, values in [0, 1], and what a network sees: pixels normalised by ImageNet's mean and
// deviation. torch: torchvision.transforms.Normalize.
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/stream.h"

namespace swag {

/// Of red, green and blue.
SWAG_HOST_DEVICE inline double pixel_mean(int c) { return c == 0 ? 0.485 : c == 1 ? 0.456 : 0.406; }
SWAG_HOST_DEVICE inline double pixel_deviation(int c) { return c == 0 ? 0.229 : c == 1 ? 0.224 : 0.225; }

/// A picture's value in full precision: what came from 8 bits is n / 255, which float holds rounded.
SWAG_HOST_DEVICE inline double exact_pixel(float value) {
  const double scaled = static_cast<double>(value) * 255, nearest = std::rint(scaled);
  return std::fabs(scaled - nearest) < 1e-4 ? nearest / 255 : static_cast<double>(value);
}

SWAG_HOST_DEVICE inline double normalized(float rgb, int c) {
  return (exact_pixel(rgb) - pixel_mean(c)) / pixel_deviation(c);
}

/// Clamped to [0, 1]; NaN becomes 0, a picture has no other.
SWAG_HOST_DEVICE inline float denormalized(double x, int c) {
  const double value = x * pixel_deviation(c) + pixel_mean(c);
  return static_cast<float>(value > 1 ? 1 : value > 0 ? value : 0);
}

namespace cpu {

template <typename T>
void normalize(T* y,              // (pixels, 3)
               const float* rgb,  // (pixels, 3)
               int64_t pixels, Stream stream);
template <typename T>
void denormalize(float* rgb, const T* x, int64_t pixels, Stream stream);

}  // namespace cpu

namespace cuda {

void normalize(float* y, const float* rgb, int64_t pixels, Stream stream);
void denormalize(float* rgb, const float* x, int64_t pixels, Stream stream);

}  // namespace cuda
}  // namespace swag
