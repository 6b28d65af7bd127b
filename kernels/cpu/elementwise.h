// Loops over maps for the CPU twins of the elementwise kernels.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/cpu/thread_pool.h"

namespace swag::cpu {

/// Elements in one task: long enough to hide the cost of handing it out, short enough to share a map fairly.
constexpr int64_t kElementGrain = 1 << 15;

/// Pixels of c channels in one task.
inline int64_t pixel_grain(int c) { return std::max<int64_t>(1, kElementGrain / std::max(1, c)); }

/// y(i) = element(i) for i in [begin, end). A block is computed before it is stored: so y may equal what
/// `element` reads at i, and the compiler still sees that nothing overlaps and uses vector instructions.
template <typename T, typename Element>
inline void store_elements(T* y, int64_t begin, int64_t end, Element&& element) {
  constexpr int kBlock = 16;
  int64_t i = begin;
  for (; i + kBlock <= end; i += kBlock) {
    T block[kBlock];
    for (int j = 0; j < kBlock; ++j) block[j] = element(i + j);
    std::copy(block, block + kBlock, y + i);
  }
  for (; i < end; ++i) y[i] = element(i);
}

/// The same over a dense [0, count), shared among the threads.
template <typename T, typename Element>
inline void parallel_elements(Stream stream, T* y, int64_t count, Element&& element) {
  parallel_ranges(stream, count, kElementGrain,
                  [&](int64_t begin, int64_t end) { store_elements(y, begin, end, element); });
}

}  // namespace swag::cpu
