// half and bfloat16: every value both ways, and arithmetic against exact sums in double.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/helpers.h"

namespace {

/// The value of a 16-bit pattern, by the definition of the format.
double value_of(unsigned bits, int exponent_bits) {
  const int mantissa_bits = 15 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = bits & 0x8000u ? -1 : 1;
  const int exponent = static_cast<int>(bits >> mantissa_bits & ((1u << exponent_bits) - 1));
  const auto mantissa = static_cast<double>(bits & ((1u << mantissa_bits) - 1));
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * HUGE_VAL;
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(mantissa + std::ldexp(1, mantissa_bits), exponent - bias - mantissa_bits);
}

template <typename T>
constexpr int kExponentBits = std::is_same_v<T, __half> ? 5 : 8;

/// The pattern nearest to a value, by search among the finite ones: an answer that knows nothing of bit
/// tricks.
template <typename T>
unsigned nearest(double value) {
  if (std::isnan(value)) return 0x7fff;
  const unsigned sign = std::signbit(value) ? 0x8000u : 0, infinity = ((1u << kExponentBits<T>)-1)
                                                                      << (15 - kExponentBits<T>);
  const double magnitude = std::abs(value);
  unsigned low = 0, high = infinity;  // value_of(low) <= magnitude; infinity stands for the next power of two
  const auto at = [&](unsigned bits) {
    return bits == infinity ? 2 * value_of(infinity - (1u << (15 - kExponentBits<T>)), kExponentBits<T>)
                            : value_of(bits, kExponentBits<T>);
  };
  if (magnitude >= at(infinity)) return sign | infinity;
  while (high - low > 1) {
    const unsigned middle = (low + high) / 2;
    (at(middle) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - at(low), above = at(high) - magnitude;  // exact: both are near
  return sign | (below < above || (below == above && low % 2 == 0) ? low : high);
}

template <typename T>
void check_every_value() {
  int wrong_value = 0, wrong_back = 0, wrong_between = 0;
  for (unsigned bits = 0; bits < 0x10000u; ++bits) {
    const double expected = value_of(bits, kExponentBits<T>);
    const float actual = static_cast<float>(T::of_bits(static_cast<uint16_t>(bits)));
    if (std::isnan(expected)) {
      wrong_value += !std::isnan(actual);
      wrong_back += T(actual).bits != 0x7fff;
      continue;
    }
    wrong_value +=
        !(static_cast<double>(actual) == expected && std::signbit(actual) == std::signbit(expected));
    wrong_back += T(actual).bits != bits;
    if (!std::isfinite(expected)) continue;
    // Halfway to the next value, and a little to either side of it.
    const double next =
        bits % 0x8000u + 1 == nearest<T>(HUGE_VAL)
            ? 2 * value_of(nearest<T>(HUGE_VAL) - (1u << (15 - kExponentBits<T>)), kExponentBits<T>)
            : std::abs(value_of(bits + 1, kExponentBits<T>));
    const double half_way = std::copysign((std::abs(expected) + next) / 2, expected);
    for (const double value :
         {half_way, std::nextafter(half_way, 0.0), std::nextafter(half_way, 2 * half_way)}) {
      wrong_between += T(value).bits != nearest<T>(value);
    }
    const auto half_way_float = static_cast<float>(half_way);
    wrong_between += T(half_way_float).bits != nearest<T>(static_cast<double>(half_way_float));
  }
  CHECK(wrong_value == 0);
  CHECK(wrong_back == 0);
  CHECK(wrong_between == 0);
}

template <typename T>
bool is(T actual, double exact) {
  return actual.bits == nearest<T>(exact);
}

/// Products and sums of two values are exact in long double; so is a * b + c where exponents are close.
template <typename T>
void check_arithmetic() {
  swag::test::Random random(7);
  int wrong = 0;
  for (int i = 0; i < 200000; ++i) {
    const auto draw = [&] { return T(random.uniform(-4, 4)); };
    const T a = draw(), b = draw(), c = draw();
    const double x = static_cast<float>(a), y = static_cast<float>(b), z = static_cast<float>(c);
    wrong += !is(a + b, x + y) + !is(a - b, x - y) + !is(a * b, x * y);
    wrong += !is(a / b, x / y);
    wrong += !is(__hfma(a, b, c), x * y + z);
    wrong += (a < b) != (x < y) || (a == b) != (x == y) || (a >= b) != (x >= y);
    wrong += !is(__hmax(a, b), std::fmax(x, y)) + !is(__hmin(a, b), std::fmin(x, y));
    wrong += !is(-a, -x) + !is(__habs(a), std::abs(x));
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("half and float agree on all 65,536 values, and what lies between rounds to even") {
  check_every_value<__half>();
}
TEST_CASE("bfloat16 and float agree on all 65,536 values, and what lies between rounds to even") {
  check_every_value<__nv_bfloat16>();
}

#ifdef __FLT16_MAX__
TEST_CASE("half converts as the compiler's own half type does") {
  int wrong = 0;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 4093) {
    const auto word = static_cast<uint32_t>(bits);
    float value;
    std::memcpy(&value, &word, sizeof value);
    if (std::isnan(value)) continue;
    const auto theirs = static_cast<_Float16>(value);
    uint16_t their_bits;
    std::memcpy(&their_bits, &theirs, sizeof their_bits);
    wrong += their_bits != __half(value).bits;
  }
  CHECK(wrong == 0);
}
#endif

TEST_CASE("half arithmetic is rounded once") { check_arithmetic<__half>(); }
TEST_CASE("bfloat16 arithmetic is rounded once") { check_arithmetic<__nv_bfloat16>(); }

TEST_CASE("a fused multiply-add of halves is not the sum of a rounded product") {
  // (1 + 2^-10)^2 - 1 = 2^-9 + 2^-20: the product alone would lose the last term.
  const __half a(1 + 0x1p-10), one(1.0f);
  CHECK(static_cast<float>(__hfma(a, a, -one)) == static_cast<float>(__half(0x1p-9 + 0x1p-20)));
  CHECK(static_cast<float>(a * a - one) == 0x1p-9f);
  // 1 + 2^-11 is halfway between two halves; a millionth part of the last place decides.
  const __half tiny(0x1p-24);
  CHECK(__hfma(__half(0x1p-11), one, one).bits == 0x3c00);
  CHECK(__hfma(tiny, tiny, __half(0x1p-13)).bits == __half(0x1p-13).bits);
}

TEST_CASE("NaN and infinity in 16 bits") {
  const __half nan = __half(NAN), one(1.0f), infinity(HUGE_VALF);
  CHECK(__hisnan(nan));
  CHECK(nan.bits == 0x7fff);
  CHECK_FALSE(nan == nan);
  CHECK(nan != nan);
  CHECK_FALSE(__hne(nan, one));
  CHECK(__hneu(nan, one));
  CHECK(__hmax(nan, one).bits == one.bits);
  CHECK(__hmax_nan(nan, one).bits == 0x7fff);
  CHECK(__hisinf(infinity) == 1);
  CHECK(__hisinf(-infinity) == -1);
  CHECK(__half(65519.0f).bits == 0x7bff);
  CHECK(__half(65520.0f).bits == 0x7c00);
}

TEST_CASE("pairs of halves and bfloat16s keep their order") {
  const __half2 pair = __floats2half2_rn(1.5f, -2.0f);
  CHECK(__low2float(pair) == 1.5f);
  CHECK(__high2float(pair) == -2.0f);
  CHECK(__half22float2(__hadd2(pair, pair)).y == -4.0f);
  CHECK(__low2float(__lowhigh2highlow(pair)) == -2.0f);
  uint32_t bits;
  std::memcpy(&bits, &pair, sizeof bits);
  CHECK(bits == 0xc0003e00u);  // x in the low half
  const __nv_bfloat162 other = __float22bfloat162_rn(make_float2(3.0f, 0.1f));
  CHECK(__bfloat1622float2(__hmul2(other, other)).x == 9.0f);
  static_assert(sizeof(__half2) == 4 && alignof(__half2) == 4 && sizeof(__nv_bfloat16) == 2);
  static_assert(std::is_trivially_default_constructible_v<__half>);
}
