// Loops over maps and vectors for kernels that read and write each element once.
//
// A thread works on kWidth elements side by side (floats.cuh). A kernel is a template over kWidth and over
// what its maps are stored as, and its launcher has the one `if`.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "kernels/cuda/floats.cuh"

namespace swag::cuda {

constexpr int kElementThreads = 256;
constexpr int kMostGridRows = 65535;  // CUDA's limit for gridDim.y

/// body(i) for the first of every kWidth elements of a dense vector of `count`. Launch with dense_grid.
template <int kWidth, typename Body>
__device__ __forceinline__ void for_each_group(int64_t count, Body&& body) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x * kWidth;
  for (int64_t i = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * kWidth; i < count; i += stride) body(i);
}

/// body(pixel, unit) for every unit (a channel, or four of them) of every pixel. Channels lie along x, so a
/// warp's accesses are side by side and nothing is divided. Launch with map_grid.
template <typename Body>
__device__ __forceinline__ void for_each_unit(int64_t pixels, int units, Body&& body) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.y;
  for (int64_t pixel = int64_t{blockIdx.x} * blockDim.y + threadIdx.y; pixel < pixels; pixel += stride) {
    for (int unit = threadIdx.x; unit < units; unit += blockDim.x) body(pixel, unit);
  }
}

// ---------------------------------------------------------------- host side

inline int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

inline unsigned grid_of(int64_t blocks) {
  constexpr int64_t kMost = int64_t{1} << 30;
  return static_cast<unsigned>(std::min(std::max<int64_t>(blocks, 1), kMost));
}

/// Blocks of kElementThreads for for_each_group.
inline dim3 dense_grid(int64_t count, int width) {
  return dim3(grid_of(ceil_divide(count, int64_t{kElementThreads} * width)));
}

/// Threads of a block: x units, a power of two, by y pixels, kElementThreads in all.
inline dim3 map_block(int units) {
  constexpr int kMostUnits = 64;
  unsigned x = 1;
  while (static_cast<int>(x) < std::min(units, kMostUnits)) x *= 2;
  return dim3(x, kElementThreads / x);
}

inline dim3 map_grid(int64_t pixels, const dim3& block) {
  return dim3(grid_of(ceil_divide(pixels, block.y)));
}

/// True when every size is a multiple of four and every address of 16.
inline bool fits_float4(std::initializer_list<int64_t> sizes, std::initializer_list<const void*> addresses) {
  return std::all_of(sizes.begin(), sizes.end(), [](int64_t size) { return size % 4 == 0; }) &&
         std::all_of(addresses.begin(), addresses.end(),
                     [](const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; });
}

}  // namespace swag::cuda
