// Atomic additions to 16-bit numbers, alone and in pairs.
#include "tests/emulator/access.h"
#include "tests/emulator/engine.h"
#include "tests/emulator/include/emulator/small_float.h"

namespace emulator {
namespace {

template <SmallFloat kFormat>
uint16_t sum(uint16_t a, uint16_t b) {
  return round_to_bits<kFormat>(static_cast<double>(bits_to_float<kFormat>(a)) + bits_to_float<kFormat>(b));
}

template <typename Bits, typename Function>
Bits exchange(Bits* address, const void* site, Function next) {
  if (running.thread) {
    on_access(address, sizeof(Bits), AccessKind::kAtomic, site);
    on_atomic_ordering(address);
  }
  Bits old = __atomic_load_n(address, __ATOMIC_SEQ_CST);
  while (!__atomic_compare_exchange_n(address, &old, next(old), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  return old;
}

}  // namespace

template <SmallFloat kFormat>
uint32_t atomic_add_pair(uint32_t* address, uint32_t bits) noexcept {
  return exchange(address, __builtin_return_address(0), [bits](uint32_t old) {
    const uint16_t low = sum<kFormat>(static_cast<uint16_t>(old), static_cast<uint16_t>(bits));
    const uint16_t high = sum<kFormat>(static_cast<uint16_t>(old >> 16), static_cast<uint16_t>(bits >> 16));
    return static_cast<uint32_t>(high) << 16 | low;
  });
}

template <SmallFloat kFormat>
uint16_t atomic_add_one(uint16_t* address, uint16_t bits) noexcept {
  return exchange(address, __builtin_return_address(0),
                  [bits](uint16_t old) { return sum<kFormat>(old, bits); });
}

template uint32_t atomic_add_pair<SmallFloat::kHalf>(uint32_t*, uint32_t) noexcept;
template uint32_t atomic_add_pair<SmallFloat::kBfloat16>(uint32_t*, uint32_t) noexcept;
template uint16_t atomic_add_one<SmallFloat::kHalf>(uint16_t*, uint16_t) noexcept;
template uint16_t atomic_add_one<SmallFloat::kBfloat16>(uint16_t*, uint16_t) noexcept;

}  // namespace emulator
