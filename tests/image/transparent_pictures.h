// Pictures with transparent parts.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>

#include "src/image/image.h"
#include "tests/helpers.h"

namespace swag::test {

/// A disc of one colour, its rim antialiased, on pixels that cannot be seen and hide a grey. `opacity` 0
/// hides the disc as well.
inline Image disc(int h, int w, std::array<float, 3> colour, float hidden, float opacity = 1) {
  Image image{h, w, {}, {}};
  const double radius = 0.4 * std::min(h, w);
  for (int r = 0; r < h; ++r) {
    for (int q = 0; q < w; ++q) {
      const double distance = std::hypot(r + 0.5 - 0.5 * h, q + 0.5 - 0.5 * w);
      const auto alpha = static_cast<float>(opacity * std::clamp(radius - distance + 0.5, 0.0, 1.0));
      image.alpha.push_back(alpha > 0.01f ? alpha : 0);
      for (const float value : colour) image.rgb.push_back(image.alpha.back() > 0 ? value : hidden);
    }
  }
  return image;
}

/// The same picture with another colour behind the pixels that cannot be seen.
inline Image with_hidden(Image image, float hidden) {
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    if (image.alpha[i / 3] == 0) image.rgb[i] = hidden;
  }
  return image;
}

}  // namespace swag::test
