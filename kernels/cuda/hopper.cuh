// Hopper's asynchronous instructions, for sm_90a: mbarriers, bulk copies by TMA, wgmma.
//
// As in mma.cuh each has a PTX form and a host form for the emulator (hopper_host.cuh). No GPU has run them
// yet: `limits --instructions` holds them to plain loops, and should be the first thing that a new GPU runs.
//
//   mbarrier  A word of shared memory with a phase, a count of arrivals and a count of bytes. A phase is
//   complete
//             when all arrivals and all announced bytes are there; the next begins at once. mbarrier_wait(p)
//             waits for the phase of parity p: the first one has parity 0, and before it, "phase 1" is
//             complete.
//   TMA       One thread asks for a whole tile. The bytes arrive through the asynchronous proxy and are
//   counted
//             on an mbarrier; whoever has waited for that sees them. Of what ordinary stores wrote, the
//             asynchronous proxy sees only what a fence_proxy_async() follows.
//   wgmma     Four warps, of which the first is number 4 n of its block, multiply tiles in shared memory:
//             D (64 x n) += A (64 x k) B^T (n x k), k being 32 bytes of elements. Thread t has, in d[i]:
//               row 16 (t / 32) + t % 32 / 4 + 8 (i / 2 % 2), column 8 (i / 4) + 2 (t % 4) + i % 2.
//             From the call to the wait for its group nobody may touch d, or write the tiles.
//
// Tiles are rows of 128 bytes, of which eight chunks of 16 change places: chunk c of row r lies where chunk
// c ^ (r % 8) would. A tile begins at a multiple of 1024 bytes. A step of 32 bytes along k is 32 bytes more
// in the address that a descriptor is made of.
#pragma once
#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/check.cuh"

#ifndef __CUDACC__
#include "kernels/cuda/hopper_host.cuh"
#endif

// Where the code below exists: kernels have empty bodies elsewhere, and are not launched.
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define SWAG_HAS_WGMMA
#endif

namespace swag {

enum class WgmmaOperands : uint8_t { kTf32, kHalf, kBfloat16 };

// ---------------------------------------------------------------- host side

/// A map of floats or of 16-bit elements for tensor_copy: (rows, cols, channels), channels innermost, and a
/// box of (box_rows, box_cols, 128 bytes of channels) of which each pixel is `step` after the one before.
struct TensorMapShape {
  int channels = 0, cols = 0, rows = 0;
  int64_t pitch = 0;  // elements from pixel to pixel
  int box_cols = 0, box_rows = 0;
  int col_step = 1, row_step = 1;
};

/// Throws where the driver has no tensor maps, or does not take this one.
inline CUtensorMap make_tensor_map(const void* address, WgmmaOperands operands, const TensorMapShape& s) {
  using Encode = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, const cuuint64_t*,
                              const cuuint64_t*, const cuuint32_t*, const cuuint32_t*, CUtensorMapInterleave,
                              CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);
  static const Encode encode = [] {  // from the driver that is loaded already: nothing is linked
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
    CUDA_CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault,
                                                &found));
#else
    CUDA_CHECK(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &found));
#endif
    return found == cudaDriverEntryPointSuccess ? reinterpret_cast<Encode>(function) : nullptr;
  }();
  if (encode == nullptr) CUDA_CHECK(cudaErrorNotSupported);
  const unsigned bytes = operands == WgmmaOperands::kTf32 ? 4 : 2;
  const CUtensorMapDataType type = operands == WgmmaOperands::kTf32   ? CU_TENSOR_MAP_DATA_TYPE_FLOAT32
                                   : operands == WgmmaOperands::kHalf ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16
                                                                      : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  const auto unsign = [](int value) { return static_cast<cuuint32_t>(value); };
  const cuuint64_t size[3] = {unsign(s.channels), unsign(s.cols), unsign(s.rows)};
  const cuuint64_t pixel = static_cast<cuuint64_t>(s.pitch) * bytes,
                   strides[2] = {pixel, pixel * unsign(s.cols)};
  // The driver counts a box in elements that it passes over, not in those that it takes.
  const cuuint32_t box[3] = {128 / bytes, unsign(s.box_cols * s.col_step), unsign(s.box_rows * s.row_step)};
  const cuuint32_t steps[3] = {1, unsign(s.col_step), unsign(s.row_step)};
  CUtensorMap map;
  const CUresult result = encode(&map, type, 3, const_cast<void*>(address), size, strides, box, steps,
                                 CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  CUDA_CHECK(result == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue);
  return map;
}

#ifdef SWAG_HAS_WGMMA

#ifdef __CUDACC__
__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}
#else
using emulator::shared_address;
#endif

// ---------------------------------------------------------------- mbarriers

/// By one thread; the others see it after mbarrier_init_fence() by that thread and a barrier.
__device__ __forceinline__ void mbarrier_init(uint64_t* barrier, unsigned arrivals) {
#ifdef __CUDACC__
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals)
               : "memory");
#else
  emulator::mbarrier_init(barrier, arrivals);
#endif
}
/// Shows the asynchronous proxy what this thread has initialised.
__device__ __forceinline__ void mbarrier_init_fence() {
#ifdef __CUDACC__
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#else
  emulator::fence_mbarrier_init();
#endif
}
__device__ __forceinline__ void mbarrier_arrive(uint64_t* barrier) {
#ifdef __CUDACC__
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
#else
  emulator::mbarrier_arrive(barrier, 0);
#endif
}
/// Arrives, and announces bytes of copies without which the phase is not complete.
__device__ __forceinline__ void mbarrier_arrive_expecting(uint64_t* barrier, unsigned bytes) {
#ifdef __CUDACC__
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(bytes)
               : "memory");
#else
  emulator::mbarrier_arrive(barrier, bytes);
#endif
}
__device__ __forceinline__ void mbarrier_wait(uint64_t* barrier, unsigned parity) {
#ifdef __CUDACC__
  asm volatile(
      "{\n"
      ".reg .pred complete;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 complete, [%0], %1;\n"
      "@!complete bra again;\n"
      "}" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
#else
  emulator::mbarrier_wait(barrier, parity);
#endif
}

// ---------------------------------------------------------------- copies

/// Shows the asynchronous proxy what this thread has written to shared memory.
__device__ __forceinline__ void fence_proxy_async() {
#ifdef __CUDACC__
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
  emulator::fence_proxy_async();
#endif
}

/// Begins to copy `bytes`, as both addresses a multiple of 16.
__device__ __forceinline__ void bulk_copy(void* to_shared, const void* from, unsigned bytes,
                                          uint64_t* barrier) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
          shared_address(to_shared)),
      "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(shared_address(barrier))
      : "memory");
#else
  emulator::bulk_copy(to_shared, from, bytes, barrier);
#endif
}

/// Begins to copy the map's box that starts at this channel, column and row; what lies outside of the map
/// becomes zeros, and counts in the bytes all the same. `map`: a __grid_constant__ parameter.
__device__ __forceinline__ void tensor_copy(void* to_shared, const CUtensorMap& map, int channel, int col,
                                            int row, uint64_t* barrier) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(shared_address(to_shared)),
      "l"(&map), "r"(channel), "r"(col), "r"(row), "r"(shared_address(barrier))
      : "memory");
#else
  const int start[3] = {channel, col, row};
  emulator::tensor_copy(to_shared, &map, start, barrier);
#endif
}

// ---------------------------------------------------------------- wgmma

/// Of a tile of swizzled rows of 128 bytes: address / 16, 1024 / 16 from one group of 8 rows to the next, and
/// mode 1 for this swizzle. The leading offset means nothing in it.
__device__ __forceinline__ uint64_t wgmma_descriptor(const void* tile) {
  return (uint64_t{shared_address(tile)} & 0x3ffff) >> 4 | uint64_t{1} << 16 | uint64_t{1024 >> 4} << 32 |
         uint64_t{1} << 62;
}

/// Before the first wgmma, and before the next one after a wait: what threads did to their registers.
__device__ __forceinline__ void wgmma_fence() {
#ifdef __CUDACC__
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
  emulator::wgmma_fence();
#endif
}
/// Closes a group.
__device__ __forceinline__ void wgmma_commit() {
#ifdef __CUDACC__
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
  emulator::wgmma_commit();
#endif
}
/// Waits until at most kPending of the latest groups are under way.
template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
#ifdef __CUDACC__
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
#else
  emulator::wgmma_wait(kPending);
#endif
}

#ifdef __CUDACC__
// One instruction with its n / 2 registers; `types` ends the name, `transposed` are the flags that operands
// of 16 bits have besides.
#define WGMMA_4(d, i) "+f"((d)[i]), "+f"((d)[(i) + 1]), "+f"((d)[(i) + 2]), "+f"((d)[(i) + 3])
#define WGMMA_16(d, i) WGMMA_4(d, i), WGMMA_4(d, (i) + 4), WGMMA_4(d, (i) + 8), WGMMA_4(d, (i) + 12)
#define WGMMA_32(d, i) WGMMA_16(d, i), WGMMA_16(d, (i) + 16)
#define WGMMA_64(d, i) WGMMA_32(d, i), WGMMA_32(d, (i) + 32)
#define WGMMA_128(d, i) WGMMA_64(d, i), WGMMA_64(d, (i) + 64)
#define WGMMA_NAMES_32                                                   \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15" \
  ", "                                                                   \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define WGMMA_NAMES_64                                                             \
  WGMMA_NAMES_32                                                                   \
  ", "                                                                             \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47" \
  ", "                                                                             \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define WGMMA_NAMES_128                                                                        \
  WGMMA_NAMES_64                                                                               \
  ", "                                                                                         \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"             \
  ", "                                                                                         \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"             \
  ", "                                                                                         \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111" \
  ", "                                                                                         \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define WGMMA_PTX(count, n, types, transposed, a_name, b_name)                                            \
  asm volatile("{\n.reg .pred adds;\nsetp.eq.u32 adds, 0, 0;\nwgmma.mma_async.sync.aligned.m64n" #n types \
               " {" WGMMA_NAMES_##count "}, " a_name ", " b_name ", adds, 1, 1" transposed ";\n}"         \
               : WGMMA_##count(d, 0)                                                                      \
               : "l"(a), "l"(b))
#define WGMMA_TYPES(count, n, a_name, b_name)                           \
  if constexpr (kOperands == WgmmaOperands::kTf32) {                    \
    WGMMA_PTX(count, n, "k8.f32.tf32.tf32", "", a_name, b_name);        \
  } else if constexpr (kOperands == WgmmaOperands::kHalf) {             \
    WGMMA_PTX(count, n, "k16.f32.f16.f16", ", 0, 0", a_name, b_name);   \
  } else {                                                              \
    WGMMA_PTX(count, n, "k16.f32.bf16.bf16", ", 0, 0", a_name, b_name); \
  }
#endif

/// d += A B^T over a warpgroup, n being twice kCount: 64, 128 or 256. `a`, `b`: descriptors.
template <WgmmaOperands kOperands, int kCount>
__device__ __forceinline__ void wgmma(float (&d)[kCount], uint64_t a, uint64_t b) {
  static_assert(kCount == 32 || kCount == 64 || kCount == 128, "");
#ifdef __CUDACC__
  if constexpr (kCount == 32) {
    WGMMA_TYPES(32, 64, "%32", "%33")
  } else if constexpr (kCount == 64) {
    WGMMA_TYPES(64, 128, "%64", "%65")
  } else {
    WGMMA_TYPES(128, 256, "%128", "%129")
  }
#else
  hopper_host::wgmma<static_cast<mma_host::Operand>(kOperands)>(d, a, b);
#endif
}

#ifdef __CUDACC__
#undef WGMMA_TYPES
#undef WGMMA_PTX
#undef WGMMA_NAMES_128
#undef WGMMA_NAMES_64
#undef WGMMA_NAMES_32
#undef WGMMA_128
#undef WGMMA_64
#undef WGMMA_32
#undef WGMMA_16
#undef WGMMA_4
#endif

#endif  // SWAG_HAS_WGMMA

}  // namespace swag
