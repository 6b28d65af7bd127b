// Rounding to 16-bit floating formats, and back.
#pragma once
#include <cstdint>
#include <cstring>

#include "keywords.h"

namespace emulator {

enum class SmallFloat : uint8_t { kHalf, kBfloat16 };

/// To nearest even, with subnormals and infinities; every NaN becomes 0x7fff, as the GPU has it.
template <SmallFloat kFormat>
EMULATOR_INLINE uint16_t round_to_bits(double value) {
  constexpr int kMantissa = kFormat == SmallFloat::kHalf ? 10 : 7;
  constexpr int kLeastExponent = kFormat == SmallFloat::kHalf ? -14 : -126;
  constexpr uint64_t kInfinity = kFormat == SmallFloat::kHalf ? 0x7c00 : 0x7f80;
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const auto sign = static_cast<uint16_t>(bits >> 48 & 0x8000u);
  bits &= ~(uint64_t{1} << 63);
  if (bits > uint64_t{0x7ff} << 52) return 0x7fff;
  if (bits == uint64_t{0x7ff} << 52) return static_cast<uint16_t>(sign | kInfinity);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  if (exponent < kLeastExponent) exponent = kLeastExponent;
  // In units of the last place; adding 2^52 then rounds to a whole number, which is what the low bits hold.
  const uint64_t unit_bits = static_cast<uint64_t>(1023 - (exponent - kMantissa)) << 52;
  double units, magnitude;
  std::memcpy(&units, &unit_bits, sizeof units);
  std::memcpy(&magnitude, &bits, sizeof magnitude);
  const double shifted = magnitude * units + 0x1p52;
  uint64_t whole;
  std::memcpy(&whole, &shifted, sizeof whole);
  whole &= (uint64_t{1} << 52) - 1;
  // The leading one of a normal number adds 1 to the exponent field; so does a carry.
  whole += static_cast<uint64_t>(exponent - kLeastExponent) << kMantissa;
  return static_cast<uint16_t>(sign | (whole < kInfinity ? whole : kInfinity));
}

template <SmallFloat kFormat>
EMULATOR_INLINE float bits_to_float(uint16_t bits) {
  uint32_t wide = static_cast<uint32_t>(bits) << 16;
  if constexpr (kFormat == SmallFloat::kHalf) {
    const uint32_t sign = wide & 0x80000000u, rest = bits & 0x7fffu;
    if (rest < 0x0400u) {  // subnormal: whole units of 2^-24
      const float magnitude = static_cast<float>(rest) * 0x1p-24f;
      return sign ? -magnitude : magnitude;
    }
    wide = sign | (rest >= 0x7c00u ? (rest << 13 | 0x7f800000u) : (rest << 13) + (112u << 23));
  }
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

/// a * b + c such that one more rounding gives what a single one would: inexact results get an odd last bit.
EMULATOR_INLINE double fma_to_odd(float a, float b, float c) {
  const double product = static_cast<double>(a) * b;  // exact
  const double sum = product + c;
  const double back = sum - product;
  const double error = (product - (sum - back)) + (static_cast<double>(c) - back);
  if (error == 0 || error != error) return sum;
  uint64_t bits;
  std::memcpy(&bits, &sum, sizeof bits);
  if (!(bits & 1)) bits += (error > 0) == (sum > 0) ? 1 : -1;
  double odd;
  std::memcpy(&odd, &bits, sizeof odd);
  return odd;
}

/// Out of line, in half.cpp: the old value of two numbers, or one, to which others were added.
template <SmallFloat kFormat>
uint32_t atomic_add_pair(uint32_t* address, uint32_t bits) noexcept;
template <SmallFloat kFormat>
uint16_t atomic_add_one(uint16_t* address, uint16_t bits) noexcept;

}  // namespace emulator
