// bfloat16 of the emulator: __nv_bfloat16 and its pairs, under CUDA's names.
#pragma once
#include <cmath>

#include "cuda_runtime.h"
#include "emulator/small_float.h"

#define EMULATOR_SCALAR __nv_bfloat16
#define EMULATOR_PAIR __nv_bfloat162
#define EMULATOR_FORMAT emulator::SmallFloat::kBfloat16
#include "emulator/small_float_functions.inc"

using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;

EMULATOR_INLINE float __bfloat162float(__nv_bfloat16 a) { return static_cast<float>(a); }
EMULATOR_INLINE __nv_bfloat16 __float2bfloat16(float a) { return __nv_bfloat16(a); }
EMULATOR_INLINE __nv_bfloat16 __float2bfloat16_rn(float a) { return __nv_bfloat16(a); }
EMULATOR_INLINE __nv_bfloat16 __double2bfloat16(double a) { return __nv_bfloat16(a); }
EMULATOR_INLINE __nv_bfloat16 __int2bfloat16_rn(int a) { return __nv_bfloat16(a); }
EMULATOR_INLINE __nv_bfloat16 __uint2bfloat16_rn(unsigned a) { return __nv_bfloat16(a); }
EMULATOR_INLINE int __bfloat162int_rn(__nv_bfloat16 a) { return __float2int_rn(static_cast<float>(a)); }
EMULATOR_INLINE int __bfloat162int_rz(__nv_bfloat16 a) { return __float2int_rz(static_cast<float>(a)); }
EMULATOR_INLINE unsigned __bfloat162uint_rz(__nv_bfloat16 a) {
  return __float2uint_rz(static_cast<float>(a));
}
EMULATOR_INLINE short __bfloat16_as_short(__nv_bfloat16 a) { return static_cast<short>(a.bits); }
EMULATOR_INLINE unsigned short __bfloat16_as_ushort(__nv_bfloat16 a) { return a.bits; }
EMULATOR_INLINE __nv_bfloat16 __short_as_bfloat16(short bits) {
  return __nv_bfloat16::of_bits(static_cast<uint16_t>(bits));
}
EMULATOR_INLINE __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  return __nv_bfloat16::of_bits(bits);
}

EMULATOR_INLINE __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
  return __nv_bfloat162(__nv_bfloat16(x), __nv_bfloat16(y));
}
EMULATOR_INLINE __nv_bfloat162 __float22bfloat162_rn(float2 a) { return __floats2bfloat162_rn(a.x, a.y); }
EMULATOR_INLINE __nv_bfloat162 __float2bfloat162_rn(float a) { return __floats2bfloat162_rn(a, a); }
EMULATOR_INLINE __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 a) { return __nv_bfloat162(a, a); }
EMULATOR_INLINE __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) {
  return __nv_bfloat162(x, y);
}
EMULATOR_INLINE __nv_bfloat162 make_bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) {
  return __nv_bfloat162(x, y);
}
EMULATOR_INLINE float2 __bfloat1622float2(__nv_bfloat162 a) {
  return make_float2(static_cast<float>(a.x), static_cast<float>(a.y));
}
EMULATOR_INLINE float __low2float(__nv_bfloat162 a) { return static_cast<float>(a.x); }
EMULATOR_INLINE float __high2float(__nv_bfloat162 a) { return static_cast<float>(a.y); }
EMULATOR_INLINE __nv_bfloat16 __low2bfloat16(__nv_bfloat162 a) { return a.x; }
EMULATOR_INLINE __nv_bfloat16 __high2bfloat16(__nv_bfloat162 a) { return a.y; }
EMULATOR_INLINE __nv_bfloat162 __low2bfloat162(__nv_bfloat162 a) { return __nv_bfloat162(a.x, a.x); }
EMULATOR_INLINE __nv_bfloat162 __high2bfloat162(__nv_bfloat162 a) { return __nv_bfloat162(a.y, a.y); }
EMULATOR_INLINE __nv_bfloat162 __lowhigh2highlow(__nv_bfloat162 a) { return __nv_bfloat162(a.y, a.x); }
EMULATOR_INLINE __nv_bfloat162 __lows2bfloat162(__nv_bfloat162 a, __nv_bfloat162 b) {
  return __nv_bfloat162(a.x, b.x);
}
EMULATOR_INLINE __nv_bfloat162 __highs2bfloat162(__nv_bfloat162 a, __nv_bfloat162 b) {
  return __nv_bfloat162(a.y, b.y);
}
