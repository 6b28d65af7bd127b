#include "src/image/grid.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "src/image/resize.h"

namespace swag {

Image side_by_side(const std::vector<Image>& images) {
  assert(!images.empty());
  constexpr int kGutter = 8, kWidest = 2;
  const int h = images.back().h, widest = kWidest * std::max(h, images.back().w);
  std::vector<Image> row;
  Image grid;
  grid.h = h;
  for (const Image& image : images) {
    const double scale = std::min(static_cast<double>(h) / image.h, static_cast<double>(widest) / image.w);
    row.push_back(resize(image, std::clamp(static_cast<int>(std::lround(image.h * scale)), 1, h),
                         std::clamp(static_cast<int>(std::lround(image.w * scale)), 1, widest)));
    grid.w += row.back().w + (row.size() > 1 ? kGutter : 0);
  }
  grid.rgb.assign(static_cast<size_t>(h) * grid.w * 3, 1.0f);
  int left = 0;
  for (const Image& image : row) {
    const int top = (h - image.h) / 2;
    for (int r = 0; r < image.h; ++r) {
      for (int q = 0; q < image.w; ++q) {
        const size_t from = static_cast<size_t>(r) * image.w + q,
                     to = static_cast<size_t>(top + r) * grid.w + left + q;
        for (int c = 0; c < 3; ++c) grid.rgb[to * 3 + c] = over_white(image, from, c);
      }
    }
    left += image.w + kGutter;
  }
  return grid;
}

}  // namespace swag
