// One access to memory by kernel code, as the hooks see it, and who gets to know of it.
#pragma once
#include <cstddef>
#include <cstdint>

#include "tests/emulator/engine.h"

namespace emulator {

enum class AccessKind : uint8_t { kRead, kWrite, kAtomic };

struct Access {
  uintptr_t address = 0;
  unsigned bytes = 0;
  AccessKind kind = AccessKind::kRead;
  const void* site = nullptr;  // a return address in the kernel
};

/// The entry for everything that is not an instrumented load or store (atomics, vector loads, cp.async, mma
/// fragments): checks and counts as options() says. Does nothing in host code or when neither is on.
void on_access(const void* address, size_t bytes, AccessKind kind, const void* site);

/// cp.async: judges and counts what it reads and writes. Until it lands nobody may touch what it writes.
void on_copy_begins(const AsyncCopy& copy);
void on_copy_lands(const AsyncCopy& copy);

/// count.cpp: an access to shared or device memory by running.thread. Only called while options().count
/// holds.
void count_access(const Access& access, bool shared);

/// check.cpp, for the atomics: the ordering that a fence and an atomic on `address` give to device memory.
void on_fence();
void on_atomic_ordering(const void* address);

}  // namespace emulator
