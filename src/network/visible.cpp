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
  constexpr float kSeen = 1.0f / 16;  // of the largest alpha
  const float least_alpha = kSeen * *std::max_element(alpha.begin(), alpha.end());
  std::vector<double> shares;  // of each part that can be seen
  shares.reserve(map.pixels());
  for (int row = 0; row < map.h; ++row) {
    const Part rows(row, map.h, picture.h);
    for (int col = 0; col < map.w; ++col) {
      const Part columns(col, map.w, picture.w);
      int seen = 0;
      for (int r = rows.begin; r < rows.end; ++r) {
        for (int q = columns.begin; q < columns.end; ++q) {
          seen += alpha[int64_t{r} * picture.w + q] >= least_alpha ? 1 : 0;
        }
      }
      const int pixels = (rows.end - rows.begin) * (columns.end - columns.begin);
      shares.push_back(static_cast<double>(seen) / pixels);
    }
  }
  const double least = 0.5 * *std::max_element(shares.begin(), shares.end());
  std::vector<int32_t> positions;
  for (size_t i = 0; i < shares.size(); ++i) {
    if (shares[i] >= least) positions.push_back(static_cast<int32_t>(i));
  }
  if (positions.size() == shares.size()) positions.clear();
  return positions;
}

}  // namespace swag
