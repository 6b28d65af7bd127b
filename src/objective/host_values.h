// A map's values on the host, a piece at a time: a copy of the whole could be the largest thing in memory.
#pragma once
#include <algorithm>
#include <cassert>
#include <vector>

#include "src/backend/backend.h"

namespace swag {

/// call(double) for every value of a dense map, in order.
template <typename Call>
void for_each_value(Backend& backend, const Tensor& map, Call&& call) {
  constexpr int64_t kPiece = 1 << 17;  // values
  const auto visit = [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> values(static_cast<size_t>(std::min(kPiece, map.count())));
    for (int64_t begin = 0; begin < map.count(); begin += kPiece) {
      const int64_t count = std::min(kPiece, map.count() - begin);
      backend.download(values.data(), map.as<T>() + begin, count * static_cast<int64_t>(sizeof(T)));
      for (int64_t i = 0; i < count; ++i) call(static_cast<double>(values[i]));
    }
  };
  assert(map.dense());
  if (map.dtype == DType::kFloat64) {
    visit(double{});
  } else {
    visit(float{});
  }
}

}  // namespace swag
