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

/// The pixels of a level of `size` that stand around pixel i of the level below: the one that it is part of,
/// three quarters of it, and the neighbour on its side, one quarter.
struct Around {
  Around(int i, int size) : own(i / 2), other(std::clamp(i % 2 == 0 ? own - 1 : own + 1, 0, size - 1)) {}
  int own, other;
};

/// Completes colours by what larger regions around them have: each keeps of its own as much as is known of
/// it. The picture itself, at the `bottom` of the pyramid, keeps all that is known at all.
template <typename T>
void complete(std::vector<T>& colours, const std::vector<float>& weights, int h, int w, bool bottom) {
  if (h == 1 && w == 1) return;
  Level<T> up = pulled(colours, weights, h, w);
  complete(up.colours, up.weights, up.h, up.w, false);
  for (int row = 0; row < h; ++row) {
    const Around rows(row, up.h);
    const T* own_row = &up.colours[static_cast<size_t>(rows.own) * up.w * 3];
    const T* other_row = &up.colours[static_cast<size_t>(rows.other) * up.w * 3];
    for (int col = 0; col < w; ++col) {
      const size_t i = static_cast<size_t>(row) * w + col;
      if (weights[i] >= 1 || (bottom && weights[i] > 0)) continue;
      const double own = double{weights[i]};
      const Around columns(col, up.w);
      for (int c = 0; c < 3; ++c) {
        const int q = 3 * columns.own + c, q2 = 3 * columns.other + c;
        const double pushed = 0.75 * (0.75 * own_row[q] + 0.25 * own_row[q2]) +
                              0.25 * (0.75 * other_row[q] + 0.25 * other_row[q2]);
        T& colour = colours[3 * i + c];
        colour = static_cast<T>(own * colour + (1 - own) * pushed);
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
