#include "src/image/grid.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "src/image/resize.h"

namespace swag {

Image side_by_side(const std::vector<Image>& images) {
  assert(!images.empty());
  constexpr int kGutter = 8;
  const int h = images.back().h;
  std::vector<Image> row;
  Image grid;
  grid.h = h;
  for (const Image& image : images) {
    const double scale = static_cast<double>(h) / image.h;
    const int w = std::max(1, static_cast<int>(std::lround(image.w * scale)));
    row.push_back(resize(image, h, w));
    grid.w += w + (row.size() > 1 ? kGutter : 0);
  }
  grid.rgb.assign(static_cast<size_t>(h) * grid.w * 3, 1.0f);
  int left = 0;
  for (const Image& image : row) {
    for (int r = 0; r < h; ++r) {
      for (int q = 0; q < image.w; ++q) {
        const size_t from = static_cast<size_t>(r) * image.w + q,
                     to = static_cast<size_t>(r) * grid.w + left + q;
        for (int c = 0; c < 3; ++c) grid.rgb[to * 3 + c] = over_white(image, from, c);
      }
    }
    left += image.w + kGutter;
  }
  return grid;
}

}  // namespace swag
