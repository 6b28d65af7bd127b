// Warp-wide functions: shuffles, votes, matches, reductions.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernel_api.h"
#include "keywords.h"

namespace emulator {

enum class Shuffle : uint8_t { kIndex, kUp, kDown, kXor };
enum class Reduction : uint8_t { kAddition, kMinimum, kMaximum, kAnd, kOr, kXor };

// Out of line, in warp.cpp; values travel as 64 bits.
uint64_t shuffle(Shuffle kind, unsigned mask, uint64_t bits, unsigned lane, unsigned width) noexcept;
unsigned ballot(unsigned mask, bool predicate) noexcept;
unsigned match_any(unsigned mask, uint64_t bits) noexcept;
unsigned match_all(unsigned mask, uint64_t bits) noexcept;
uint64_t reduce(Reduction kind, unsigned mask, int64_t value) noexcept;

template <typename T>
EMULATOR_INLINE uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>, "warp functions take up to 64 bits");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <typename T>
EMULATOR_INLINE T from_bits(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
template <typename T>
EMULATOR_INLINE T shuffle_value(Shuffle kind, unsigned mask, T value, unsigned lane, int width) {
  const uint64_t bits = shuffle(kind, mask, to_bits(value), lane, static_cast<unsigned>(width));
  EMULATOR_KEEP_CALL();
  return from_bits<T>(bits);
}

}  // namespace emulator

// As CUDA: what is out of the section of `width` lanes gets its own value back.
template <typename T>
EMULATOR_INLINE T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
  return emulator::shuffle_value(emulator::Shuffle::kIndex, mask, value, static_cast<unsigned>(lane), width);
}
template <typename T>
EMULATOR_INLINE T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return emulator::shuffle_value(emulator::Shuffle::kUp, mask, value, delta, width);
}
template <typename T>
EMULATOR_INLINE T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return emulator::shuffle_value(emulator::Shuffle::kDown, mask, value, delta, width);
}
template <typename T>
EMULATOR_INLINE T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32) {
  return emulator::shuffle_value(emulator::Shuffle::kXor, mask, value, static_cast<unsigned>(lane_mask),
                                 width);
}

EMULATOR_INLINE unsigned __ballot_sync(unsigned mask, int predicate) {
  const unsigned votes = emulator::ballot(mask, predicate != 0);
  EMULATOR_KEEP_CALL();
  return votes;
}
EMULATOR_INLINE int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
EMULATOR_INLINE int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate == 0) == 0;
}
/// Every lane that has not returned: a GPU may report fewer, as its lanes need not run together.
EMULATOR_INLINE unsigned __activemask() { return emulator::live_lanes(); }

template <typename T>
EMULATOR_INLINE unsigned __match_any_sync(unsigned mask, T value) {
  const unsigned equal = emulator::match_any(mask, emulator::to_bits(value));
  EMULATOR_KEEP_CALL();
  return equal;
}
template <typename T>
EMULATOR_INLINE unsigned __match_all_sync(unsigned mask, T value, int* all) {
  const unsigned equal = emulator::match_all(mask, emulator::to_bits(value));
  *all = equal != 0;
  return equal;
}

// Addition, minimum and maximum exist for int and unsigned, the rest for unsigned.
#define EMULATOR_REDUCE(T, name, kind)                                                                      \
  EMULATOR_INLINE T __reduce_##name##_sync(unsigned mask, T value) {                                        \
    const uint64_t result = emulator::reduce(emulator::Reduction::kind, mask, static_cast<int64_t>(value)); \
    EMULATOR_KEEP_CALL();                                                                                   \
    return static_cast<T>(result);                                                                          \
  }
EMULATOR_REDUCE(int, add, kAddition)
EMULATOR_REDUCE(unsigned, add, kAddition)
EMULATOR_REDUCE(int, min, kMinimum)
EMULATOR_REDUCE(unsigned, min, kMinimum)
EMULATOR_REDUCE(int, max, kMaximum)
EMULATOR_REDUCE(unsigned, max, kMaximum)
EMULATOR_REDUCE(unsigned, and, kAnd)
EMULATOR_REDUCE(unsigned, or, kOr)
EMULATOR_REDUCE(unsigned, xor, kXor)
#undef EMULATOR_REDUCE
