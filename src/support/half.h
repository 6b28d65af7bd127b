// The two 16-bit floats, of weight files and of maps, widened exactly.
#pragma once
#include <cstdint>
#include <cstring>

namespace swag {

inline float float_of_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// bfloat16 is the upper half of a float.
inline float bfloat16_to_float(uint16_t bits) { return float_of_bits(uint32_t{bits} << 16); }

/// IEEE binary16: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits.
inline float half_to_float(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, exact in float
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t widened =
      exponent == 0x1f ? 0xffu : exponent + (127 - 15);  // infinity and NaN stay what they are
  return float_of_bits(sign | widened << 23 | fraction << 13);
}

}  // namespace swag
