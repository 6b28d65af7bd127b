// The slow paths of the checks: a block's beginning, second thoughts about what looked suspicious, and
// reports.
#include "tests/emulator/check.h"

#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "tests/emulator/async_proxy.h"
#include "tests/emulator/describe.h"
#include "tests/emulator/emulator.h"
#include "tests/emulator/finding.h"
#include "tests/emulator/memory.h"
#include "tests/emulator/ordering.h"
#include "tests/emulator/runtime.h"
#include "tests/emulator/symbols.h"

namespace emulator {

__thread Watch watch;

namespace {

constexpr size_t kWordBytes = 4;

/// A read of shared memory that nobody had written. If another thread writes it before the next barrier the
/// two are a race, reported by the write; else it is a read of nothing, reported at that barrier.
struct EarlyRead {
  Access access;
  const Thread* thread = nullptr;
  const Cell* cell = nullptr;
  uint64_t who = 0, where = 0;
  const char* note = nullptr;  // what is said of it
};
constexpr size_t kMostEarlyReads = 1 << 16;  // until the next barrier; what is beyond says nothing new

/// A host thread's shadow of shared memory. One cell more than words: for an access over the end.
struct SharedShadow {
  std::vector<Cell> static_cells, dynamic_cells;
  std::vector<uint8_t> foreign;    // per static word: of no array, or of another kernel's
  const void* function = nullptr;  // that `foreign` is about
  std::vector<EarlyRead> early_reads;
  uint32_t launch = 0;
};
thread_local SharedShadow shadow;

std::mutex shadow_mutex;

/// Cells of device memory: address space without memory until touched.
struct DeviceShadow {
  uintptr_t begin = 0, end = 0;
  Cell* cells = nullptr;
};

Cell* device_cells() {
  static DeviceShadow device;
  const std::lock_guard<std::mutex> lock(shadow_mutex);
  if (device.cells && device.begin == device_range.begin && device.end == device_range.end)
    return device.cells;
  const auto bytes_of = [](uintptr_t bytes) { return (bytes / kWordBytes + 4) * sizeof(Cell); };
  if (device.cells) munmap(device.cells, bytes_of(device.end - device.begin));
  device = {device_range.begin, device_range.end, nullptr};
  void* memory = mmap(nullptr, bytes_of(device.end - device.begin), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    std::fputs("emulator: no address space for the shadow of device memory; lower device_bytes\n", stderr);
    std::abort();
  }
  device.cells = static_cast<Cell*>(memory);
  return device.cells;
}

/// Marks the words of thread-local storage that this kernel has no name for.
void mark_foreign(const Launch& launch, size_t static_bytes) {
  if (shadow.function == launch.function) return;
  shadow.function = launch.function;
  const std::string kernel = function_symbol(launch.function);
  const std::vector<SharedArray>& arrays = shared_arrays();
  // Without symbols nothing is known, and nothing can be said.
  shadow.foreign.assign(static_bytes / kWordBytes + 2, !arrays.empty());
  for (const SharedArray& array : arrays) {
    if (array.symbol != kernel && is_kernel(array.symbol)) continue;
    const size_t end =
        std::min((array.offset + array.bytes + kWordBytes - 1) / kWordBytes, shadow.foreign.size());
    for (size_t word = array.offset / kWordBytes; word < end; ++word) shadow.foreign[word] = 0;
  }
}

void begin_launch(const Launch& launch) {
  const SharedMemory& shared = running.shared;
  const size_t static_bytes = shared.static_end - shared.static_begin;
  const size_t dynamic_bytes = shared.dynamic_end - shared.dynamic_begin;
  const auto grow = [](std::vector<Cell>& cells, size_t bytes) {
    if (cells.size() < bytes / kWordBytes + 4) cells.resize(bytes / kWordBytes + 4);
  };
  grow(shadow.static_cells, static_bytes);
  grow(shadow.dynamic_cells, dynamic_bytes);
  mark_foreign(launch, static_bytes);
  watch.static_shared = {shared.static_begin, static_bytes, shadow.static_cells.data()};
  watch.dynamic_shared = {shared.dynamic_begin, dynamic_bytes, shadow.dynamic_cells.data()};
  watch.device = {device_range.begin, device_range.end - device_range.begin, device_cells()};
  watch.state = device_range.state;
  watch.program = program_base();
  watch.first_instance = launch.first_instance;
  ordering_begins(launch.number);
  shadow.launch = launch.number;
}

const void* site_of(uint64_t where) {
  return reinterpret_cast<const void*>(watch.program + static_cast<uint32_t>(where >> 32));
}

const char* verb(AccessKind kind) {
  switch (kind) {
    case AccessKind::kRead: return "read";
    case AccessKind::kWrite: return "write";
    case AccessKind::kAtomic: return "atomic";
  }
  return "?";
}

std::string describe(const Access& access, const Thread& thread) {
  const Launch& launch = *thread.block->launch;
  if (is_shared_address(access.address)) return "at " + describe_shared(access, launch) + ", shared memory";
  if (is_device_address(reinterpret_cast<const void*>(access.address))) {
    return "at " + describe_device(access, launch);
  }
  return describe_elsewhere(access, thread);
}

/// A finding with one party.
void report_access(FindingKind kind, const Access& access, const Thread& thread, const std::string& value) {
  Finding finding;
  finding.kind = kind;
  finding.kernel = thread.block->launch->kernel;
  finding.place = place_of(thread, access.site);
  finding.value = value;
  Parties parties;
  parties.first = std::string(verb(access.kind)) + " of " + std::to_string(access.bytes);
  add_finding(std::move(finding), parties);
}

/// Static shared memory that this kernel cannot name.
bool is_foreign(const Access& access) {
  const uintptr_t offset = access.address - watch.static_shared.begin;
  if (offset >= watch.static_shared.bytes) return false;
  const size_t first = offset / kWordBytes, last = (offset + access.bytes - 1) / kWordBytes;
  return shadow.foreign[first] || (last < shadow.foreign.size() && shadow.foreign[last]);
}

Place place_of_record(const Record& record) {
  const Launch& launch = *running.thread->block->launch;
  Place place = host_place(site_of(record.where));
  const uint32_t block = instance_of(record.who) - launch.first_instance;
  const unsigned thread = thread_of(record.who);
  const dim3 &grid = launch.grid, &size = launch.block;
  place.block[0] = block % grid.x, place.block[1] = block / grid.x % grid.y,
  place.block[2] = block / grid.x / grid.y;
  place.thread[0] = thread % size.x, place.thread[1] = thread / size.x % size.y;
  place.thread[2] = thread / size.x / size.y;
  return place;
}

/// What a write record says for races: a copy under way writes all of its word.
Record as_write(Record write) {
  if (!(write.who & kBytesMask)) write.who |= kBytesMask;
  return write;
}

/// Why the two could not be told which comes first.
std::string lacks(const Record& old, uint64_t who, bool device) {
  const uint64_t difference = old.who ^ who;
  if (difference >> kInstanceShift != 0) return "two blocks, and nothing orders them";
  if (!(difference & kWarpMask)) return "one warp, and no __syncwarp or barrier between";
  if (watch.async) return "no barrier or mbarrier between";
  return device ? "one block, and no barrier between" : "no barrier between";
}

bool is_program_memory(uintptr_t address) {
  struct Search {
    uintptr_t address;
  } search{address};
  return dl_iterate_phdr(
             [](dl_phdr_info* info, size_t, void* data) {
               const uintptr_t wanted = static_cast<Search*>(data)->address;
               for (int i = 0; i < info->dlpi_phnum; ++i) {
                 const ElfW(Phdr)& segment = info->dlpi_phdr[i];
                 const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
                 if (segment.p_type == PT_LOAD && wanted - begin < segment.p_memsz) return 1;
               }
               return 0;
             },
             &search) != 0;
}

}  // namespace

bool is_shared_address(uintptr_t address) { return shared_cell(address) != nullptr; }

Cell* shared_cell(uintptr_t address) {
  for (const Watched* watched : {&watch.static_shared, &watch.dynamic_shared}) {
    const uintptr_t offset = address - watched->begin;
    if (offset < watched->bytes) return watched->cells + offset / kWordBytes;
  }
  return nullptr;
}

void report_fatal(FindingKind kind, const Access& access, const std::string& value) {
  report_access(kind, access, *running.thread, value);
  abandon_launch();
}

void report_uninitialised(const Access& access, const Thread& thread, const std::string& note) {
  const Launch& launch = *thread.block->launch;
  if (repeats_finding(FindingKind::kUninitialised, launch.function, access.site, nullptr)) return;
  report_access(FindingKind::kUninitialised, access, thread, describe(access, thread) + note);
}

bool is_race(const Record& old, uint64_t who, uint64_t where, bool device) {
  if (!(old.who & who & kBytesMask) || (old.who & who & kAtomicBit)) return false;
  const uint64_t difference = old.who ^ who;
  if (difference >> kInstanceShift != 0) {
    if (!device || instance_of(old.who) < watch.first_instance) return false;
  } else {
    if (difference >> kBarrierShift != 0 || barriers_of(who) == kMaxBarriers) return false;
    if (!(difference & kThreadMask)) return false;
    if (!(difference & kWarpMask) && ((old.where ^ where) & kSyncsMask)) return false;
    if (is_waited_for(old, who)) return false;
  }
  return !(device && is_ordered(old, who, where));
}

namespace {

constexpr const char* kNotWritten = ", which this block has not written";

[[noreturn]] void report_foreign(const Access& access) {
  report_fatal(FindingKind::kOutOfBounds, access,
               describe(access, *running.thread) + ", which this kernel does not have");
}

void keep_early_read(const Access& access, const Cell& cell, uint64_t who, uint64_t where, const char* note) {
  if (shadow.early_reads.size() == kMostEarlyReads) return;
  shadow.early_reads.push_back({access, running.thread, &cell, who, where, note});
}

void settle_early_reads() {
  for (const EarlyRead& read : shadow.early_reads) {
    if (is_race(as_write(load_record(read.cell->write)), read.who, read.where, false)) continue;
    report_uninitialised(read.access, *read.thread, read.note);
  }
  shadow.early_reads.clear();
}

}  // namespace

void check_block_begins(Block& block) {
  watch.check = options().check;
  watch.async = nullptr;
  watch.count = options().count;
  watch.duty = watch.count ? HookDuty::kMore : watch.check ? HookDuty::kCheck : HookDuty::kNothing;
  if (!watch.check) return;
  if (shadow.launch != block.launch->number || watch.device.begin != device_range.begin)
    begin_launch(*block.launch);
  watch.stamp = uint64_t{block.instance} << kInstanceShift;
  watch.fences = 0;
}

void check_block_passes_barrier(Block& block) {
  settle_early_reads();
  const uint64_t barriers = std::min<uint64_t>(block.barriers + 1, kMaxBarriers);
  watch.stamp = uint64_t{block.instance} << kInstanceShift | barriers << kBarrierShift;
}

void check_block_ends() { settle_early_reads(); }

void check_copy_begins(const AsyncCopy& copy) {
  for (unsigned byte = 0; byte < copy.bytes; byte += kWordBytes) {
    Cell* const cell = shared_cell(reinterpret_cast<uintptr_t>(copy.to) + byte);
    if (!cell) return;
    const Record write = load_record(cell->write);
    store_record(cell->write, write.who & ~kBytesMask, write.where & ~kBytesMask);
  }
}

void judge_race(const Access& access, const Record& record, bool record_is_write, uint64_t who,
                uint64_t where, bool device) {
  const Record old = record_is_write ? as_write(load_record(record)) : load_record(record);
  if (is_race(old, who, where, device)) {
    report_race(access, old, record_is_write, lacks(old, who, device));
  }
}

void report_race(const Access& access, const Record& old, bool old_is_write, const std::string& lacking) {
  const Thread& thread = *running.thread;
  const Launch& launch = *thread.block->launch;
  if (repeats_finding(FindingKind::kRace, launch.function, access.site, site_of(old.where))) return;
  load_source_lines({access.site, site_of(old.where)});
  Finding finding;
  finding.kind = FindingKind::kRace;
  finding.kernel = launch.kernel;
  finding.place = place_of(thread, access.site);
  finding.has_other = true;
  finding.other = place_of_record(old);
  finding.value = describe(access, thread) + "; " + lacking;
  Parties parties;
  parties.first = verb(access.kind);
  const bool wrote = old_is_write || old.who & kKeptBit;
  parties.other = old.who & kAtomicBit ? "atomic" : wrote ? "write" : "read";
  add_finding(std::move(finding), parties);
}

void report_registers(const Access& access, const void* wgmma_site) {
  const Thread& thread = *running.thread;
  const Launch& launch = *thread.block->launch;
  if (repeats_finding(FindingKind::kRace, launch.function, access.site, wgmma_site)) return;
  Finding finding;
  finding.kind = FindingKind::kRace;
  finding.kernel = launch.kernel;
  finding.place = place_of(thread, access.site);
  finding.has_other = true;
  finding.other = place_of(thread, wgmma_site);
  finding.value = "registers of a wgmma, and no wgmma.wait_group between";
  Parties parties;
  parties.first = verb(access.kind);
  parties.other = "wgmma";
  add_finding(std::move(finding), parties);
}

void judge_shared_read(const Access& access, const Cell& cell, uint64_t who, uint64_t where) {
  if (is_foreign(access)) report_foreign(access);
  const Record write = load_record(cell.write);
  const bool ours = instance_of(write.who) == instance_of(who);
  if (ours && !(~write.where & who & kBytesMask)) return;
  const bool copy_begun = ours && !(write.who & kBytesMask);
  if (copy_begun && is_race(as_write(write), who, where, false)) return;  // judge_race comes next
  const char* const copy = write.who & kAsyncBit ? ", which a bulk copy is to write that was not waited for"
                                                 : ", which a cp.async is to write that was not waited for";
  keep_early_read(access, cell, who, where, copy_begun ? copy : kNotWritten);
}

void judge_first_shared_write(const Access& access, const Cell& cell, uint64_t who, uint64_t where) {
  if (is_foreign(access)) report_foreign(access);
  if (access.kind == AccessKind::kAtomic) keep_early_read(access, cell, who, where, kNotWritten);
}

void report_misaligned(const Access& access) {
  report_fatal(FindingKind::kMisaligned, access,
               describe(access, *running.thread) + "; the address must be a multiple of " +
                   std::to_string(access.bytes));
}

void judge_device_state(const Access& access) {
  for (unsigned byte = 0; byte < access.bytes; ++byte) {
    const uintptr_t at = access.address + byte;
    if (watch.state[(at - watch.device.begin) / kWordBytes] >> at % kWordBytes & 1) continue;
    const Allocation* allocation = find_allocation(at);
    const bool freed = allocation && allocation->freed && at - allocation->address < allocation->bytes;
    report_fatal(freed ? FindingKind::kUseAfterFree : FindingKind::kOutOfBounds, access,
                 describe(access, *running.thread));
  }
  if (access.kind == AccessKind::kWrite) return;
  for (unsigned byte = 0; byte < access.bytes; ++byte) {
    const uintptr_t at = access.address + byte;
    if (!(watch.state[(at - watch.device.begin) / kWordBytes] >> (4 + at % kWordBytes) & 1)) {
      return report_uninitialised(access, *running.thread, "");
    }
  }
}

void judge_other_address(const Access& access) {
  constexpr size_t kNear = 64 << 10;  // no other memory lies so close to a block's
  const Watched& dynamic = watch.dynamic_shared;
  if (access.address - (dynamic.begin - kNear) < dynamic.bytes + 2 * kNear) {
    report_fatal(FindingKind::kOutOfBounds, access,
                 "at " + describe_shared(access, *running.thread->block->launch));
  }
  if (is_program_memory(access.address)) return;  // __device__ and __constant__ variables, tables
  if (is_pinned(reinterpret_cast<const void*>(access.address))) return;
  report_fatal(FindingKind::kHostMemory, access, describe(access, *running.thread));
}

void report_host_access(const Access& access) {
  if (repeats_finding(FindingKind::kDeviceMemory, nullptr, access.site, nullptr)) return;
  Finding finding;
  finding.kind = FindingKind::kDeviceMemory;
  finding.place = host_place(access.site);
  finding.value = "at " + describe_device(access, Launch());
  Parties parties;
  parties.first = verb(access.kind);
  parties.on_host = true;
  add_finding(std::move(finding), parties);
}

}  // namespace emulator
