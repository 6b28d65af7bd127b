// Tensor cores and asynchronous copies: cp.async, ldmatrix, mma.sync, for sm_80 and later.
//
// Each has a PTX form and a host form for the emulator (mma_host.cuh): there a warp's lanes hand in their
// registers and the last one to come computes for all. All 32 lanes must call, in the same order. Fragments
// are as the PTX ISA documents them; with g = lane / 4 and t = lane % 4, in elements:
//
//   m16n8k8, TF32      a[0] = A(g, t)         a[1] = A(g + 8, t)
//                      a[2] = A(g, t + 4)     a[3] = A(g + 8, t + 4)
//                      b[0] = B(t, g)         b[1] = B(t + 4, g)              B is k x n
//   m16n8k16, 16 bits  a[0] = A(g, 2t ..)     a[1] = A(g + 8, 2t ..)          2t and 2t + 1, low half first
//                      a[2] = A(g, 2t + 8 ..) a[3] = A(g + 8, 2t + 8 ..)
//                      b[0] = B(2t .., g)     b[1] = B(2t + 8 .., g)
//   both               d[0] = D(g, 2t)        d[1] = D(g, 2t + 1)
//                      d[2] = D(g + 8, 2t)    d[3] = D(g + 8, 2t + 1)
//
// TF32 operands are floats of which the tensor core does not read the low 13 bits: it truncates. Round first,
// with round_to_tf32 (tf32.cuh), or lose a digit. Sums: the host form adds in float64 and rounds once per
// instruction; a GPU keeps fewer bits. How far the two are apart has not been measured.
//
// Hopper's own instructions are in hopper.cuh.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/tf32.cuh"

#ifndef __CUDACC__
#include "kernels/cuda/mma_host.cuh"
#endif

// Where the code below exists: kernels for older GPUs too have empty bodies there, and are not launched.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define SWAG_HAS_TENSOR_CORES
#endif

namespace swag {

#ifdef SWAG_HAS_TENSOR_CORES

/// Begins to copy kBytes (4, 8 or 16) from device to shared memory, of which only `read_bytes` are read: the
/// rest is zeros. With 0 nothing is read, but `from` must be aligned all the same.
template <int kBytes>
__device__ __forceinline__ void cp_async(void* to_shared, const void* from, unsigned read_bytes = kBytes) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "cp.async copies 4, 8 or 16 bytes");
#ifdef __CUDACC__
  const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(to_shared));
  const size_t source = __cvta_generic_to_global(from);
  if constexpr (kBytes == 16) {  // past the first-level cache
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(source), "r"(read_bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(source), "n"(kBytes),
                 "r"(read_bytes)
                 : "memory");
  }
#else
  emulator::cp_async(to_shared, from, kBytes, read_bytes);
#endif
}

/// Closes a group of this thread's copies.
__device__ __forceinline__ void cp_async_commit() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  emulator::cp_async_commit();
#endif
}

/// Waits until at most kPending of this thread's latest groups are under way. Other threads see the data
/// after a barrier that follows.
template <int kPending>
__device__ __forceinline__ void cp_async_wait() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
#else
  emulator::cp_async_wait(kPending);
#endif
}

/// Loads kCount (1, 2 or 4) matrices of 8 rows of 16 bytes from shared memory; lane 8 i + r gives the address
/// of row r of matrix i. Lane gets the 4 bytes at column 4 t of row g of each; transposed (16-bit elements
/// only): the elements (2t, g) and (2t + 1, g). As a matrix of 8 x 4 floats, not transposed: element (g, t).
template <bool kTransposed = false, int kCount>
__device__ __forceinline__ void ldmatrix(uint32_t (&registers)[kCount], const void* row) {
  static_assert(kCount == 1 || kCount == 2 || kCount == 4, "ldmatrix loads 1, 2 or 4 matrices");
#ifdef __CUDACC__
  const unsigned from = static_cast<unsigned>(__cvta_generic_to_shared(row));
  uint32_t* r = registers;
  if constexpr (kCount == 1 && !kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(from) : "memory");
  } else if constexpr (kCount == 1) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(from)
                 : "memory");
  } else if constexpr (kCount == 2 && !kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(from)
                 : "memory");
  } else if constexpr (kCount == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(from)
                 : "memory");
  } else if constexpr (!kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from)
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from)
                 : "memory");
  }
#else
  mma_host::ldmatrix(registers, kCount, kTransposed, row);
#endif
}

#ifdef __CUDACC__
#define MMA_PTX(shape, d, a, b)                                                                    \
  asm("mma.sync.aligned." shape " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                             \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#else
#define MMA_PTX(shape, d, a, b) mma_host::mma(shape, d, a, b)
#endif

/// d += A B over the warp: 16 x 8 x 8 in TF32.
__device__ __forceinline__ void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  MMA_PTX("m16n8k8.row.col.f32.tf32.tf32.f32", d, a, b);
}

/// d += A B over the warp: 16 x 8 x 16, operands of 16 bits, two to a register.
__device__ __forceinline__ void mma_half(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  MMA_PTX("m16n8k16.row.col.f32.f16.f16.f32", d, a, b);
}
__device__ __forceinline__ void mma_bfloat16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  MMA_PTX("m16n8k16.row.col.f32.bf16.bf16.f32", d, a, b);
}

#undef MMA_PTX

#endif  // SWAG_HAS_TENSOR_CORES

}  // namespace swag
