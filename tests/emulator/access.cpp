// The hooks: what the compiler calls before every load and store of instrumented code, and how it is judged.
// Most are done by access_quick.h; all are judged here, and whatever looks suspicious goes to check.cpp.
#include "tests/emulator/access.h"

#include <cstring>

#include "tests/emulator/access_quick.h"
#include "tests/emulator/async_proxy.h"
#include "tests/emulator/check.h"
#include "tests/emulator/count.h"
#include "tests/emulator/emulator.h"
#include "tests/emulator/include/emulator/kernel_api.h"
#include "tests/emulator/memory.h"

namespace emulator {
namespace {

#define EMULATOR_SITE() __builtin_return_address(0)

// An Access is handed to the slow paths as a copy: its address then does not escape from the hook, which
// keeps it in registers.

/// Keeps the last write among the reads, for an atomic of the same block to take its place.
EMULATOR_FAST void keep_write(Cell& cell) {
  const Record write = load_record(cell.write);
  const uint32_t other = instance_of(load_who(cell.other_read));
  const bool is_needed = other != instance_of(write.who) && other >= watch.first_instance;
  store_record(is_needed ? cell.read : cell.other_read, write.who | kKeptBit, write.where);
}

template <bool device>
EMULATOR_FAST void read_word(Cell& cell, uint64_t who, uint64_t where, const Access& access) {
  const uint64_t written = load_who(cell.write);
  const uint64_t difference = written ^ who;
  if (!device && EMULATOR_UNLIKELY(difference >> kInstanceShift != 0 || (~written & who & kBytesMask))) {
    judge_shared_read(Access(access), cell, who, where);
  }
  if (EMULATOR_UNLIKELY(suspicious<device>(written, who))) {
    judge_race(Access(access), cell.write, true, who, where, device);
  }
  keep_read<device>(cell, who, [where] { return where; });
}

template <bool device>
EMULATOR_FAST void write_word(Cell& cell, uint64_t who, uint64_t where, const Access& access) {
  const uint64_t written = load_who(cell.write);
  if (EMULATOR_UNLIKELY(suspicious<device>(written, who))) {
    judge_race(Access(access), cell.write, true, who, where, device);
  }
  if (EMULATOR_UNLIKELY(suspicious<device>(load_who(cell.read), who))) {
    judge_race(Access(access), cell.read, false, who, where, device);
  }
  if (EMULATOR_UNLIKELY(suspicious<device>(load_who(cell.other_read), who))) {
    judge_race(Access(access), cell.other_read, false, who, where, device);
  }
  const uint64_t difference = written ^ who;
  if (!device) {
    if (difference >> kInstanceShift != 0) {
      judge_first_shared_write(Access(access), cell, who, where);
    } else {
      where |= load_where(cell.write) & kBytesMask;
    }
    where |= who & kBytesMask;
  }
  // An atomic does not hide a plain write of before: another block's atomic would be a race with that.
  if (EMULATOR_UNLIKELY(who & kAtomicBit) && !(written & kAtomicBit)) {
    if (difference >> kThreadShift == 0) return;
    if (device && difference >> kInstanceShift == 0) keep_write(cell);
  }
  // Bytes of a word that a thread writes one after the other.
  if ((who & kBytesMask) != kBytesMask && difference >> kThreadShift == 0) who |= written & kBytesMask;
  store_record(cell.write, who, where);
}

/// `aligned`: the access begins with a word.
template <AccessKind kind, bool device, bool aligned>
EMULATOR_FAST void touch_words(Cell* cell, const Thread& thread, const Access& access) {
  uint64_t who = watch.stamp | uint64_t{thread.linear} << kThreadShift;
  if (kind == AccessKind::kAtomic) who |= kAtomicBit;
  const uint64_t where = where_of(thread, access.site);
  unsigned offset = aligned && access.bytes >= kWordBytes ? 0 : access.address % kWordBytes;
  for (unsigned rest = access.bytes; rest > 0;) {
    const unsigned bytes = rest < kWordBytes - offset ? rest : kWordBytes - offset;
    const uint64_t mask = ((1u << bytes) - 1) << offset;
    if (kind == AccessKind::kRead) {
      read_word<device>(*cell, who | mask, where, access);
    } else {
      write_word<device>(*cell, who | mask, where, access);
    }
    ++cell;
    rest -= bytes;
    offset = 0;
  }
}

/// Sets the written bits. Another block may write other bytes of the same word: hence the atomic or.
template <AccessKind kind, bool aligned>
EMULATOR_FAST void touch_state(const Access& access) {
  uint8_t* state = watch.state + (access.address - watch.device.begin) / kWordBytes;
  if (access.bytes % kWordBytes == 0 && (aligned || access.address % kWordBytes == 0)) {
    bool good = true;
    for (unsigned word = 0; word < access.bytes / kWordBytes; ++word) {
      const uint8_t old = state[word];
      if (kind == AccessKind::kWrite) {
        good &= (old & 0xf) == 0xf;
        if (old == 0x0f) __atomic_store_n(&state[word], uint8_t{0xff}, __ATOMIC_RELAXED);
      } else {
        good &= old == 0xff;
      }
    }
    if (EMULATOR_UNLIKELY(!good)) judge_device_state(Access(access));
    return;
  }
  for (unsigned byte = 0; byte < access.bytes; ++byte) {
    const uintptr_t at = access.address % kWordBytes + byte;
    const auto allocated = static_cast<uint8_t>(1u << at % kWordBytes);
    const auto written = static_cast<uint8_t>(allocated << 4);
    uint8_t& word = state[at / kWordBytes];
    const uint8_t needed = kind == AccessKind::kWrite ? allocated : allocated | written;
    if (EMULATOR_UNLIKELY((word & needed) != needed)) return judge_device_state(Access(access));
    if (kind == AccessKind::kWrite && !(word & written)) __atomic_fetch_or(&word, written, __ATOMIC_RELAXED);
  }
}

/// `aligned`: the address is a multiple of the size on every GPU.
template <AccessKind kind, bool aligned>
EMULATOR_FAST void check_access(const Thread& thread, const Access& access) {
  if (aligned && EMULATOR_UNLIKELY(access.address & (access.bytes - 1))) report_misaligned(Access(access));
  const uintptr_t in_static = access.address - watch.static_shared.begin;
  if (in_static < watch.static_shared.bytes) {
    return touch_words<kind, false, aligned>(watch.static_shared.cells + in_static / kWordBytes, thread,
                                             access);
  }
  const uintptr_t in_dynamic = access.address - watch.dynamic_shared.begin;
  if (in_dynamic < watch.dynamic_shared.bytes && access.bytes <= watch.dynamic_shared.bytes - in_dynamic) {
    return touch_words<kind, false, aligned>(watch.dynamic_shared.cells + in_dynamic / kWordBytes, thread,
                                             access);
  }
  const uintptr_t in_device = access.address - watch.device.begin;
  if (in_device < watch.device.bytes) {
    touch_state<kind, aligned>(access);
    return touch_words<kind, true, aligned>(watch.device.cells + in_device / kWordBytes, thread, access);
  }
  // Local memory is its thread's own and needs no judging, but for registers that a wgmma works on.
  if (access.address - thread.stack_begin < thread.stack_end - thread.stack_begin) {
    if (EMULATOR_UNLIKELY(!thread.registers.empty())) judge_registers(Access(access));
    return;
  }
  judge_other_address(Access(access));
}

__attribute__((noinline, cold)) void host_access(const Access& access) {
  if (access.address - device_range.begin >= device_range.end - device_range.begin) return;
  if (options().check) report_host_access(access);
}

__attribute__((noinline)) void count_it(const Access& access) {
  const SharedMemory& shared = running.shared;
  const bool is_shared = access.address - shared.static_begin < shared.static_end - shared.static_begin ||
                         access.address - shared.dynamic_begin < shared.dynamic_end - shared.dynamic_begin;
  if (is_shared || access.address - device_range.begin < device_range.end - device_range.begin) {
    count_access(access, is_shared);
  }
}

template <AccessKind kind, bool aligned>
__attribute__((noinline)) void hook(const void* address, size_t bytes, const void* site) {
  const Thread* const thread = running.thread;
  Access access;
  access.address = reinterpret_cast<uintptr_t>(address);
  access.bytes = static_cast<unsigned>(bytes);
  access.kind = kind;
  access.site = site;
  if (EMULATOR_UNLIKELY(!thread)) return host_access(Access(access));
  if (watch.check) check_access<kind, aligned>(*thread, access);
  if (EMULATOR_UNLIKELY(watch.count)) count_it(Access(access));
}

/// The same for `bytes` bytes, a power of two.
template <AccessKind kind, bool aligned, unsigned bytes>
EMULATOR_FAST void hook_of(const void* address, const void* site) {
  if (watch.duty == HookDuty::kNothing) return;
  if (watch.duty == HookDuty::kHost && !is_device_address(address)) return;
  if constexpr (aligned || bytes == 1) {
    if (watch.duty == HookDuty::kCheck && quick_access<kind, bytes>(address, site)) return;
  }
  hook<kind, aligned>(address, bytes, site);
}

}  // namespace

void on_access(const void* address, size_t bytes, AccessKind kind, const void* site) {
  if (!running.thread || bytes == 0) return;
  const bool vector = (bytes & (bytes - 1)) == 0 && bytes <= 16;
  switch (kind) {
    case AccessKind::kRead:
      if (bytes == 16) return hook_of<AccessKind::kRead, true, 16>(address, site);
      return vector ? hook<AccessKind::kRead, true>(address, bytes, site)
                    : hook<AccessKind::kRead, false>(address, bytes, site);
    case AccessKind::kWrite:
      if (bytes == 16) return hook_of<AccessKind::kWrite, true, 16>(address, site);
      return vector ? hook<AccessKind::kWrite, true>(address, bytes, site)
                    : hook<AccessKind::kWrite, false>(address, bytes, site);
    case AccessKind::kAtomic: return hook<AccessKind::kAtomic, true>(address, bytes, site);
  }
}

void reads(const void* address, size_t bytes) noexcept {
  on_access(address, bytes, AccessKind::kRead, EMULATOR_SITE());
}
void writes(void* address, size_t bytes) noexcept {
  on_access(address, bytes, AccessKind::kWrite, EMULATOR_SITE());
}

void on_copy_begins(const AsyncCopy& copy) {
  const auto from = reinterpret_cast<uintptr_t>(copy.from);
  if (watch.check && from % copy.bytes != 0) {  // of no matter how many bytes it reads
    report_misaligned({from, copy.bytes, AccessKind::kRead, copy.site});
  }
  on_access(copy.from, copy.read_bytes, AccessKind::kRead, copy.site);
  on_access(copy.to, copy.bytes, AccessKind::kWrite, copy.site);
  if (watch.check) check_copy_begins(copy);
}

void on_copy_lands(const AsyncCopy& copy) {
  if (!watch.check) return;
  const Access write{reinterpret_cast<uintptr_t>(copy.to), copy.bytes, AccessKind::kWrite, copy.site};
  check_access<AccessKind::kWrite, true>(*running.thread, write);
}

void block_begins(Block& block) {
  check_block_begins(block);
  if (watch.count) count_block_begins(block);
}
void block_passes_barrier(Block& block) {
  if (watch.check) check_block_passes_barrier(block);
  if (watch.count) count_passes_barrier(block);
}
void block_ends(Block& block) {
  if (watch.check) check_block_ends();
  if (watch.count) count_block_ends(block);
}
void block_is_abandoned(Block&) {
  if (watch.check) check_block_ends();
}

}  // namespace emulator

// ---------------------------------------------------------------- what instrumented code calls

using emulator::AccessKind;
using emulator::hook;
using emulator::hook_of;

#define EMULATOR_HOOK(name, kind, bytes, aligned) \
  void name(void* address) { hook_of<AccessKind::kind, aligned, bytes>(address, EMULATOR_SITE()); }
#define EMULATOR_HOOKS(bytes)                                               \
  EMULATOR_HOOK(__tsan_read##bytes, kRead, bytes, true)                     \
  EMULATOR_HOOK(__tsan_write##bytes, kWrite, bytes, true)                   \
  EMULATOR_HOOK(__tsan_volatile_read##bytes, kRead, bytes, true)            \
  EMULATOR_HOOK(__tsan_volatile_write##bytes, kWrite, bytes, true)          \
  EMULATOR_HOOK(__tsan_unaligned_read##bytes, kRead, bytes, false)          \
  EMULATOR_HOOK(__tsan_unaligned_write##bytes, kWrite, bytes, false)        \
  EMULATOR_HOOK(__tsan_unaligned_volatile_read##bytes, kRead, bytes, false) \
  EMULATOR_HOOK(__tsan_unaligned_volatile_write##bytes, kWrite, bytes, false)

// Atomics of C++ in instrumented code: the guards of static variables, and host code. Always sequentially
// consistent.
#define EMULATOR_ATOMIC_UPDATE(T, bits, name, builtin)                  \
  T __tsan_atomic##bits##_##name(volatile T* address, T value, int) {   \
    const auto* plain = const_cast<T*>(address);                        \
    hook<AccessKind::kAtomic, true>(plain, sizeof(T), EMULATOR_SITE()); \
    return builtin(address, value, __ATOMIC_SEQ_CST);                   \
  }
#define EMULATOR_ATOMIC_COMPARE(T, bits, name)                                                               \
  int __tsan_atomic##bits##_##name(volatile T* address, T* expected, T value, int, int) {                    \
    hook<AccessKind::kAtomic, true>(const_cast<T*>(address), sizeof(T), EMULATOR_SITE());                    \
    return __atomic_compare_exchange_n(address, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
  }
#define EMULATOR_ATOMICS(T, bits)                                                                      \
  T __tsan_atomic##bits##_load(const volatile T* address, int) {                                       \
    hook<AccessKind::kAtomic, true>(const_cast<T*>(address), sizeof(T), EMULATOR_SITE());              \
    return __atomic_load_n(address, __ATOMIC_SEQ_CST);                                                 \
  }                                                                                                    \
  void __tsan_atomic##bits##_store(volatile T* address, T value, int) {                                \
    hook<AccessKind::kAtomic, true>(const_cast<T*>(address), sizeof(T), EMULATOR_SITE());              \
    __atomic_store_n(address, value, __ATOMIC_SEQ_CST);                                                \
  }                                                                                                    \
  EMULATOR_ATOMIC_UPDATE(T, bits, exchange, __atomic_exchange_n)                                       \
  EMULATOR_ATOMIC_UPDATE(T, bits, fetch_add, __atomic_fetch_add)                                       \
  EMULATOR_ATOMIC_UPDATE(T, bits, fetch_sub, __atomic_fetch_sub)                                       \
  EMULATOR_ATOMIC_UPDATE(T, bits, fetch_and, __atomic_fetch_and)                                       \
  EMULATOR_ATOMIC_UPDATE(T, bits, fetch_or, __atomic_fetch_or)                                         \
  EMULATOR_ATOMIC_UPDATE(T, bits, fetch_xor, __atomic_fetch_xor)                                       \
  EMULATOR_ATOMIC_UPDATE(T, bits, fetch_nand, __atomic_fetch_nand)                                     \
  EMULATOR_ATOMIC_COMPARE(T, bits, compare_exchange_strong)                                            \
  EMULATOR_ATOMIC_COMPARE(T, bits, compare_exchange_weak)                                              \
  T __tsan_atomic##bits##_compare_exchange_val(volatile T* address, T expected, T value, int, int) {   \
    hook<AccessKind::kAtomic, true>(const_cast<T*>(address), sizeof(T), EMULATOR_SITE());              \
    __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    return expected;                                                                                   \
  }

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

EMULATOR_HOOK(__tsan_read1, kRead, 1, false)
EMULATOR_HOOK(__tsan_write1, kWrite, 1, false)
EMULATOR_HOOK(__tsan_volatile_read1, kRead, 1, false)
EMULATOR_HOOK(__tsan_volatile_write1, kWrite, 1, false)
EMULATOR_HOOKS(2)
EMULATOR_HOOKS(4)
EMULATOR_HOOKS(8)
EMULATOR_HOOKS(16)
EMULATOR_HOOK(__tsan_vptr_read, kRead, sizeof(void*), true)
void __tsan_vptr_update(void** address, void*) {
  hook<AccessKind::kWrite, true>(address, sizeof(void*), EMULATOR_SITE());
}
void __tsan_read_range(void* address, unsigned long bytes) {
  hook<AccessKind::kRead, false>(address, bytes, EMULATOR_SITE());
}
void __tsan_write_range(void* address, unsigned long bytes) {
  hook<AccessKind::kWrite, false>(address, bytes, EMULATOR_SITE());
}

void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  hook<AccessKind::kRead, false>(from, bytes, EMULATOR_SITE());
  hook<AccessKind::kWrite, false>(to, bytes, EMULATOR_SITE());
  return std::memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, size_t bytes) {
  hook<AccessKind::kRead, false>(from, bytes, EMULATOR_SITE());
  hook<AccessKind::kWrite, false>(to, bytes, EMULATOR_SITE());
  return std::memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, size_t bytes) {
  hook<AccessKind::kWrite, false>(to, bytes, EMULATOR_SITE());
  return std::memset(to, value, bytes);
}

EMULATOR_ATOMICS(uint8_t, 8)
EMULATOR_ATOMICS(uint16_t, 16)
EMULATOR_ATOMICS(uint32_t, 32)
EMULATOR_ATOMICS(uint64_t, 64)

}  // extern "C"
