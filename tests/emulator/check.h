// The rules that accesses are held to, and the shadow memory that they are judged by.
//
// Every 4-byte word of shared and device memory has a cell: its last write and two of its last reads, each
// with block, thread, number of barriers passed, bytes and place in the program. Cells are never cleared: a
// block instance's number is used once, so what an earlier block or launch left behind is recognised as old.
//
// Two blocks may run at once and touch the same cell. Each record is therefore loaded and stored whole; an
// update that gets lost in between can hide a race and cannot invent one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "tests/emulator/access.h"
#include "tests/emulator/emulator.h"
#include "tests/emulator/engine.h"

namespace emulator {

struct alignas(16) Record {
  uint64_t who = 0;    // instance:32 barriers:16 thread:10 kept write:1 atomic:1 bytes:4
  uint64_t where = 0;  // site:32 warp syncs:16 fences:12 bytes written by this block so far:4 (shared memory)
};

// Of a write, kKeptBit says that the asynchronous proxy did it.
constexpr uint64_t kBytesMask = 0xf, kAtomicBit = 0x10, kKeptBit = 0x20, kAsyncBit = kKeptBit,
                   kThreadMask = 0xffc0, kWarpMask = 0xf800;
constexpr uint64_t kSyncsMask = 0xffff0000u;
constexpr uint64_t kMaxBarriers = 0xffff, kMaxFences = 0xfff;
constexpr unsigned kThreadShift = 6, kBarrierShift = 16, kInstanceShift = 32, kFenceShift = 4;

inline uint32_t instance_of(uint64_t who) { return static_cast<uint32_t>(who >> kInstanceShift); }
inline unsigned thread_of(uint64_t who) { return static_cast<unsigned>((who & kThreadMask) >> kThreadShift); }
inline unsigned barriers_of(uint64_t who) {
  return static_cast<unsigned>(who >> kBarrierShift & kMaxBarriers);
}
inline unsigned syncs_of(uint64_t where) { return static_cast<unsigned>((where & kSyncsMask) >> 16); }
inline unsigned fences_of(uint64_t where) { return static_cast<unsigned>(where >> kFenceShift & kMaxFences); }

/// Loads and stores that are whole on x86-64 with AVX; elsewhere a record could mix two accesses.
inline Record load_record(const Record& record) {
#if defined(__SSE2__)
  alignas(16) Record copy;
  _mm_store_si128(reinterpret_cast<__m128i*>(&copy),
                  _mm_load_si128(reinterpret_cast<const __m128i*>(&record)));
  return copy;
#else
  return {__atomic_load_n(&record.who, __ATOMIC_RELAXED), __atomic_load_n(&record.where, __ATOMIC_RELAXED)};
#endif
}
inline void store_record(Record& record, uint64_t who, uint64_t where) {
#if defined(__SSE2__)
  _mm_store_si128(reinterpret_cast<__m128i*>(&record),
                  _mm_set_epi64x(static_cast<long long>(where), static_cast<long long>(who)));
#else
  __atomic_store_n(&record.where, where, __ATOMIC_RELAXED);
  __atomic_store_n(&record.who, who, __ATOMIC_RELAXED);
#endif
}
inline uint64_t load_who(const Record& record) { return __atomic_load_n(&record.who, __ATOMIC_RELAXED); }
inline uint64_t load_where(const Record& record) { return __atomic_load_n(&record.where, __ATOMIC_RELAXED); }

struct Cell {
  Record write, read, other_read;
};

/// A range of addresses and the cells of its words.
struct Watched {
  uintptr_t begin = 0;
  size_t bytes = 0;
  Cell* cells = nullptr;
};

/// What a hook has to do: on host threads other than workers, to tell what host code touches.
enum class HookDuty : uint8_t { kHost, kNothing, kCheck, kMore };

/// What the hooks need of the block that a host thread runs. All ranges are empty while nothing is checked.
struct Watch {
  uint64_t stamp = 0;   // instance and barriers, placed as in Record::who
  uint64_t fences = 0;  // of the block so far, placed as in Record::where
  Watched static_shared, dynamic_shared, device;
  uint8_t* state = nullptr;  // of device words, see memory.h
  uintptr_t program = 0;     // sites are kept relative to it
  uint32_t first_instance = 0;
  AsyncProxy* async = nullptr;  // of the block, once it uses it
  bool check = false, count = false;
  HookDuty duty = HookDuty::kHost;
};
extern __thread Watch watch;

// What access.cpp makes of block_begins and the like.
void check_block_begins(Block& block);
void check_block_passes_barrier(Block& block);
void check_block_ends();
/// Until it lands, a copy's target counts as not written: no bytes in either half of its write record.
void check_copy_begins(const AsyncCopy& copy);

// The slow paths: what has failed a first test. They judge again, report, and do not return when it is fatal.

/// `record` is of the same word as `access`, which is recorded as (who, where).
void judge_race(const Access& access, const Record& record, bool record_is_write, uint64_t who,
                uint64_t where, bool device);
void judge_shared_read(const Access& access, const Cell& cell, uint64_t who, uint64_t where);
void judge_first_shared_write(const Access& access, const Cell& cell, uint64_t who, uint64_t where);
/// Whether an access (who, where) and what is recorded as `old` could come in either order.
bool is_race(const Record& old, uint64_t who, uint64_t where, bool device);
/// `lacking`: what would have ordered them.
void report_race(const Access& access, const Record& old, bool old_is_write, const std::string& lacking);
/// A thread reads or writes registers that the wgmma at `wgmma_site` works on.
void report_registers(const Access& access, const void* wgmma_site);
void report_uninitialised(const Access& access, const Thread& thread, const std::string& note);
[[noreturn]] void report_fatal(FindingKind kind, const Access& access, const std::string& value);
/// The cell of a word of shared memory, else null.
Cell* shared_cell(uintptr_t address);
bool is_shared_address(uintptr_t address);
[[noreturn]] void report_misaligned(const Access& access);
/// A device access to a word whose state is not that of allocated and, for reads, written memory.
void judge_device_state(const Access& access);
/// An access to what is neither shared nor device memory nor the thread's own.
void judge_other_address(const Access& access);
/// Host code touches device memory.
void report_host_access(const Access& access);

}  // namespace emulator
