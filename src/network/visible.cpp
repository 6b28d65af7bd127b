#include "src/network/visible.h"

#include <algorithm>

namespace swag {
namespace {

/// Part `i` of `count` equal ones of `length` pixels, in whole pixels that overlap rather than miss one.
struct Part {
  Part(int i, int count, int length)
      : begin(static_cast<int>(int64_t{i} * length / count)),
        end(static_cast<int>((int64_t{i + 1} * length + count - 1) / count)) {}
  int begin, end;
};

}  // namespace

std::vector<int32_t> visible_positions(const std::vector<float>& alpha, Shape picture, Shape map) {
  std::vector<double> means;
  means.reserve(map.pixels());
  for (int row = 0; row < map.h; ++row) {
    const Part rows(row, map.h, picture.h);
    for (int col = 0; col < map.w; ++col) {
      const Part columns(col, map.w, picture.w);
      double sum = 0;
      for (int r = rows.begin; r < rows.end; ++r) {
        for (int q = columns.begin; q < columns.end; ++q) sum += alpha[int64_t{r} * picture.w + q];
      }
      means.push_back(sum / ((rows.end - rows.begin) * (columns.end - columns.begin)));
    }
  }
  const double least = 0.5 * *std::max_element(means.begin(), means.end());
  std::vector<int32_t> positions;
  for (size_t i = 0; i < means.size(); ++i) {
    if (means[i] >= least) positions.push_back(static_cast<int32_t>(i));
  }
  if (positions.size() == means.size()) positions.clear();
  return positions;
}

}  // namespace swag
