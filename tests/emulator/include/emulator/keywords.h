// CUDA's words as host C++.
#pragma once

#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
// Empty, because libstdc++ writes __attribute__((__noinline__)) itself.
#define __noinline__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
// A part of the kernel's mangled name, so that symbols.cpp knows it from other functions. Not for extern "C",
// and g++ leaves it out of templates that are in no namespace.
#define __global__ __attribute__((abi_tag("kernel")))
// A host thread runs one block at a time, so what is its own is the block's.
#define __shared__ static thread_local

// For the emulator's own headers. Functions of kernel code are forced inline, so that the return address
// which the out-of-line part takes lies in the kernel; EMULATOR_KEEP_CALL after a call keeps it from becoming
// a jump, which has none.
#define EMULATOR_INLINE inline __attribute__((always_inline))
#define EMULATOR_KEEP_CALL() __asm__ volatile("")
