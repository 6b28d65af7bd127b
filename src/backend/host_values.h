// A map's values on the host, a piece at a time: a copy of the whole could be the largest thing in memory.
#pragma once
#include <algorithm>
#include <cassert>
#include <vector>

#include "src/backend/backend.h"
#include "src/support/half.h"

namespace swag {

/// call(double) for every value of a dense map, in order.
template <typename Call>
void for_each_value(Backend& backend, const Tensor& map, Call&& call) {
  constexpr int64_t kPiece = 1 << 17;  // values
  const auto visit = [&](auto zero, const auto& widened) {
    using T = decltype(zero);
    std::vector<T> values(static_cast<size_t>(std::min(kPiece, map.count())));
    for (int64_t begin = 0; begin < map.count(); begin += kPiece) {
      const int64_t count = std::min(kPiece, map.count() - begin);
      backend.download(values.data(), static_cast<const T*>(map.data) + begin,
                       count * static_cast<int64_t>(sizeof(T)));
      for (int64_t i = 0; i < count; ++i) call(map.scale * static_cast<double>(widened(values[i])));
    }
  };
  assert(map.dense());
  switch (map.dtype) {
    case DType::kFloat64: return visit(double{}, [](double value) { return value; });
    case DType::kFloat32:
    case DType::kTf32: return visit(float{}, [](float value) { return value; });
    case DType::kFloat16: return visit(uint16_t{}, half_to_float);
    case DType::kBFloat16: return visit(uint16_t{}, bfloat16_to_float);
  }
}

}  // namespace swag
