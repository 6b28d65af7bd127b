// Arithmetic that CUDA has and <cmath> has not, or has elsewhere. Approximate functions (__expf, rsqrtf, ...)
// are exact to rounding here: a kernel's result may differ from a GPU's by what the CUDA programming guide
// allows them.
#pragma once
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "kernel_api.h"
#include "keywords.h"

namespace emulator {

/// runtime_launch.cpp: ends the launch with cudaErrorLaunchFailure.
[[noreturn]] void trap() noexcept;

template <typename To, typename From>
EMULATOR_INLINE To bit_cast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}
/// As the GPU converts: NaN gives 0 (0x80...0 for 64 bits), what is out of range the nearest bound.
template <typename To, typename From>
EMULATOR_INLINE To saturating(From rounded) {
  constexpr bool is_signed = static_cast<To>(-1) < static_cast<To>(0);
  constexpr int digits = static_cast<int>(sizeof(To)) * 8 - (is_signed ? 1 : 0);
  const From limit = std::ldexp(From{1}, digits);
  constexpr To highest =
      is_signed ? static_cast<To>((uint64_t{1} << (digits - 1)) - 1 + (uint64_t{1} << (digits - 1)))
                : static_cast<To>(~To{0});
  constexpr To lowest = is_signed ? static_cast<To>(-highest - 1) : To{0};
  if (rounded != rounded) return sizeof(To) == 8 ? static_cast<To>(uint64_t{1} << 63) : To{0};
  if (rounded >= limit) return highest;
  if (rounded < (is_signed ? -limit : From{0})) return lowest;
  return static_cast<To>(rounded);
}

}  // namespace emulator

// min and max: as CUDA's, for every pair of types that C's arithmetic would join; floating ones ignore a NaN.
EMULATOR_INLINE int min(int a, int b) { return a < b ? a : b; }
EMULATOR_INLINE unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
EMULATOR_INLINE unsigned min(int a, unsigned b) { return min(static_cast<unsigned>(a), b); }
EMULATOR_INLINE unsigned min(unsigned a, int b) { return min(a, static_cast<unsigned>(b)); }
EMULATOR_INLINE long min(long a, long b) { return a < b ? a : b; }
EMULATOR_INLINE unsigned long min(unsigned long a, unsigned long b) { return a < b ? a : b; }
EMULATOR_INLINE long long min(long long a, long long b) { return a < b ? a : b; }
EMULATOR_INLINE unsigned long long min(unsigned long long a, unsigned long long b) { return a < b ? a : b; }
EMULATOR_INLINE float min(float a, float b) { return fminf(a, b); }
EMULATOR_INLINE double min(double a, double b) { return fmin(a, b); }
EMULATOR_INLINE double min(float a, double b) { return fmin(static_cast<double>(a), b); }
EMULATOR_INLINE double min(double a, float b) { return fmin(a, static_cast<double>(b)); }
EMULATOR_INLINE int max(int a, int b) { return a > b ? a : b; }
EMULATOR_INLINE unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
EMULATOR_INLINE unsigned max(int a, unsigned b) { return max(static_cast<unsigned>(a), b); }
EMULATOR_INLINE unsigned max(unsigned a, int b) { return max(a, static_cast<unsigned>(b)); }
EMULATOR_INLINE long max(long a, long b) { return a > b ? a : b; }
EMULATOR_INLINE unsigned long max(unsigned long a, unsigned long b) { return a > b ? a : b; }
EMULATOR_INLINE long long max(long long a, long long b) { return a > b ? a : b; }
EMULATOR_INLINE unsigned long long max(unsigned long long a, unsigned long long b) { return a > b ? a : b; }
EMULATOR_INLINE float max(float a, float b) { return fmaxf(a, b); }
EMULATOR_INLINE double max(double a, double b) { return fmax(a, b); }
EMULATOR_INLINE double max(float a, double b) { return fmax(static_cast<double>(a), b); }
EMULATOR_INLINE double max(double a, float b) { return fmax(a, static_cast<double>(b)); }

// float and double functions
EMULATOR_INLINE float rsqrtf(float x) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x))); }
EMULATOR_INLINE double rsqrt(double x) { return 1.0 / std::sqrt(x); }
EMULATOR_INLINE float rsqrt(float x) { return rsqrtf(x); }
EMULATOR_INLINE float rcbrtf(float x) { return static_cast<float>(1.0 / std::cbrt(static_cast<double>(x))); }
EMULATOR_INLINE float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }  // NaN gives 0
EMULATOR_INLINE float __expf(float x) { return expf(x); }
EMULATOR_INLINE float __exp2f(float x) { return exp2f(x); }
EMULATOR_INLINE float __exp10f(float x) { return powf(10.0f, x); }
EMULATOR_INLINE float __logf(float x) { return logf(x); }
EMULATOR_INLINE float __log2f(float x) { return log2f(x); }
EMULATOR_INLINE float __log10f(float x) { return log10f(x); }
EMULATOR_INLINE float __sinf(float x) { return sinf(x); }
EMULATOR_INLINE float __cosf(float x) { return cosf(x); }
EMULATOR_INLINE float __tanf(float x) { return tanf(x); }
EMULATOR_INLINE float __powf(float x, float y) { return powf(x, y); }
EMULATOR_INLINE void __sincosf(float x, float* sine, float* cosine) {
  *sine = sinf(x);
  *cosine = cosf(x);
}
EMULATOR_INLINE float __fdividef(float x, float y) { return x / y; }
EMULATOR_INLINE float __frsqrt_rn(float x) { return rsqrtf(x); }
EMULATOR_INLINE float fdividef(float x, float y) { return x / y; }
EMULATOR_INLINE float norm3df(float x, float y, float z) { return sqrtf(x * x + y * y + z * z); }

// Rounded once, never fused with what is around: asm hides the product from the compiler's contraction.
#define EMULATOR_ROUNDED(T, name, expression, ...) \
  EMULATOR_INLINE T name(__VA_ARGS__) {            \
    T result = expression;                         \
    __asm__("" : "+x"(result));                    \
    return result;                                 \
  }
EMULATOR_ROUNDED(float, __fadd_rn, a + b, float a, float b)
EMULATOR_ROUNDED(float, __fsub_rn, a - b, float a, float b)
EMULATOR_ROUNDED(float, __fmul_rn, a* b, float a, float b)
EMULATOR_ROUNDED(float, __fdiv_rn, a / b, float a, float b)
EMULATOR_ROUNDED(float, __frcp_rn, 1.0f / a, float a)
EMULATOR_ROUNDED(float, __fsqrt_rn, sqrtf(a), float a)
EMULATOR_ROUNDED(float, __fmaf_rn, fmaf(a, b, c), float a, float b, float c)
EMULATOR_ROUNDED(double, __dadd_rn, a + b, double a, double b)
EMULATOR_ROUNDED(double, __dsub_rn, a - b, double a, double b)
EMULATOR_ROUNDED(double, __dmul_rn, a* b, double a, double b)
EMULATOR_ROUNDED(double, __ddiv_rn, a / b, double a, double b)
EMULATOR_ROUNDED(double, __drcp_rn, 1.0 / a, double a)
EMULATOR_ROUNDED(double, __dsqrt_rn, std::sqrt(a), double a)
EMULATOR_ROUNDED(double, __fma_rn, std::fma(a, b, c), double a, double b, double c)
#undef EMULATOR_ROUNDED

// Conversions: to nearest even, towards zero, down, up.
#define EMULATOR_TO_INTEGER(To, From, prefix)                                                    \
  EMULATOR_INLINE To prefix##_rn(From x) { return emulator::saturating<To>(std::nearbyint(x)); } \
  EMULATOR_INLINE To prefix##_rz(From x) { return emulator::saturating<To>(std::trunc(x)); }     \
  EMULATOR_INLINE To prefix##_rd(From x) { return emulator::saturating<To>(std::floor(x)); }     \
  EMULATOR_INLINE To prefix##_ru(From x) { return emulator::saturating<To>(std::ceil(x)); }
EMULATOR_TO_INTEGER(int, float, __float2int)
EMULATOR_TO_INTEGER(unsigned, float, __float2uint)
EMULATOR_TO_INTEGER(long long, float, __float2ll)
EMULATOR_TO_INTEGER(unsigned long long, float, __float2ull)
EMULATOR_TO_INTEGER(int, double, __double2int)
EMULATOR_TO_INTEGER(unsigned, double, __double2uint)
EMULATOR_TO_INTEGER(long long, double, __double2ll)
EMULATOR_TO_INTEGER(unsigned long long, double, __double2ull)
#undef EMULATOR_TO_INTEGER
EMULATOR_INLINE float __int2float_rn(int x) { return static_cast<float>(x); }
EMULATOR_INLINE float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
EMULATOR_INLINE float __ll2float_rn(long long x) { return static_cast<float>(x); }
EMULATOR_INLINE float __ull2float_rn(unsigned long long x) { return static_cast<float>(x); }
EMULATOR_INLINE double __int2double_rn(int x) { return x; }
EMULATOR_INLINE double __uint2double_rn(unsigned x) { return x; }
EMULATOR_INLINE double __ll2double_rn(long long x) { return static_cast<double>(x); }
EMULATOR_INLINE float __double2float_rn(double x) { return static_cast<float>(x); }

// Bits
EMULATOR_INLINE int __float_as_int(float x) { return emulator::bit_cast<int>(x); }
EMULATOR_INLINE unsigned __float_as_uint(float x) { return emulator::bit_cast<unsigned>(x); }
EMULATOR_INLINE float __int_as_float(int x) { return emulator::bit_cast<float>(x); }
EMULATOR_INLINE float __uint_as_float(unsigned x) { return emulator::bit_cast<float>(x); }
EMULATOR_INLINE long long __double_as_longlong(double x) { return emulator::bit_cast<long long>(x); }
EMULATOR_INLINE double __longlong_as_double(long long x) { return emulator::bit_cast<double>(x); }
EMULATOR_INLINE int __double2hiint(double x) { return static_cast<int>(__double_as_longlong(x) >> 32); }
EMULATOR_INLINE int __double2loint(double x) { return static_cast<int>(__double_as_longlong(x)); }

EMULATOR_INLINE int __popc(unsigned x) { return __builtin_popcount(x); }
EMULATOR_INLINE int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
EMULATOR_INLINE int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
EMULATOR_INLINE int __clzll(long long x) {
  return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x));
}
EMULATOR_INLINE int __ffs(int x) { return __builtin_ffs(x); }
EMULATOR_INLINE int __ffsll(long long x) { return __builtin_ffsll(x); }
EMULATOR_INLINE unsigned __brev(unsigned x) {
  x = ((x >> 1) & 0x55555555u) | ((x & 0x55555555u) << 1);
  x = ((x >> 2) & 0x33333333u) | ((x & 0x33333333u) << 2);
  x = ((x >> 4) & 0x0f0f0f0fu) | ((x & 0x0f0f0f0fu) << 4);
  return __builtin_bswap32(x);
}
EMULATOR_INLINE unsigned long long __brevll(unsigned long long x) {
  const auto low = static_cast<unsigned>(x), high = static_cast<unsigned>(x >> 32);
  return static_cast<unsigned long long>(__brev(low)) << 32 | __brev(high);
}
/// Four bytes of y:x, each chosen by a nibble of the selector, whose top bit asks for the sign bit eight
/// times.
EMULATOR_INLINE unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const uint64_t bytes = static_cast<uint64_t>(y) << 32 | x;
  unsigned result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned nibble = selector >> (4 * i) & 0xfu;
    unsigned byte = static_cast<unsigned>(bytes >> (8 * (nibble & 7u))) & 0xffu;
    if (nibble & 8u) byte = byte & 0x80u ? 0xffu : 0u;
    result |= byte << (8 * i);
  }
  return result;
}
EMULATOR_INLINE unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) << (shift & 31u) >> 32);
}
EMULATOR_INLINE unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) >> (shift & 31u));
}
EMULATOR_INLINE unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(uint64_t{a} * b >> 32);
}
EMULATOR_INLINE int __mulhi(int a, int b) { return static_cast<int>(int64_t{a} * b >> 32); }
EMULATOR_INLINE unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
/// The low 32 bits of the product of the low 24 bits.
EMULATOR_INLINE int __mul24(int a, int b) {
  const int64_t wide_a = static_cast<int32_t>(static_cast<uint32_t>(a) << 8) >> 8;
  const int64_t wide_b = static_cast<int32_t>(static_cast<uint32_t>(b) << 8) >> 8;
  return static_cast<int>(wide_a * wide_b);
}
EMULATOR_INLINE unsigned __umul24(unsigned a, unsigned b) {
  return static_cast<unsigned>(uint64_t{a & 0xffffffu} * (b & 0xffffffu));
}
EMULATOR_INLINE unsigned __sad(int a, int b, unsigned c) {
  return (a < b ? static_cast<unsigned>(b) - static_cast<unsigned>(a)
                : static_cast<unsigned>(a) - static_cast<unsigned>(b)) +
         c;
}

// Time, and the end of it
EMULATOR_INLINE long long clock64() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<long long>(now.tv_sec) * 1000000000 + now.tv_nsec;
}
EMULATOR_INLINE unsigned long long __globaltimer() { return static_cast<unsigned long long>(clock64()); }
EMULATOR_INLINE void __nanosleep(unsigned) {}
[[noreturn]] EMULATOR_INLINE void __trap() { emulator::trap(); }
