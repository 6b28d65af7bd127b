// Rounding to TF32, on every GPU: maps are stored rounded, once, by whoever writes them.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace swag {

/// The nearest TF32 number (ties away from zero), as the bits of a float whose low 13 bits are 0. A NaN stays
/// one.
__device__ __forceinline__ uint32_t round_to_tf32(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits & 0xffffe000u;
#else
  const uint32_t bits = __float_as_uint(value);
  const bool finite = (bits & 0x7fffffffu) < 0x7f800000u;
  return finite ? (bits + 0x1000u) & 0xffffe000u : value != value ? 0x7fffe000u : bits;
#endif
}

__device__ __forceinline__ float rounded_to_tf32(float value) {
  return __uint_as_float(round_to_tf32(value));
}

}  // namespace swag
