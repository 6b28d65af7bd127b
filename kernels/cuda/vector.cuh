// Several numbers in one access to memory. The address must be a multiple of the access's size.
//
// A host compiler may split a float4 of which it needs parts, or join scalars: these helpers tell the
// emulator of the one access that a GPU makes, so that its alignment is checked and its sectors are counted
// as they are.
#pragma once
#include <cuda_runtime.h>

namespace swag {
namespace detail {

#ifndef __CUDACC__
/// Outside the emulator's instrumentation, which has been told already.
template <typename Vector>
__attribute__((noinline, no_sanitize("thread"))) void copy_vector(void* to, const void* from) {
  __builtin_memcpy(to, from, sizeof(Vector));
}
#endif

template <typename Vector>
__device__ __forceinline__ Vector load_vector(const void* from) {
#if defined(__CUDACC__)
  return *static_cast<const Vector*>(from);
#elif defined(EMULATOR_INSTRUMENTED)
  Vector value;
  emulator::reads(from, sizeof(Vector));
  copy_vector<Vector>(&value, from);
  return value;
#else
  Vector value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
#endif
}

template <typename Vector>
__device__ __forceinline__ void store_vector(void* to, Vector value) {
#if defined(__CUDACC__)
  *static_cast<Vector*>(to) = value;
#elif defined(EMULATOR_INSTRUMENTED)
  emulator::writes(to, sizeof(Vector));
  copy_vector<Vector>(to, &value);
#else
  __builtin_memcpy(to, &value, sizeof value);
#endif
}

}  // namespace detail

__device__ __forceinline__ float2 load2(const float* from) { return detail::load_vector<float2>(from); }
__device__ __forceinline__ float4 load4(const float* from) { return detail::load_vector<float4>(from); }
__device__ __forceinline__ void store2(float* to, float2 value) { detail::store_vector(to, value); }
__device__ __forceinline__ void store4(float* to, float4 value) { detail::store_vector(to, value); }

}  // namespace swag
