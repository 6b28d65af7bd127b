// Elements of a map in registers: floats, whatever they are stored as.
//
// A thread works on kWidth elements side by side: four (one access, of 16 bytes or of 8) where sizes and
// addresses allow, one where they do not. What is stored as T is named by T's pointer: float, Tf32, Float16,
// BFloat16.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/cuda/tf32.cuh"
#include "kernels/cuda/vector.cuh"
#include "kernels/dtype.h"

namespace swag::cuda {

/// kWidth floats in registers.
template <int kWidth>
struct Floats {
  float at[kWidth];
};

__device__ __forceinline__ float to_float(Float16 value) {
  return __half2float(__ushort_as_half(value.bits));
}
__device__ __forceinline__ float to_float(BFloat16 value) {
  return __uint_as_float(static_cast<uint32_t>(value.bits) << 16);
}

/// The nearest, ties to even; beyond the largest it is infinity.
template <typename T>
__device__ __forceinline__ T rounded_to(float value);
template <>
__device__ __forceinline__ float rounded_to<float>(float value) {
  return value;
}
template <>
__device__ __forceinline__ Tf32 rounded_to<Tf32>(float value) {
  return {rounded_to_tf32(value)};
}
template <>
__device__ __forceinline__ Float16 rounded_to<Float16>(float value) {
  return {__half_as_ushort(__float2half_rn(value))};
}
template <>
__device__ __forceinline__ BFloat16 rounded_to<BFloat16>(float value) {
  return {__bfloat16_as_ushort(__float2bfloat16_rn(value))};
}

/// Two elements of 16 bits in a register, the first in the low half.
template <typename T>
__device__ __forceinline__ uint32_t pair_of(float first, float second);
template <>
__device__ __forceinline__ uint32_t pair_of<Float16>(float first, float second) {
  const __half2 pair = __floats2half2_rn(first, second);  // one instruction
  return static_cast<uint32_t>(__half_as_ushort(__low2half(pair))) |
         static_cast<uint32_t>(__half_as_ushort(__high2half(pair))) << 16;
}
template <>
__device__ __forceinline__ uint32_t pair_of<BFloat16>(float first, float second) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(first, second);
  return static_cast<uint32_t>(__bfloat16_as_ushort(__low2bfloat16(pair))) |
         static_cast<uint32_t>(__bfloat16_as_ushort(__high2bfloat16(pair))) << 16;
}
template <typename T>
__device__ __forceinline__ float2 floats_of(uint32_t pair) {
  return make_float2(to_float(T{static_cast<uint16_t>(pair & 0xffffu)}),
                     to_float(T{static_cast<uint16_t>(pair >> 16)}));
}

// ---------------------------------------------------------------- reading

template <int kWidth>
__device__ __forceinline__ Floats<kWidth> load(const float* from) {
  static_assert(kWidth == 1 || kWidth == 4, "one element or four");
  if constexpr (kWidth == 4) {
    const float4 v = load4(from);
    return {{v.x, v.y, v.z, v.w}};
  } else {
    return {{*from}};
  }
}

template <int kWidth>
__device__ __forceinline__ Floats<kWidth> load(const Tf32* from) {
  return load<kWidth>(reinterpret_cast<const float*>(from));
}

namespace detail {
template <int kWidth, typename T>
__device__ __forceinline__ Floats<kWidth> load_small(const T* from) {
  if constexpr (kWidth == 4) {
    const uint2 v = swag::detail::load_vector<uint2>(from);
    const float2 low = floats_of<T>(v.x), high = floats_of<T>(v.y);
    return {{low.x, low.y, high.x, high.y}};
  } else {
    return {{to_float(*from)}};
  }
}
template <int kWidth, typename T>
__device__ __forceinline__ void store_small(T* to, const Floats<kWidth>& v) {
  if constexpr (kWidth == 4) {
    swag::detail::store_vector(to, make_uint2(pair_of<T>(v.at[0], v.at[1]), pair_of<T>(v.at[2], v.at[3])));
  } else {
    *to = rounded_to<T>(v.at[0]);
  }
}
}  // namespace detail

template <int kWidth>
__device__ __forceinline__ Floats<kWidth> load(const Float16* from) {
  return detail::load_small<kWidth>(from);
}
template <int kWidth>
__device__ __forceinline__ Floats<kWidth> load(const BFloat16* from) {
  return detail::load_small<kWidth>(from);
}

/// The first of `count` elements, up to four, one by one; what is not there is 0.
template <typename T>
__device__ __forceinline__ Floats<4> load_each(const T* from, int64_t count) {
  Floats<4> v = {};
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (k < count) v.at[k] = load<1>(from + k).at[0];
  }
  return v;
}

/// Elements i ... of a vector of `count`; what lies behind its end is `fill`, and is not read.
template <int kWidth, typename T>
__device__ __forceinline__ Floats<kWidth> load_some(const T* from, int64_t i, int64_t count, float fill) {
  if (i + kWidth <= count) return load<kWidth>(from + i);
  Floats<kWidth> v;
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    v.at[k] = fill;
    if (i + k < count) v.at[k] = load<1>(from + i + k).at[0];
  }
  return v;
}

// ---------------------------------------------------------------- writing

template <int kWidth>
__device__ __forceinline__ void store(float* to, const Floats<kWidth>& v) {
  if constexpr (kWidth == 4) {
    store4(to, make_float4(v.at[0], v.at[1], v.at[2], v.at[3]));
  } else {
    *to = v.at[0];
  }
}

template <int kWidth>
__device__ __forceinline__ void store(Tf32* to, const Floats<kWidth>& v) {
  Floats<kWidth> rounded;
#pragma unroll
  for (int k = 0; k < kWidth; ++k) rounded.at[k] = rounded_to_tf32(v.at[k]);
  store(reinterpret_cast<float*>(to), rounded);
}

template <int kWidth>
__device__ __forceinline__ void store(Float16* to, const Floats<kWidth>& v) {
  detail::store_small(to, v);
}
template <int kWidth>
__device__ __forceinline__ void store(BFloat16* to, const Floats<kWidth>& v) {
  detail::store_small(to, v);
}

/// What lies behind the end is not written.
template <int kWidth, typename T>
__device__ __forceinline__ void store_some(T* to, int64_t i, int64_t count, const Floats<kWidth>& v) {
  if (i + kWidth <= count) {
    store(to + i, v);
    return;
  }
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    if (i + k < count) store(to + i + k, Floats<1>{{v.at[k]}});
  }
}

}  // namespace swag::cuda
