// Half precision of the emulator: __half and its pairs, under CUDA's names.
#pragma once
#include <cmath>

#include "cuda_runtime.h"
#include "emulator/small_float.h"

#define EMULATOR_SCALAR __half
#define EMULATOR_PAIR __half2
#define EMULATOR_FORMAT emulator::SmallFloat::kHalf
#include "emulator/small_float_functions.inc"

using half = __half;
using half2 = __half2;
using __nv_half = __half;
using __nv_half2 = __half2;

EMULATOR_INLINE float __half2float(__half a) { return static_cast<float>(a); }
EMULATOR_INLINE __half __float2half(float a) { return __half(a); }
EMULATOR_INLINE __half __float2half_rn(float a) { return __half(a); }
EMULATOR_INLINE __half __double2half(double a) { return __half(a); }
EMULATOR_INLINE __half __int2half_rn(int a) { return __half(a); }
EMULATOR_INLINE __half __uint2half_rn(unsigned a) { return __half(a); }
EMULATOR_INLINE int __half2int_rn(__half a) { return __float2int_rn(static_cast<float>(a)); }
EMULATOR_INLINE int __half2int_rz(__half a) { return __float2int_rz(static_cast<float>(a)); }
EMULATOR_INLINE unsigned __half2uint_rz(__half a) { return __float2uint_rz(static_cast<float>(a)); }
EMULATOR_INLINE short __half_as_short(__half a) { return static_cast<short>(a.bits); }
EMULATOR_INLINE unsigned short __half_as_ushort(__half a) { return a.bits; }
EMULATOR_INLINE __half __short_as_half(short bits) { return __half::of_bits(static_cast<uint16_t>(bits)); }
EMULATOR_INLINE __half __ushort_as_half(unsigned short bits) { return __half::of_bits(bits); }

EMULATOR_INLINE __half2 __floats2half2_rn(float x, float y) { return __half2(__half(x), __half(y)); }
EMULATOR_INLINE __half2 __float22half2_rn(float2 a) { return __floats2half2_rn(a.x, a.y); }
EMULATOR_INLINE __half2 __float2half2_rn(float a) { return __floats2half2_rn(a, a); }
EMULATOR_INLINE __half2 __half2half2(__half a) { return __half2(a, a); }
EMULATOR_INLINE __half2 __halves2half2(__half x, __half y) { return __half2(x, y); }
EMULATOR_INLINE __half2 make_half2(__half x, __half y) { return __half2(x, y); }
EMULATOR_INLINE float2 __half22float2(__half2 a) {
  return make_float2(static_cast<float>(a.x), static_cast<float>(a.y));
}
EMULATOR_INLINE float __low2float(__half2 a) { return static_cast<float>(a.x); }
EMULATOR_INLINE float __high2float(__half2 a) { return static_cast<float>(a.y); }
EMULATOR_INLINE __half __low2half(__half2 a) { return a.x; }
EMULATOR_INLINE __half __high2half(__half2 a) { return a.y; }
EMULATOR_INLINE __half2 __low2half2(__half2 a) { return __half2(a.x, a.x); }
EMULATOR_INLINE __half2 __high2half2(__half2 a) { return __half2(a.y, a.y); }
EMULATOR_INLINE __half2 __lowhigh2highlow(__half2 a) { return __half2(a.y, a.x); }
EMULATOR_INLINE __half2 __lows2half2(__half2 a, __half2 b) { return __half2(a.x, b.x); }
EMULATOR_INLINE __half2 __highs2half2(__half2 a, __half2 b) { return __half2(a.y, b.y); }
