// Loads and stores with a cache hint: __ldg and its kin. The hint means nothing here.
#pragma once
#include <cstddef>

#include "kernel_api.h"
#include "keywords.h"

namespace emulator {

// Out of line in atomics.cpp: one access of the whole vector, which inline the compiler may split.
void load(void* to, const void* from, size_t bytes) noexcept;
void store(void* to, const void* from, size_t bytes) noexcept;

template <typename T>
EMULATOR_INLINE T load_value(const T* from) {
#ifdef EMULATOR_INSTRUMENTED
  if constexpr (sizeof(T) > 8 || alignof(T) < sizeof(T)) {
    T value;
    load(&value, from, sizeof(T));
    EMULATOR_KEEP_CALL();
    return value;
  }
#endif
  return *from;
}
template <typename T>
EMULATOR_INLINE void store_value(T* to, T value) {
#ifdef EMULATOR_INSTRUMENTED
  if constexpr (sizeof(T) > 8 || alignof(T) < sizeof(T)) {
    store(to, &value, sizeof(T));
    EMULATOR_KEEP_CALL();
    return;
  }
#endif
  *to = value;
}

template <typename T>
struct Same {
  using Type = T;
};

}  // namespace emulator

#define EMULATOR_LOAD(name)               \
  template <typename T>                   \
  EMULATOR_INLINE T name(const T* from) { \
    return emulator::load_value(from);    \
  }
#define EMULATOR_STORE(name)                                                 \
  template <typename T>                                                      \
  EMULATOR_INLINE void name(T* to, typename emulator::Same<T>::Type value) { \
    emulator::store_value(to, value);                                        \
  }
EMULATOR_LOAD(__ldg)
EMULATOR_LOAD(__ldca)
EMULATOR_LOAD(__ldcg)
EMULATOR_LOAD(__ldcs)
EMULATOR_LOAD(__ldcv)
EMULATOR_LOAD(__ldlu)
EMULATOR_STORE(__stcg)
EMULATOR_STORE(__stcs)
EMULATOR_STORE(__stwb)
EMULATOR_STORE(__stwt)
#undef EMULATOR_LOAD
#undef EMULATOR_STORE
