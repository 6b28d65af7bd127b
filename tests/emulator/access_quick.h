// The judgement of an access that most of them need: one that breaks no rule, of whole words or of part of
// one. Nothing here calls a function, so a hook needs no stack and saves no register. Whatever looks
// suspicious or rare is left, untouched or done in part, to access.cpp, which judges it from the start.
#pragma once
#include <cstring>

#include "tests/emulator/check.h"

namespace emulator {

#define EMULATOR_FAST __attribute__((always_inline)) inline
#define EMULATOR_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

constexpr unsigned kWordBytes = 4;

/// Record::where of an access by `thread`, except for the written bytes.
EMULATOR_FAST uint64_t where_of(const Thread& thread, const void* site) {
  const uint64_t place = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(site) - watch.program);
  return place << 32 | uint64_t{static_cast<uint16_t>(thread.warp->syncs)} << 16 | watch.fences;
}

/// Keeps a read. Two records are enough for any later write to conflict with one of them, if they are of
/// different blocks, else of different warps, else of different lanes since the warp's last __syncwarp.
/// `where()` is only asked for when it is needed.
template <bool device, typename Where>
EMULATOR_FAST void keep_read(Cell& cell, uint64_t who, const Where& where) {
  const uint64_t first = load_who(cell.read) ^ who;
  if (first >> kThreadShift == 0) {                     // this thread, since the last barrier
    if (EMULATOR_UNLIKELY(first & who & kBytesMask)) {  // bytes that it had not read
      store_record(cell.read, who | (load_who(cell.read) & kBytesMask), where());
    } else if (EMULATOR_UNLIKELY((load_where(cell.read) ^ where()) & kSyncsMask)) {
      store_record(cell.read, who, where());
    }
    return;
  }
  if (first >> kInstanceShift != 0) {
    const Record old = load_record(cell.read);
    if (device && instance_of(load_who(cell.other_read)) != instance_of(old.who)) {
      store_record(cell.other_read, old.who, old.where);
    }
    return store_record(cell.read, who, where());
  }
  if (first >> kBarrierShift != 0) return store_record(cell.read, who, where());
  const uint64_t second = load_who(cell.other_read) ^ who;
  if (second >> kBarrierShift != 0) {
    const bool same_launch = device && second >> kInstanceShift != 0 &&
                             instance_of(load_who(cell.other_read)) >= watch.first_instance;
    if (!same_launch) store_record(cell.other_read, who, where());
    return;
  }
  if ((first ^ second) & kWarpMask) return;
  if (first & kWarpMask) return store_record(cell.other_read, who, where());
  if ((load_where(cell.read) ^ where()) & kSyncsMask) return store_record(cell.read, who, where());
  if ((load_where(cell.other_read) ^ where()) & kSyncsMask) store_record(cell.other_read, who, where());
}

/// Could this be a race? Errs on the side of yes.
template <bool device>
EMULATOR_FAST bool suspicious(uint64_t old_who, uint64_t who) {
  const uint64_t difference = old_who ^ who;
  if (difference >> kBarrierShift == 0) return (difference & kThreadMask) != 0;
  if (!device || difference >> kInstanceShift == 0) return false;
  return instance_of(old_who) >= watch.first_instance;
}

/// The words from `cell` on. False: access.cpp has to judge.
template <AccessKind kind, unsigned bytes, bool device>
EMULATOR_FAST bool quick_words(Cell* cell, uint64_t who, const Thread& thread, const void* site) {
  const auto where = [&thread, site] { return where_of(thread, site); };
  for (const Cell* const end = cell + (bytes + kWordBytes - 1) / kWordBytes; cell < end; ++cell) {
    const uint64_t written = load_who(cell->write);
    if (EMULATOR_UNLIKELY(suspicious<device>(written, who))) return false;
    const bool first = !device && (written ^ who) >> kInstanceShift != 0;
    if (kind == AccessKind::kRead) {
      if (EMULATOR_UNLIKELY(first || (!device && ~written & who & kBytesMask))) return false;
      keep_read<device>(*cell, who, where);
    } else {
      if (EMULATOR_UNLIKELY(first || suspicious<device>(load_who(cell->read), who) ||
                            suspicious<device>(load_who(cell->other_read), who))) {
        return false;
      }
      store_record(cell->write, who, where() | (device ? 0 : kBytesMask));
    }
  }
  return true;
}

/// Whether the words of device memory at `state` are allocated and, for reads, written. Marks them as
/// written.
template <AccessKind kind, unsigned bytes>
EMULATOR_FAST bool quick_state(uint8_t* state, uint64_t mask) {
  constexpr unsigned kWords = (bytes + kWordBytes - 1) / kWordBytes;
  constexpr uint32_t kAll = kWords == 4 ? 0xffffffffu : (1u << kWords * 8) - 1;
  uint32_t states = 0;
  std::memcpy(&states, state, kWords);
  if (bytes < kWordBytes) return (~states & (mask | mask << 4)) == 0;
  if (states == kAll) return true;
  if (kind == AccessKind::kRead || (~states & kAll & 0x0f0f0f0fu)) return false;
  std::memset(state, 0xff, kWords);
  return true;
}

/// An access by a thread while nothing but checking goes on. False: access.cpp has to judge.
template <AccessKind kind, unsigned bytes>
EMULATOR_FAST bool quick_access(const void* pointer, const void* site) {
  static_assert(kind != AccessKind::kAtomic && (bytes & (bytes - 1)) == 0 && bytes <= 16);
  if (kind == AccessKind::kWrite && bytes < kWordBytes) return false;
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (EMULATOR_UNLIKELY(address & (bytes - 1))) return false;
  const Thread& thread = *running.thread;
  const uint64_t mask =
      bytes < kWordBytes ? uint64_t{(1u << bytes % kWordBytes) - 1} << address % kWordBytes : kBytesMask;
  const uint64_t who = watch.stamp | uint64_t{thread.linear} << kThreadShift | mask;
  const uintptr_t in_static = address - watch.static_shared.begin;
  if (in_static < watch.static_shared.bytes) {
    return quick_words<kind, bytes, false>(watch.static_shared.cells + in_static / kWordBytes, who, thread,
                                           site);
  }
  const uintptr_t in_dynamic = address - watch.dynamic_shared.begin;
  if (in_dynamic < watch.dynamic_shared.bytes) {
    if (EMULATOR_UNLIKELY(bytes > watch.dynamic_shared.bytes - in_dynamic)) return false;
    return quick_words<kind, bytes, false>(watch.dynamic_shared.cells + in_dynamic / kWordBytes, who, thread,
                                           site);
  }
  const uintptr_t word = (address - watch.device.begin) / kWordBytes;
  if (address - watch.device.begin < watch.device.bytes) {
    return quick_state<kind, bytes>(watch.state + word, mask) &&
           quick_words<kind, bytes, true>(watch.device.cells + word, who, thread, site);
  }
  return address - thread.stack_begin < thread.stack_end - thread.stack_begin && thread.registers.empty();
}

}  // namespace emulator
