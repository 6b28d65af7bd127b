// A picture on the host.
#pragma once
#include <cstddef>
#include <vector>

namespace swag {

struct Image {
  int h = 0, w = 0;
  std::vector<float> rgb;    // (h, w, 3), sRGB values in [0, 1]
  std::vector<float> alpha;  // (h, w) in [0, 1]; empty: opaque
};

/// Channel `c` of a pixel as it looks on white.
inline float over_white(const Image& image, size_t pixel, int c) {
  const float alpha = image.alpha.empty() ? 1.0f : image.alpha[pixel];
  return image.rgb[pixel * 3 + c] * alpha + (1 - alpha);
}

}  // namespace swag
