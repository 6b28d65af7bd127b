// Counts of launches: every host thread counts its blocks on its own; a launch is summed up when the next one
// begins.
#include "tests/emulator/count.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <tuple>
#include <unordered_map>

#include "tests/emulator/count_log.h"
#include "tests/emulator/emulator.h"
#include "tests/emulator/memory.h"
#include "tests/emulator/symbols.h"

namespace emulator {
namespace {

/// Which bytes of device memory a host thread's blocks have touched: a bit each, in zero pages made on first
/// use.
class TouchedBytes {
 public:
  TouchedBytes() = default;
  TouchedBytes(const TouchedBytes&) = delete;
  TouchedBytes& operator=(const TouchedBytes&) = delete;
  ~TouchedBytes() { unmap(); }

  void cover(uintptr_t begin, uintptr_t end) {
    if (begin == begin_ && end == end_) return;
    unmap();
    begin_ = begin;
    end_ = end;
    map_bytes_ = (end - begin) / 8 + kPageSectors * 4;
    void* memory =
        mmap(nullptr, map_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    map_ = static_cast<uint32_t*>(memory);
    is_used_.assign(map_bytes_ / (kPageSectors * 4) + 1, 0);
  }
  void add(const SectorSet& sectors) {
    const uintptr_t first = begin_ / kSectorBytes;
    for (unsigned i = 0; i < sectors.count; ++i) {
      const uintptr_t sector = sectors.sector[i] - first;
      map_[sector] |= sectors.bytes[i];
      const size_t page = sector / kPageSectors;
      if (!is_used_[page]) {
        is_used_[page] = 1;
        used_.push_back(page);
      }
    }
  }
  /// Moves what it knows to `other`, which covers the same range.
  void move_to(TouchedBytes* other) {
    for (const size_t page : used_) {
      uint32_t* from = map_ + page * kPageSectors;
      if (other != this) {
        uint32_t* to = other->map_ + page * kPageSectors;
        for (size_t i = 0; i < kPageSectors; ++i) to[i] |= from[i];
        if (!other->is_used_[page]) {
          other->is_used_[page] = 1;
          other->used_.push_back(page);
        }
      }
      std::fill(from, from + kPageSectors, 0u);
      is_used_[page] = 0;
    }
    used_.clear();
  }
  uint64_t take_sum() {
    uint64_t sum = 0;
    for (const size_t page : used_) {
      uint32_t* bits = map_ + page * kPageSectors;
      for (size_t i = 0; i < kPageSectors; ++i) sum += static_cast<unsigned>(__builtin_popcount(bits[i]));
      std::fill(bits, bits + kPageSectors, 0u);
      is_used_[page] = 0;
    }
    used_.clear();
    return sum;
  }

 private:
  static constexpr size_t kPageSectors = 1024;  // 4 KiB of bits for 32 KiB of memory

  void unmap() {
    if (map_) munmap(map_, map_bytes_);
    map_ = nullptr;
    used_.clear();
  }

  uintptr_t begin_ = 0, end_ = 0;
  uint32_t* map_ = nullptr;
  size_t map_bytes_ = 0;
  std::vector<uint8_t> is_used_;
  std::vector<size_t> used_;  // pages
};

/// What one host thread counts of one launch.
class Counter {
 public:
  void begin_block(const Block& block) {
    touched_.cover(device_range.begin, device_range.end);
    if (warps_.size() < block.warps.size()) warps_.resize(block.warps.size());
    for (WarpLog& warp : warps_) warp.clear();  // of an abandoned block
    ++blocks_;
    in_block_ = true;
  }
  void add(const Access& access, bool shared) {
    if (!in_block_) return;
    const Thread& thread = *running.thread;
    warps_[thread.linear / kWarpSize].add(number_of(access, shared), access.site, thread.lane,
                                          access.address);
  }
  void flush(const Block& block) {
    for (size_t i = 0; i < block.warps.size(); ++i) {
      const unsigned size = block.warps[i].size;
      const uint32_t whole = size == kWarpSize ? 0xffffffffu : (1u << size) - 1;
      warps_[i].flush([&](uint32_t number, Request& request) { serve(sites_[number], request, whole); });
    }
  }
  void pass_barrier() { ++barriers_; }
  void end_block() { in_block_ = false; }

  /// Adds its counts of a launch to the kernel's and forgets them.
  template <typename AddSite>
  void hand_in(KernelCount* kernel, TouchedBytes* touched, AddSite&& add_site) {
    kernel->blocks += blocks_;
    kernel->barriers += barriers_;
    for (const SiteCount& site : sites_) add_site(site);
    touched->cover(device_range.begin, device_range.end);
    touched_.move_to(touched);
    blocks_ = barriers_ = 0;
    sites_.clear();
    follower_.clear();
    numbers_.clear();
    previous_ = 0;
    in_block_ = false;
  }

 private:
  static uint64_t key_of(const Access& access, bool shared) {
    return (reinterpret_cast<uintptr_t>(access.site) << 5 | access.bytes) << 3 |
           static_cast<uint64_t>(access.kind) << 1 | static_cast<uint64_t>(shared);
  }
  /// The instruction's number in sites_. A guess first: what followed the previous instruction the last time.
  uint32_t number_of(const Access& access, bool shared) {
    const uint64_t key = key_of(access, shared);
    if (previous_ < follower_.size() && follower_[previous_].key == key)
      return previous_ = follower_[previous_].number;
    const auto [entry, is_new] = numbers_.try_emplace(key, static_cast<uint32_t>(sites_.size()));
    if (is_new) {
      SiteCount site;
      site.site = access.site;
      site.bytes = static_cast<uint8_t>(access.bytes);
      site.kind = access.kind;
      site.shared = shared;
      sites_.push_back(site);
      follower_.emplace_back();
    }
    follower_[previous_] = {key, entry->second};
    return previous_ = entry->second;
  }
  void serve(SiteCount& site, Request& request, uint32_t whole) {
    request.bytes = site.bytes;
    Cost cost;
    if (site.shared) {
      cost = wavefront_cost(request, site.kind == AccessKind::kAtomic);
    } else {
      find_sectors(request, &sectors_);
      cost = sector_cost(sectors_);
      touched_.add(sectors_);
    }
    ++site.requests;
    site.lanes += static_cast<unsigned>(__builtin_popcount(request.mask));
    site.partial += request.mask != whole;
    site.moved += cost.moved;
    site.fewest += cost.fewest;
  }

  struct Follower {
    uint64_t key = 0;
    uint32_t number = 0;
  };
  std::vector<SiteCount> sites_;
  std::vector<Follower> follower_;
  std::unordered_map<uint64_t, uint32_t> numbers_;
  uint32_t previous_ = 0;
  std::vector<WarpLog> warps_;
  SectorSet sectors_;
  TouchedBytes touched_;
  uint64_t blocks_ = 0, barriers_ = 0;
  bool in_block_ = false;
};

using SiteKey = std::tuple<const void*, unsigned, AccessKind, bool>;  // site, bytes, kind, shared

struct KernelSum {
  KernelCount count;
  std::map<SiteKey, SiteCount> sites;
};

/// All counters and sums. Host threads come and go; their counters stay and are used again.
struct Registry {
  std::mutex mutex;
  std::vector<std::unique_ptr<Counter>> counters;
  std::vector<Counter*> unused;
  std::vector<KernelSum> kernels;  // in the order of their first launch
  TouchedBytes touched;
  std::atomic<uint32_t> open_launch{0};  // number; 0: none
  size_t open_kernel = 0;                // index of kernels
};
Registry& registry() {
  static Registry* the_one = new Registry;  // never destroyed: host threads may outlive static objects
  return *the_one;
}

struct OwnCounter {
  Counter* counter = nullptr;
  ~OwnCounter() {
    if (!counter) return;
    Registry& all = registry();
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.unused.push_back(counter);
  }
};
thread_local OwnCounter own;

/// Sums up the launch that is open. Its blocks have ended. Under the registry's lock.
void close_launch(Registry& all) {
  if (all.open_launch.load(std::memory_order_relaxed) == 0) return;
  all.open_launch.store(0, std::memory_order_relaxed);
  KernelSum& kernel = all.kernels[all.open_kernel];
  for (const auto& counter : all.counters) {
    counter->hand_in(&kernel.count, &all.touched, [&](const SiteCount& site) {
      SiteCount& sum = kernel.sites[{site.site, site.bytes, site.kind, site.shared}];
      sum.site = site.site;
      sum.bytes = site.bytes;
      sum.kind = site.kind;
      sum.shared = site.shared;
      sum.add(site);
    });
  }
  kernel.count.distinct_bytes += all.touched.take_sum();
}

void open_launch(Registry& all, const Launch& launch) {
  close_launch(all);
  size_t at = 0;
  while (at < all.kernels.size() && all.kernels[at].count.kernel != launch.kernel) ++at;
  if (at == all.kernels.size()) {
    all.kernels.emplace_back();
    all.kernels[at].count.kernel = launch.kernel;
  }
  KernelCount& count = all.kernels[at].count;
  ++count.launches;
  count.threads += launch.block_count() * launch.block.x * launch.block.y * launch.block.z;
  count.static_shared = std::max(count.static_shared, static_shared_bytes(launch.function));
  count.dynamic_shared = std::max(count.dynamic_shared, launch.shared_bytes);
  all.open_kernel = at;
  all.open_launch.store(launch.number, std::memory_order_release);
}

/// Instructions become lines.
void resolve(KernelSum& kernel) {
  KernelCount& count = kernel.count;
  std::map<std::tuple<std::string, int, bool, AccessKind>, LineCount> lines;
  for (const auto& [key, site] : kernel.sites) {
    const SourceLine source = source_line(site.site);
    LineCount& line = lines[{source.file, source.line, site.shared, site.kind}];
    line.kernel = count.kernel;
    line.file = source.file;
    line.line = source.line;
    line.shared = site.shared;
    line.write = site.kind == AccessKind::kWrite;
    line.atomic = site.kind == AccessKind::kAtomic;
    line.requests += site.requests;
    line.lanes += site.lanes;
    line.moved += site.moved;
    line.fewest += site.fewest;
    count.partial_requests += site.partial;
    (site.shared ? count.wavefronts : count.sectors) += site.moved;
    (site.shared ? count.fewest_wavefronts : count.fewest_sectors) += site.fewest;
  }
  for (auto& line : lines) count.lines.push_back(std::move(line.second));
}

}  // namespace

void count_block_begins(Block& block) {
  if (!options().count) return;
  Registry& all = registry();
  if (all.open_launch.load(std::memory_order_acquire) != block.launch->number) {
    const std::lock_guard<std::mutex> lock(all.mutex);
    if (all.open_launch.load(std::memory_order_relaxed) != block.launch->number)
      open_launch(all, *block.launch);
  }
  if (!own.counter) {
    const std::lock_guard<std::mutex> lock(all.mutex);
    if (all.unused.empty()) {
      all.counters.push_back(std::make_unique<Counter>());
      own.counter = all.counters.back().get();
    } else {
      own.counter = all.unused.back();
      all.unused.pop_back();
    }
  }
  own.counter->begin_block(block);
}

void count_passes_barrier(Block& block) {
  if (!options().count || !own.counter) return;
  own.counter->flush(block);
  own.counter->pass_barrier();
}

void count_block_ends(Block& block) {
  if (!options().count || !own.counter) return;
  own.counter->flush(block);
  own.counter->end_block();
}

void count_access(const Access& access, bool shared) {
  if (!own.counter) return;
  Access piece = access;
  for (unsigned done = 0; done < access.bytes; done += kWidestAccess) {
    piece.address = access.address + done;
    piece.bytes = std::min(access.bytes - done, kWidestAccess);
    own.counter->add(piece, shared);
  }
}

std::vector<KernelCount> take_counts() {
  Registry& all = registry();
  const std::lock_guard<std::mutex> lock(all.mutex);
  close_launch(all);
  std::vector<KernelCount> counts;
  for (KernelSum& kernel : all.kernels) {
    resolve(kernel);
    counts.push_back(std::move(kernel.count));
  }
  all.kernels.clear();
  return counts;
}

}  // namespace emulator
