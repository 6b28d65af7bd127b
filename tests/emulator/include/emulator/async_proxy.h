// What the host forms of Hopper's asynchronous instructions call (kernels/cuda/hopper_host.cuh). As in
// kernel_api.h everything is out of line and takes its return address for the place in the kernel.
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

/// An mbarrier is one word of shared memory, as on a GPU: phase bit, arrivals and bytes that are pending.
void mbarrier_init(uint64_t* barrier, unsigned arrivals) noexcept;
/// One arrival, after `bytes` more have been announced.
void mbarrier_arrive(uint64_t* barrier, unsigned bytes) noexcept;
/// Returns when the phase of this parity is complete: the caller waits and others run meanwhile.
void mbarrier_wait(uint64_t* barrier, unsigned parity) noexcept;
void fence_mbarrier_init() noexcept;
void fence_proxy_async() noexcept;

/// Copies that complete on a barrier, carried out when somebody waits for it.
void bulk_copy(void* to_shared, const void* from, unsigned bytes, uint64_t* barrier) noexcept;
/// `map` is a CUtensorMap of rank 3; `start`: the box's first element, which may lie outside.
void tensor_copy(void* to_shared, const void* map, const int (&start)[3], uint64_t* barrier) noexcept;

/// The 32-bit address within shared memory that descriptors are made of. Of dynamic shared memory only.
uint32_t shared_address(const void* pointer) noexcept;

constexpr int kWgmmaRows = 64, kWgmmaRowBytes = 32;  // of A, and of a row of A or B along k

/// sums (kWgmmaRows x n) += A B^T, from rows of kWgmmaRowBytes.
using WgmmaMultiply = void (*)(float* sums, const unsigned char* a, const unsigned char* b, int n);

/// One thread's part of a wgmma.mma_async of 128 threads: its n / 2 registers and the descriptors, which all
/// have in common.
struct WgmmaRequest {
  float* registers = nullptr;
  uint64_t a = 0, b = 0;
  int n = 0;
  WgmmaMultiply multiply = nullptr;
};
void wgmma(const WgmmaRequest& request) noexcept;
void wgmma_fence() noexcept;
void wgmma_commit() noexcept;
/// Returns when at most `pending` of the latest groups are under way. Only then do registers hold sums.
void wgmma_wait(unsigned pending) noexcept;

}  // namespace emulator
