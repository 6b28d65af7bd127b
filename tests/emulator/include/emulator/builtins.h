// threadIdx and its kin, and what waits for the whole block.
#pragma once
#include "kernel_api.h"
#include "keywords.h"
#include "vector_types.h"

#define threadIdx (emulator::thread_idx())
#define blockIdx (emulator::block_idx())
#define blockDim (emulator::block_dim())
#define gridDim (emulator::grid_dim())
constexpr int warpSize = 32;

EMULATOR_INLINE void __syncthreads() {
  emulator::sync_threads(0);
  EMULATOR_KEEP_CALL();
}
EMULATOR_INLINE int __syncthreads_count(int predicate) {
  const int count = emulator::sync_threads(predicate != 0);
  EMULATOR_KEEP_CALL();
  return count;
}
EMULATOR_INLINE int __syncthreads_or(int predicate) { return __syncthreads_count(predicate) != 0; }
EMULATOR_INLINE int __syncthreads_and(int predicate) { return __syncthreads_count(predicate == 0) == 0; }

EMULATOR_INLINE void __syncwarp(unsigned mask = 0xffffffffu) {
  emulator::sync_warp(mask);
  EMULATOR_KEEP_CALL();
}

EMULATOR_INLINE void __threadfence() {
  emulator::thread_fence();
  EMULATOR_KEEP_CALL();
}
EMULATOR_INLINE void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
EMULATOR_INLINE void __threadfence_system() { __threadfence(); }
