// Atomics of kernel code, and loads and stores of whole vectors.
#include "tests/emulator/include/emulator/atomics.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "tests/emulator/access.h"
#include "tests/emulator/engine.h"
#include "tests/emulator/include/emulator/memory_access.h"

namespace emulator {
namespace {

void see(const void* address, size_t bytes, const void* site) {
  if (!running.thread) return;
  on_access(address, bytes, AccessKind::kAtomic, site);
  on_atomic_ordering(address);
}

template <typename T>
T changed(Atomic kind, T old, T value) {
  switch (kind) {
    case Atomic::kMinimum: return value < old ? value : old;
    case Atomic::kMaximum: return value > old ? value : old;
    case Atomic::kExchange: return value;
    case Atomic::kIncrement: return old >= value ? T{0} : static_cast<T>(old + 1);
    case Atomic::kDecrement: return old == 0 || old > value ? value : static_cast<T>(old - 1);
    case Atomic::kAdd:
      if constexpr (std::is_integral_v<T>) {  // wraps, signed ones too
        using Unsigned = std::make_unsigned_t<T>;
        return static_cast<T>(static_cast<Unsigned>(old) + static_cast<Unsigned>(value));
      }
      return old + value;
    default: break;
  }
  if constexpr (std::is_integral_v<T>) {
    if (kind == Atomic::kAnd) return old & value;
    if (kind == Atomic::kOr) return old | value;
    if (kind == Atomic::kXor) return old ^ value;
  }
  return old;
}

/// One loop for all: compare bytes, so that a NaN equals itself.
template <typename T>
T exchange(Atomic kind, T* address, T value) {
  using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  static_assert(sizeof(Bits) == sizeof(T));
  auto* const place = reinterpret_cast<Bits*>(address);
  Bits expected = __atomic_load_n(place, __ATOMIC_SEQ_CST);
  for (;;) {
    T old;
    std::memcpy(&old, &expected, sizeof old);
    const T next = changed(kind, old, value);
    Bits wanted;
    std::memcpy(&wanted, &next, sizeof wanted);
    if (__atomic_compare_exchange_n(place, &expected, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
      return old;
  }
}

template <typename T>
T compare(T* address, T expected, T value) {
  __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}

}  // namespace

#define EMULATOR_DEFINE(T)                                \
  T atomic(Atomic kind, T* address, T value) noexcept {   \
    see(address, sizeof(T), __builtin_return_address(0)); \
    return exchange(kind, address, value);                \
  }
EMULATOR_DEFINE(int)
EMULATOR_DEFINE(unsigned)
EMULATOR_DEFINE(long long)
EMULATOR_DEFINE(unsigned long long)
EMULATOR_DEFINE(float)
EMULATOR_DEFINE(double)
#undef EMULATOR_DEFINE

uint16_t atomic_compare(uint16_t* address, uint16_t expected, uint16_t value) noexcept {
  see(address, sizeof *address, __builtin_return_address(0));
  return compare(address, expected, value);
}
uint32_t atomic_compare(uint32_t* address, uint32_t expected, uint32_t value) noexcept {
  see(address, sizeof *address, __builtin_return_address(0));
  return compare(address, expected, value);
}
uint64_t atomic_compare(uint64_t* address, uint64_t expected, uint64_t value) noexcept {
  see(address, sizeof *address, __builtin_return_address(0));
  return compare(address, expected, value);
}

void load(void* to, const void* from, size_t bytes) noexcept {
  if (running.thread) on_access(from, bytes, AccessKind::kRead, __builtin_return_address(0));
  std::memcpy(to, from, bytes);
}

void store(void* to, const void* from, size_t bytes) noexcept {
  if (running.thread) on_access(to, bytes, AccessKind::kWrite, __builtin_return_address(0));
  std::memcpy(to, from, bytes);
}

}  // namespace emulator
