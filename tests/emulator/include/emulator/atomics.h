// Atomics on device and shared memory: real ones, as blocks run on several host threads.
#pragma once
#include <cstdint>
#include <cstring>

#include "keywords.h"

namespace emulator {

enum class Atomic : uint8_t { kAdd, kExchange, kMinimum, kMaximum, kAnd, kOr, kXor, kIncrement, kDecrement };

// Out of line, in atomics.cpp: each reports the access and returns the old value.
int atomic(Atomic kind, int* address, int value) noexcept;
unsigned atomic(Atomic kind, unsigned* address, unsigned value) noexcept;
long long atomic(Atomic kind, long long* address, long long value) noexcept;
unsigned long long atomic(Atomic kind, unsigned long long* address, unsigned long long value) noexcept;
float atomic(Atomic kind, float* address, float value) noexcept;     // kAdd, kExchange
double atomic(Atomic kind, double* address, double value) noexcept;  // kAdd
uint16_t atomic_compare(uint16_t* address, uint16_t expected, uint16_t value) noexcept;
uint32_t atomic_compare(uint32_t* address, uint32_t expected, uint32_t value) noexcept;
uint64_t atomic_compare(uint64_t* address, uint64_t expected, uint64_t value) noexcept;

template <typename T>
EMULATOR_INLINE T atomic_in_place(Atomic kind, T* address, T value) {
  const T old = atomic(kind, address, value);
  EMULATOR_KEEP_CALL();
  return old;
}
template <typename Bits, typename T>
EMULATOR_INLINE T compare_in_place(T* address, T expected, T value) {
  static_assert(sizeof(Bits) == sizeof(T));
  Bits expected_bits, value_bits;
  std::memcpy(&expected_bits, &expected, sizeof(T));
  std::memcpy(&value_bits, &value, sizeof(T));
  const Bits old_bits = atomic_compare(reinterpret_cast<Bits*>(address), expected_bits, value_bits);
  EMULATOR_KEEP_CALL();
  T old;
  std::memcpy(&old, &old_bits, sizeof(T));
  return old;
}

}  // namespace emulator

// A function and its _block and _system forms, which are the same here.
#define EMULATOR_ATOMIC_SCOPE(name, T, kind)                                  \
  EMULATOR_INLINE T name(T* address, T value) {                               \
    return emulator::atomic_in_place(emulator::Atomic::kind, address, value); \
  }
#define EMULATOR_ATOMIC(name, T, kind)         \
  EMULATOR_ATOMIC_SCOPE(name, T, kind)         \
  EMULATOR_ATOMIC_SCOPE(name##_block, T, kind) \
  EMULATOR_ATOMIC_SCOPE(name##_system, T, kind)
#define EMULATOR_ATOMIC_SUB_SCOPE(name, T)                                               \
  EMULATOR_INLINE T name(T* address, T value) {                                          \
    return emulator::atomic_in_place(emulator::Atomic::kAdd, address,                    \
                                     static_cast<T>(0u - static_cast<unsigned>(value))); \
  }
#define EMULATOR_ATOMIC_SUB(T)                  \
  EMULATOR_ATOMIC_SUB_SCOPE(atomicSub, T)       \
  EMULATOR_ATOMIC_SUB_SCOPE(atomicSub_block, T) \
  EMULATOR_ATOMIC_SUB_SCOPE(atomicSub_system, T)
#define EMULATOR_ATOMIC_CAS_SCOPE(name, T, Bits)                       \
  EMULATOR_INLINE T name(T* address, T expected, T value) {            \
    return emulator::compare_in_place<Bits>(address, expected, value); \
  }
#define EMULATOR_ATOMIC_CAS(T, Bits)                  \
  EMULATOR_ATOMIC_CAS_SCOPE(atomicCAS, T, Bits)       \
  EMULATOR_ATOMIC_CAS_SCOPE(atomicCAS_block, T, Bits) \
  EMULATOR_ATOMIC_CAS_SCOPE(atomicCAS_system, T, Bits)

EMULATOR_ATOMIC(atomicAdd, int, kAdd)
EMULATOR_ATOMIC(atomicAdd, unsigned, kAdd)
EMULATOR_ATOMIC(atomicAdd, unsigned long long, kAdd)
EMULATOR_ATOMIC(atomicAdd, float, kAdd)
EMULATOR_ATOMIC(atomicAdd, double, kAdd)
EMULATOR_ATOMIC(atomicExch, int, kExchange)
EMULATOR_ATOMIC(atomicExch, unsigned, kExchange)
EMULATOR_ATOMIC(atomicExch, unsigned long long, kExchange)
EMULATOR_ATOMIC(atomicExch, float, kExchange)
EMULATOR_ATOMIC(atomicInc, unsigned, kIncrement)
EMULATOR_ATOMIC(atomicDec, unsigned, kDecrement)
EMULATOR_ATOMIC_SUB(int)
EMULATOR_ATOMIC_SUB(unsigned)
EMULATOR_ATOMIC_CAS(unsigned short, uint16_t)
EMULATOR_ATOMIC_CAS(int, uint32_t)
EMULATOR_ATOMIC_CAS(unsigned, uint32_t)
EMULATOR_ATOMIC_CAS(unsigned long long, uint64_t)

#define EMULATOR_ATOMIC_EACH(name, kind) \
  EMULATOR_ATOMIC(name, int, kind)       \
  EMULATOR_ATOMIC(name, unsigned, kind)  \
  EMULATOR_ATOMIC(name, unsigned long long, kind)
EMULATOR_ATOMIC_EACH(atomicMin, kMinimum)
EMULATOR_ATOMIC_EACH(atomicMax, kMaximum)
EMULATOR_ATOMIC_EACH(atomicAnd, kAnd)
EMULATOR_ATOMIC_EACH(atomicOr, kOr)
EMULATOR_ATOMIC_EACH(atomicXor, kXor)
EMULATOR_ATOMIC(atomicMin, long long, kMinimum)
EMULATOR_ATOMIC(atomicMax, long long, kMaximum)

#undef EMULATOR_ATOMIC_EACH
#undef EMULATOR_ATOMIC_CAS
#undef EMULATOR_ATOMIC_CAS_SCOPE
#undef EMULATOR_ATOMIC_SUB
#undef EMULATOR_ATOMIC_SUB_SCOPE
#undef EMULATOR_ATOMIC
#undef EMULATOR_ATOMIC_SCOPE
