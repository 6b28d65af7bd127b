// What a type with fewer bits makes of values, by the definition of its rounding.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/dtype.h"

namespace swag::test {

/// How many bits of a fraction a type keeps below the leading one, and the least exponent of a normal number.
struct SmallFormat {
  int fraction, least_exponent, most_exponent;
};
inline SmallFormat format_of(DType type) {
  if (type == DType::kFloat16) return {10, -14, 15};
  if (type == DType::kBFloat16) return {7, -126, 127};
  return {10, -126, 127};  // kTf32
}

/// As whoever stores it rounds it: to nearest, ties to even, but those of TF32 away from zero.
inline float rounded(float value, DType type) {
  if (type == DType::kFloat32 || !std::isfinite(value) || value == 0) return value;
  const SmallFormat format = format_of(type);
  int exponent = 0;
  std::frexp(value, &exponent);  // value in [2^(exponent - 1), 2^exponent)
  const int unit = std::max(exponent - 1, format.least_exponent) - format.fraction;
  const double units = std::ldexp(static_cast<double>(value), -unit);
  const double whole = std::ldexp(type == DType::kTf32 ? std::round(units) : std::nearbyint(units), unit);
  if (std::abs(whole) >= std::ldexp(1.0, format.most_exponent + 1)) {
    return std::copysign(std::numeric_limits<float>::infinity(), value);
  }
  return static_cast<float>(whole);
}
inline std::vector<float> rounded(std::vector<float> values, DType type) {
  for (float& value : values) value = rounded(value, type);
  return values;
}

/// The bits of a value that the type holds.
inline uint16_t small_bits(float value, DType type) {
  uint32_t wide;
  std::memcpy(&wide, &value, sizeof wide);
  if (type == DType::kBFloat16) return static_cast<uint16_t>(wide >> 16);
  const auto sign = static_cast<uint16_t>(wide >> 16 & 0x8000u);
  if (std::isnan(value)) return sign | 0x7e00u;
  if (std::isinf(value)) return sign | 0x7c00u;
  const float magnitude = std::abs(value);
  if (magnitude < 0x1p-14f) return static_cast<uint16_t>(sign | static_cast<uint16_t>(magnitude * 0x1p24f));
  return static_cast<uint16_t>(sign | ((wide & 0x7fffffffu) - (112u << 23)) >> 13);
}

}  // namespace swag::test
