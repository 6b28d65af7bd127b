// What asynchronous copies and wgmma are held to: order by mbarriers, and fences between the generic and the
// asynchronous proxy.
#include <utility>

#include "tests/emulator/async_proxy.h"
#include "tests/emulator/describe.h"
#include "tests/emulator/emulator.h"
#include "tests/emulator/finding.h"

namespace emulator {
namespace {

constexpr unsigned kWordBytes = 4;

unsigned warp_of(uint64_t who) { return thread_of(who) / kWarpSize; }

/// Of a thread, now.
uint64_t who_of(unsigned thread) { return watch.stamp | uint64_t{thread} << kThreadShift | kBytesMask; }
uint64_t where_of(const Block& block, unsigned thread, const void* site) {
  const uint64_t place = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(site) - watch.program);
  return place << 32 | uint64_t{static_cast<uint16_t>(block.warps[thread / kWarpSize].syncs)} << 16 |
         watch.fences;
}

/// A write by ordinary stores that no fence.proxy.async has followed, neither its thread's nor this one's.
bool lacks_proxy_fence(const Record& write, uint64_t who) {
  if (instance_of(write.who) != instance_of(who) || write.who & kAsyncBit || !(write.who & kBytesMask)) {
    return false;
  }
  const unsigned ticks = fences_of(write.where);
  const AsyncProxy& async = *watch.async;
  return ticks < kMaxFences && async.fenced[warp_of(write.who)] <= ticks &&
         async.fenced[warp_of(who)] <= ticks;
}

constexpr const char* kNoProxyFence = "no fence.proxy.async between";

/// A write of the async proxy begins.
void begin_write(Cell& cell, uint64_t who, uint64_t where, const Access& access) {
  const Record write = load_record(cell.write);
  const bool under_way =
      instance_of(write.who) == instance_of(who) && write.who & kAsyncBit && !(write.who & kBytesMask);
  if (under_way) {
    report_race(access, write, true, "the copy before is still under way");
  } else if (is_race(write, who, where, false)) {
    judge_race(access, cell.write, true, who, where, false);
  } else if (lacks_proxy_fence(write, who)) {
    report_race(access, write, true, kNoProxyFence);
  }
  judge_race(access, cell.read, false, who, where, false);
  judge_race(access, cell.other_read, false, who, where, false);
  store_record(cell.write, (who & ~kBytesMask) | kAsyncBit, where & ~kBytesMask);
}

Access access_of(uintptr_t address, unsigned bytes, AccessKind kind, const void* site) {
  Access access;
  access.address = address;
  access.bytes = bytes;
  access.kind = kind;
  access.site = site;
  return access;
}

template <typename Visit>
void for_each_cell(uintptr_t address, unsigned bytes, Visit visit) {
  Cell* cell = shared_cell(address);
  for (unsigned byte = 0; byte < bytes; byte += kWordBytes) visit(cell[byte / kWordBytes], address + byte);
}

/// The read of the warp in the cell, in the place of an older one of this warp.
void keep_async_read(Cell& cell, uint64_t who, uint64_t where) {
  const uint64_t difference = load_who(cell.read) ^ who;
  const bool replaces = difference >> kBarrierShift != 0 || !(difference & kWarpMask);
  if (replaces) return store_record(cell.read, who, where);
  store_record(cell.other_read, who, where);
}

}  // namespace

bool is_waited_for(const Record& old, uint64_t who) {
  const unsigned ticks = fences_of(old.where);
  return watch.async && (ticks == kMaxFences || watch.async->seen[warp_of(who)][warp_of(old.who)] > ticks);
}

void check_uncounted(const void* address, size_t bytes, AccessKind kind, const void* site) {
  if (!watch.check) return;
  const bool count = std::exchange(watch.count, false);
  on_access(address, bytes, kind, site);
  watch.count = count;
}

void check_bulk_barrier(const uint64_t* barrier, const void* site) {
  const AsyncProxy& async = *watch.async;
  const auto found = async.barriers.find(barrier);
  const auto address = reinterpret_cast<uintptr_t>(barrier);
  if (found == async.barriers.end()) {
    report_bad_operand(address, sizeof *barrier, site, "no mbarrier has been initialised here");
  }
  const BarrierHistory& history = found->second;
  const unsigned own = running.thread->linear / kWarpSize;
  if (async.inited[history.init_warp] > history.init_ticks || async.inited[own] > history.init_ticks) return;
  report_bad_operand(address, sizeof *barrier, site,
                     "the mbarrier was initialised without a fence.mbarrier_init behind it");
}

void check_bulk_begins(const BulkCopy& copy) {
  const Block& block = *running.thread->block;
  const uint64_t who = who_of(copy.thread), where = where_of(block, copy.thread, copy.site);
  for (const BulkCopy::Piece& piece : copy.pieces) {
    if (piece.from) check_uncounted(piece.from, piece.bytes, AccessKind::kRead, copy.site);
    for_each_cell(reinterpret_cast<uintptr_t>(piece.to), piece.bytes, [&](Cell& cell, uintptr_t address) {
      begin_write(cell, who, where, access_of(address, kWordBytes, AccessKind::kWrite, copy.site));
    });
  }
}

void check_bulk_lands(const Block& block, const BulkCopy& copy) {
  const uint64_t who = who_of(copy.thread) | kAsyncBit;
  const uint64_t where = where_of(block, copy.thread, copy.site) | kBytesMask;
  for (const BulkCopy::Piece& piece : copy.pieces) {
    for_each_cell(reinterpret_cast<uintptr_t>(piece.to), piece.bytes,
                  [&](Cell& cell, uintptr_t) { store_record(cell.write, who, where); });
  }
}

bool check_wgmma_operand(const Block& block, unsigned warp, uintptr_t address, const void* site) {
  const unsigned thread = warp * kWarpSize;
  const uint64_t who = who_of(thread), where = where_of(block, thread, site);
  bool readable = true;
  for_each_cell(address, 16, [&](Cell& cell, uintptr_t at) {
    const Record write = load_record(cell.write);
    const Access access = access_of(at, kWordBytes, AccessKind::kRead, site);
    if (instance_of(write.who) != instance_of(who) || (~write.where & kBytesMask)) {
      const bool under_way = instance_of(write.who) == instance_of(who) && write.who & kAsyncBit;
      report_uninitialised(access, *running.thread,
                           under_way ? ", which a bulk copy is to write that was not waited for"
                                     : ", which this block has not written");
      readable = false;
      return;
    }
    if (is_race(write, who, where, false)) {
      judge_race(access, cell.write, true, who, where, false);
    } else if (lacks_proxy_fence(write, who)) {
      report_race(access, write, true, kNoProxyFence);
    }
    keep_async_read(cell, who, where);
  });
  return readable;
}

void record_wgmma_read(const Block& block, unsigned warp, uintptr_t address, const void* site) {
  const uint64_t who = who_of(warp * kWarpSize), where = where_of(block, warp * kWarpSize, site);
  for_each_cell(address, 16, [&](Cell& cell, uintptr_t at) {
    judge_race(access_of(at, kWordBytes, AccessKind::kRead, site), cell.write, true, who, where, false);
    keep_async_read(cell, who, where);
  });
}

void report_bad_operand(uintptr_t address, unsigned bytes, const void* site, const std::string& what) {
  const Thread& thread = *running.thread;
  Finding finding;
  finding.kind = FindingKind::kBadOperand;
  finding.kernel = thread.block->launch->kernel;
  finding.place = place_of(thread, site);
  finding.value = what;
  const Access access = access_of(address, bytes, AccessKind::kRead, site);
  if (is_shared_address(address)) finding.value += "; at " + describe_shared(access, *thread.block->launch);
  add_finding(std::move(finding));
  abandon_launch();
}

void require_shared(const void* address, size_t bytes, AccessKind kind, const void* site) {
  const SharedMemory& shared = running.shared;
  const auto first = reinterpret_cast<uintptr_t>(address);
  const auto inside = [&](uintptr_t begin, uintptr_t end) { return first >= begin && first + bytes <= end; };
  if (inside(shared.dynamic_begin, shared.dynamic_end) || inside(shared.static_begin, shared.static_end))
    return;
  const Access access = access_of(first, static_cast<unsigned>(bytes), kind, site);
  report_fatal(FindingKind::kOutOfBounds, access,
               "at " + describe_shared(access, *running.thread->block->launch));
}

void require_aligned(const void* address, unsigned alignment, AccessKind kind, const void* site) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  if (at % alignment != 0) report_misaligned(access_of(at, alignment, kind, site));
}

void judge_registers(const Access& access) {
  for (const RegisterRange& range : running.thread->registers) {
    if (access.address >= range.end || access.address + access.bytes <= range.begin) continue;
    report_registers(access, range.site);
    return;
  }
}

}  // namespace emulator
