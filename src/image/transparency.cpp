#include "src/image/transparency.h"

#include <algorithm>
#include <cstddef>

namespace swag {
namespace {

/// One level of the pyramid: colours, and how much each is known, 0 to 1.
template <typename T>
struct Level {
  int h = 0, w = 0;
  std::vector<T> colours;      // (h, w, 3)
  std::vector<float> weights;  // (h, w)
};

/// Half the size: weighted means of two by two, what is left of them at the borders.
template <typename T>
Level<T> pulled(const std::vector<T>& colours, const std::vector<float>& weights, int h, int w) {
  Level<T> up{(h + 1) / 2, (w + 1) / 2, {}, {}};
  up.colours.reserve(static_cast<size_t>(up.h) * up.w * 3);
  up.weights.reserve(static_cast<size_t>(up.h) * up.w);
  for (int r = 0; r < up.h; ++r) {
    for (int q = 0; q < up.w; ++q) {
      double sum[3] = {}, weight = 0;
      for (int row = 2 * r; row < std::min(h, 2 * r + 2); ++row) {
        for (int col = 2 * q; col < std::min(w, 2 * q + 2); ++col) {
          const size_t i = static_cast<size_t>(row) * w + col;
          weight += weights[i];
          for (int c = 0; c < 3; ++c) sum[c] += double{weights[i]} * colours[3 * i + c];
        }
      }
      for (double value : sum) up.colours.push_back(static_cast<T>(weight > 0 ? value / weight : 0));
      up.weights.push_back(static_cast<float>(std::min(1.0, weight)));
    }
  }
  return up;
}

/// Colour c between the pixels of a level, for the pixel (row, col) of the level below: bilinear.
template <typename T>
double pushed(const Level<T>& up, int row, int col, int c) {
  const auto at = [&](int r, int q) {
    r = std::clamp(r, 0, up.h - 1);
    q = std::clamp(q, 0, up.w - 1);
    return static_cast<double>(up.colours[(static_cast<size_t>(r) * up.w + q) * 3 + c]);
  };
  const int r = row / 2, q = col / 2;  // three quarters of it, one quarter of the neighbour on this side
  const int r2 = row % 2 == 0 ? r - 1 : r + 1, q2 = col % 2 == 0 ? q - 1 : q + 1;
  return 0.75 * (0.75 * at(r, q) + 0.25 * at(r, q2)) + 0.25 * (0.75 * at(r2, q) + 0.25 * at(r2, q2));
}

/// Completes colours by what larger regions around them have: each keeps of its own as much as is known of
/// it. The picture itself, at the `bottom` of the pyramid, keeps all that is known at all.
template <typename T>
void complete(std::vector<T>& colours, const std::vector<float>& weights, int h, int w, bool bottom) {
  if (h == 1 && w == 1) return;
  Level<T> up = pulled(colours, weights, h, w);
  complete(up.colours, up.weights, up.h, up.w, false);
  for (int row = 0; row < h; ++row) {
    for (int col = 0; col < w; ++col) {
      const size_t i = static_cast<size_t>(row) * w + col;
      if (weights[i] >= 1 || (bottom && weights[i] > 0)) continue;
      const double own = double{weights[i]};
      for (int c = 0; c < 3; ++c) {
        T& colour = colours[3 * i + c];
        colour = static_cast<T>(own * colour + (1 - own) * pushed(up, row, col, c));
      }
    }
  }
}

bool any_visible(const std::vector<float>& alpha) {
  return std::any_of(alpha.begin(), alpha.end(), is_visible);
}

}  // namespace

bool anything_visible(const Image& image) { return image.alpha.empty() || any_visible(image.alpha); }

template <typename T>
void fill_invisible(std::vector<T>& colours, const std::vector<float>& alpha, int h, int w) {
  if (std::all_of(alpha.begin(), alpha.end(), is_visible)) return;
  if (!any_visible(alpha)) return;
  std::vector<float> weights(alpha);
  for (size_t i = 0; i < weights.size(); ++i) {
    if (is_visible(alpha[i])) continue;
    weights[i] = 0;
    std::fill_n(&colours[3 * i], 3, T{0});  // even NaN leaves no trace
  }
  complete(colours, weights, h, w, true);
}

template void fill_invisible(std::vector<float>&, const std::vector<float>&, int, int);
template void fill_invisible(std::vector<double>&, const std::vector<float>&, int, int);

Image with_invisible_filled(Image image) {
  fill_invisible(image.rgb, image.alpha, image.h, image.w);
  return image;
}

}  // namespace swag
