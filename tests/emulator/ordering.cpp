#include "tests/emulator/ordering.h"

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tests/emulator/memory.h"

namespace emulator {
namespace {

/// A thread's moment, as far as others of its block can relate to it.
struct Moment {
  unsigned thread = 0, barriers = 0, syncs = 0;
};

struct Fence {
  Moment moment;
  unsigned count = 0;  // of the block's fences with this one: what carries fewer was before
};

struct Release {
  Moment moment;        // of the atomic
  bool fenced = false;  // by the same thread before it
  Fence fence;          // its last
};

struct Acquire {
  uintptr_t address = 0;
  Moment moment;
};

struct BlockOrder {
  std::vector<Fence> fences;
  std::vector<Acquire> acquires;
};

struct Order {
  std::mutex mutex;
  std::atomic<bool> fenced{false};  // anything in this launch
  uint32_t launch = 0;
  std::unordered_map<uint32_t, BlockOrder> blocks;                                             // by instance
  std::unordered_map<uintptr_t, std::unordered_map<uint32_t, std::vector<Release>>> releases;  // by address
};
Order& order() {
  static Order all;
  return all;
}

/// Has `earlier` happened before `later` by a barrier, a __syncwarp or the order of one thread?
bool precedes(const Moment& earlier, const Moment& later) {
  if (earlier.thread == later.thread || earlier.barriers < later.barriers) return true;
  return earlier.thread / kWarpSize == later.thread / kWarpSize && earlier.syncs != later.syncs;
}

Moment moment_of(uint64_t who, uint64_t where) { return {thread_of(who), barriers_of(who), syncs_of(where)}; }

Moment moment_now() {
  const Thread& thread = *running.thread;
  return {thread.linear, barriers_of(watch.stamp), static_cast<uint16_t>(thread.warp->syncs)};
}

const Fence* last_fence(const BlockOrder& block, unsigned thread) {
  for (size_t i = block.fences.size(); i > 0; --i) {
    if (block.fences[i - 1].moment.thread == thread) return &block.fences[i - 1];
  }
  return nullptr;
}

/// Does this release tell others of the access (moment, fences)?
bool covers(const Release& release, const BlockOrder& block, const Moment& moment, unsigned fences) {
  const bool saturated = fences == kMaxFences;
  if (release.fenced) {
    const bool before = saturated || fences < release.fence.count;
    if (moment.thread == release.fence.moment.thread ? before : precedes(moment, release.fence.moment))
      return true;
  }
  // The thread's own fence behind the access, then a barrier, then another thread's atomic.
  for (const Fence& fence : block.fences) {
    if (fence.moment.thread != moment.thread || !precedes(fence.moment, release.moment)) continue;
    if (saturated || fences < fence.count) return true;
  }
  return false;
}

class Search {
 public:
  Search(Order& all, const Record& earlier)
      : all_(all),
        instance_(instance_of(earlier.who)),
        moment_(moment_of(earlier.who, earlier.where)),
        fences_(fences_of(earlier.where)) {}

  /// Through what `block` had acquired at `now`, and through what those blocks had acquired before.
  bool reaches(uint32_t block, const Moment& now) {
    const auto found = all_.blocks.find(block);
    if (found == all_.blocks.end()) return false;
    for (const Acquire& acquire : found->second.acquires) {
      if (!seen_by(acquire.moment, now)) continue;
      const auto list = all_.releases.find(acquire.address);
      if (list != all_.releases.end() && told_by(list->second, acquire.address)) return true;
    }
    return false;
  }

 private:
  static bool seen_by(const Moment& acquire, const Moment& now) {
    return precedes(acquire, now) || acquire.thread / kWarpSize == now.thread / kWarpSize;
  }
  bool told_by(const std::unordered_map<uint32_t, std::vector<Release>>& list, uintptr_t address) {
    const auto direct = list.find(instance_);
    if (direct != list.end()) {
      for (const Release& release : direct->second) {
        if (covers(release, all_.blocks[instance_], moment_, fences_)) return true;
      }
    }
    if (!addresses_.insert(address).second) return false;
    for (const auto& [block, releases] : list) {
      for (const Release& release : releases) {
        if (reaches(block, release.moment)) return true;
      }
    }
    return false;
  }

  Order& all_;
  uint32_t instance_;
  Moment moment_;
  unsigned fences_;
  std::unordered_set<uintptr_t> addresses_;
};

}  // namespace

void ordering_begins(uint32_t launch_number) {
  Order& all = order();
  const std::lock_guard<std::mutex> lock(all.mutex);
  if (all.launch == launch_number) return;
  all.launch = launch_number;
  all.fenced = false;
  all.blocks.clear();
  all.releases.clear();
}

bool is_ordered(const Record& earlier, uint64_t who, uint64_t where) {
  Order& all = order();
  if (!all.fenced.load(std::memory_order_relaxed)) return false;
  const std::lock_guard<std::mutex> lock(all.mutex);
  return Search(all, earlier).reaches(instance_of(who), moment_of(who, where));
}

void on_fence() {
  if (!watch.check) return;
  const unsigned count = static_cast<unsigned>(watch.fences >> kFenceShift) + 1;
  if (count > kMaxFences) return;  // so many: what is left out hides a race and invents none
  watch.fences = uint64_t{count} << kFenceShift;
  Order& all = order();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.fenced.store(true, std::memory_order_relaxed);
  all.blocks[running.thread->block->instance].fences.push_back({moment_now(), count});
}

/// To be called before the atomic is carried out: whoever sees its value then finds its release here.
void on_atomic_ordering(const void* address) {
  Order& all = order();
  if (!watch.check || !running.thread || !is_device_address(address)) return;
  if (!all.fenced.load(std::memory_order_relaxed)) return;
  const std::lock_guard<std::mutex> lock(all.mutex);
  const uint32_t instance = running.thread->block->instance;
  BlockOrder& block = all.blocks[instance];
  const auto key = reinterpret_cast<uintptr_t>(address);
  const Moment now = moment_now();
  const bool known = !block.acquires.empty() && block.acquires.back().address == key &&
                     precedes(block.acquires.back().moment, now);
  if (!known) block.acquires.push_back({key, now});
  if (block.fences.empty()) return;
  const Fence* fence = last_fence(block, now.thread);
  std::vector<Release>& releases = all.releases[key][instance];
  const unsigned count = fence ? fence->count : 0;
  if (!releases.empty()) {  // a loop of atomics by one thread releases once
    const Release& last = releases.back();
    if (last.moment.thread == now.thread && last.moment.barriers == now.barriers && last.fence.count == count)
      return;
  }
  releases.push_back({now, fence != nullptr, fence ? *fence : Fence()});
}

}  // namespace emulator
