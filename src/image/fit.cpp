#include "src/image/fit.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace swag {
namespace {

int side(double length, int most) { return std::clamp(static_cast<int>(std::lround(length)), 1, most); }

/// `to` receives the rectangle of `from` that begins at (top, left) there, at its own (row, col).
void copy_rectangle(Image& to, int row, int col, const Image& from, int top, int left, Size rectangle) {
  for (int r = 0; r < rectangle.h; ++r) {
    const size_t source = static_cast<size_t>(top + r) * from.w + left;
    const size_t target = static_cast<size_t>(row + r) * to.w + col;
    std::copy_n(&from.rgb[3 * source], 3 * rectangle.w, &to.rgb[3 * target]);
    if (!from.alpha.empty()) {
      std::copy_n(&from.alpha[source], rectangle.w, &to.alpha[target]);
    } else if (!to.alpha.empty()) {
      std::fill_n(&to.alpha[target], rectangle.w, 1.0f);
    }
  }
}

Image blank(Size size, bool alpha) {
  const size_t pixels = static_cast<size_t>(size.h) * size.w;
  return {size.h, size.w, std::vector<float>(3 * pixels), std::vector<float>(alpha ? pixels : 0)};
}

}  // namespace

bool same_shape(Size from, Size to) {
  SizeRule rule;
  rule.longest = std::max(to.h, to.w);
  const Size kept = target_size(rule, from.h, from.w);
  return std::abs(kept.h - to.h) <= 1 && std::abs(kept.w - to.w) <= 1;
}

Image fit_to_shape(const Image& image, Size to, Fit fit) {
  if (fit == Fit::kStretch || same_shape({image.h, image.w}, to)) return image;
  const double rows = static_cast<double>(to.h) / image.h, columns = static_cast<double>(to.w) / image.w;
  if (fit == Fit::kCrop) {
    const double scale = std::max(rows, columns);
    const Size kept{side(to.h / scale, image.h), side(to.w / scale, image.w)};
    Image cropped = blank(kept, !image.alpha.empty());
    copy_rectangle(cropped, 0, 0, image, (image.h - kept.h) / 2, (image.w - kept.w) / 2, kept);
    return cropped;
  }
  const double scale = std::min(rows, columns);
  const Size inside{side(image.h * scale, to.h), side(image.w * scale, to.w)};
  Image padded = blank(to, true);
  copy_rectangle(padded, (to.h - inside.h) / 2, (to.w - inside.w) / 2, resize(image, inside.h, inside.w), 0,
                 0, inside);
  return padded;
}

}  // namespace swag
