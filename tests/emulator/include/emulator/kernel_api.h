// What the emulator's headers call from kernel code. Every function is out of line and not instrumented, and
// takes its return address for the place in the kernel. `emulator::` never appears in a kernel itself.
#pragma once
#include <cstddef>

#include "vector_types.h"

namespace emulator {

// The same for a thread's whole life, so the compiler may keep what they return (hence the attribute).
__attribute__((const)) uint3 thread_idx() noexcept;
__attribute__((const)) uint3 block_idx() noexcept;
__attribute__((const)) dim3 block_dim() noexcept;
__attribute__((const)) dim3 grid_dim() noexcept;
/// Start of the block's dynamic shared memory, aligned to 1024 bytes.
__attribute__((const)) void* dynamic_shared() noexcept;

/// __syncthreads: how many threads of the block brought a predicate != 0.
int sync_threads(int predicate) noexcept;
void sync_warp(unsigned mask) noexcept;
/// Every warp-wide operation with a value: waits for all lanes of `mask`, then the last to come runs
/// `complete` on what the lanes deposited (lanes[i] is null outside the mask), then each lane goes on.
void collective(unsigned mask, void* deposit,
                void (*complete)(void* const lanes[32], unsigned mask)) noexcept;
/// The lanes of the caller's warp that have not returned.
unsigned live_lanes() noexcept;

void thread_fence() noexcept;  // __threadfence

/// cp.async: `bytes` (4, 8 or 16) to shared memory, of which `read_bytes` come from device memory and the
/// rest is 0. Carried out by the wait, so that code which does not wait finds nothing there.
void cp_async(void* to_shared, const void* from, unsigned bytes, unsigned read_bytes) noexcept;
void cp_async_commit() noexcept;
/// Returns when at most `pending` of the latest groups are still under way.
void cp_async_wait(unsigned pending) noexcept;

/// Tells the checks and counts of an access that instrumentation does not see or would split.
void reads(const void* address, size_t bytes) noexcept;
void writes(void* address, size_t bytes) noexcept;

#if defined(__SANITIZE_THREAD__)
#define EMULATOR_INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EMULATOR_INSTRUMENTED 1
#endif
#endif

}  // namespace emulator
