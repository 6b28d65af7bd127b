// Fibres of one block, and what makes them wait. The order of turns is that of `order`; a fibre that waits
// hands over to the next one that is ready, and the last of a round to the host thread, which opens barriers.
#include "tests/emulator/block.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <numeric>
#include <random>

#include "tests/emulator/access.h"
#include "tests/emulator/emulator.h"
#include "tests/emulator/finding.h"
#include "tests/emulator/include/emulator/kernel_api.h"
#include "tests/emulator/symbols.h"

// Between a kernel and the switch there is one call: each return after a switch may be predicted wrongly.
#define ALWAYS_INLINE __attribute__((always_inline)) inline

namespace emulator {

__thread Running running;

namespace {

constexpr size_t kStackBytes = 128 << 10;
constexpr size_t kStackColour = 576;
constexpr size_t kDynamicBytes = 256 << 10;  // more than any architecture has
constexpr size_t kDynamicAlignment = 1024;

/// A fibre serves one block after the other, so that its context is made once.
void fibre_entry() {
  for (;;) {
    Thread& self = *running.thread;
    self.block->launch->body();
    self.block->worker->finish(self);
  }
}

std::string in_words(unsigned mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

/// A finding about a thread that waits; `other` has not come, or waits elsewhere.
void report_stuck(FindingKind kind, const Thread& thread, const Thread& other, const std::string& value) {
  Finding finding;
  finding.kind = kind;
  finding.kernel = thread.block->launch->kernel;
  finding.place = place_of(thread, thread.site);
  finding.has_other = true;
  finding.other = place_of(other, other.state == ThreadState::kDone ? nullptr : other.site);
  finding.value = value;
  add_finding(std::move(finding));
}

bool same_line(const void* a, const void* b) {
  if (a == b) return true;
  const SourceLine line_a = source_line(a), line_b = source_line(b);
  return line_a.line == line_b.line && line_a.file == line_b.file;
}

}  // namespace

Worker::Worker() {
  dynamic_.resize(kDynamicBytes + kDynamicAlignment);
  const auto address = reinterpret_cast<uintptr_t>(dynamic_.data());
  dynamic_begin_ = (address + kDynamicAlignment - 1) / kDynamicAlignment * kDynamicAlignment;
}

Worker::~Worker() {
  for (const Thread& thread : threads_) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    munmap(reinterpret_cast<void*>(thread.stack_begin - page), kStackBytes + page);
  }
}

void Worker::make_stacks(unsigned count) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (threads_.size() < count) threads_.reserve(1024);
  while (threads_.size() < count) {
    void* memory = mmap(nullptr, kStackBytes + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    mprotect(memory, page, PROT_NONE);  // an overflow is a fault, not a neighbour's variable
    Thread thread;
    thread.stack_begin = reinterpret_cast<uintptr_t>(memory) + page;
    // Not all at the same place in a page: the tops of a thousand stacks would share a few sets of the cache.
    thread.stack_end = thread.stack_begin + kStackBytes - threads_.size() * kStackColour % 4096;
    threads_.push_back(std::move(thread));
  }
}

void Worker::begin_launch(const Launch& launch) {
  const dim3 size = launch.block;
  const unsigned count = size.x * size.y * size.z;
  make_stacks(count);
  block_ = Block();
  block_.launch = &launch;
  block_.threads = threads_.data();
  block_.size = count;
  block_.worker = this;
  block_.warps.assign((count + kWarpSize - 1) / kWarpSize, Warp());
  order_.resize(count);
  std::iota(order_.begin(), order_.end(), 0u);
  for (unsigned i = 0; i < count; ++i) {
    Thread& thread = threads_[i];
    thread.index = {i % size.x, i / size.x % size.y, i / size.x / size.y};
    thread.linear = i;
    thread.lane = i % kWarpSize;
    thread.block = &block_;
    thread.warp = &block_.warps[i / kWarpSize];
    thread.warp->lanes[thread.lane] = &thread;
    thread.warp->size = thread.lane + 1;
  }
  running.shared.dynamic_begin = dynamic_begin_;
  running.shared.dynamic_end = dynamic_begin_ + launch.shared_bytes;
}

/// Warps in any order, and the lanes of each in any order; a warp's lanes stay together, which counting
/// likes.
void Worker::shuffle_order(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<unsigned> warps(block_.warps.size());
  std::iota(warps.begin(), warps.end(), 0u);
  std::shuffle(warps.begin(), warps.end(), random);
  size_t next = 0;
  for (const unsigned warp : warps) {
    const size_t begin = next;
    for (unsigned lane = 0; lane < block_.warps[warp].size; ++lane) order_[next++] = warp * kWarpSize + lane;
    std::shuffle(order_.begin() + static_cast<std::ptrdiff_t>(begin),
                 order_.begin() + static_cast<std::ptrdiff_t>(next), random);
  }
}

bool Worker::run_block(uint64_t number) {
  const Launch& launch = *block_.launch;
  block_.index = {static_cast<unsigned>(number % launch.grid.x),
                  static_cast<unsigned>(number / launch.grid.x % launch.grid.y),
                  static_cast<unsigned>(number / launch.grid.x / launch.grid.y)};
  block_.instance = launch.first_instance + static_cast<uint32_t>(number);
  block_.barriers = 0;
  done_ = arrived_ = 0;
  predicates_ = 0;
  for (Warp& warp : block_.warps) warp.syncs = 0;
  for (unsigned i = 0; i < block_.size; ++i) {
    Thread& thread = threads_[i];
    thread.state = ThreadState::kReady;
    thread.fenced = false;
    thread.copies.clear();
    thread.committed_groups = 0;
    if (!thread.context) {
      thread.context = make_context(thread.stack_end, thread.stack_end - thread.stack_begin, fibre_entry);
    }
  }
  if (options().shuffle) shuffle_order(options().shuffle + number);
  block_begins(block_);
  abandoned_ = false;
  while (run_round()) {
  }
  if (abandoned_) {  // their stacks are thrown away as they are: kernels own nothing
    for (unsigned i = 0; i < block_.size; ++i) threads_[i].context = nullptr;
    return false;
  }
  block_ends(block_);
  return true;
}

/// Lets every ready thread run until it waits. False when the block has ended.
bool Worker::run_round() {
  position_ = 0;
  if (Thread* first = next_ready()) {
    running.thread = first;
    switch_context(&host_, first->context);
    running.thread = nullptr;
    if (abandoned_) return false;
  }
  if (done_ == block_.size) return false;
  if (arrived_ == block_.size && !several_sites_) {
    open_barrier();
    return true;
  }
  position_ = 0;
  if (next_ready()) return true;
  report_stuck_block();
  abandoned_ = true;
  return false;
}

void Worker::open_barrier() {
  block_passes_barrier(block_);
  ++block_.barriers;
  passed_predicates_ = predicates_;
  arrived_ = 0;
  predicates_ = 0;
}

/// No thread can go on: says which one waits and which one does not come.
void Worker::report_stuck_block() {
  Thread* const begin = threads_.data();
  Thread* const end = begin + block_.size;
  Thread* lane =
      std::find_if(begin, end, [](const Thread& t) { return t.state == ThreadState::kAtCollective; });
  if (lane != end) {
    for (unsigned i = 0; i < lane->warp->size; ++i) {
      const Thread& other = *lane->warp->lanes[i];
      if (!(lane->mask >> i & 1) || &other == lane) continue;
      const bool elsewhere = other.state != ThreadState::kAtCollective || other.mask != lane->mask ||
                             other.complete != lane->complete;
      if (!elsewhere) continue;
      report_stuck(FindingKind::kDivergentCollective, *lane, other,
                   "lanes " + in_words(lane->mask) + " are named; lane " + std::to_string(i) +
                       (other.state == ThreadState::kDone        ? " has returned"
                        : other.state == ThreadState::kAtBarrier ? " waits at a barrier"
                                                                 : " waits at another collective"));
      return;
    }
    return report_stuck(
        FindingKind::kDivergentCollective, *lane, *lane,
        "lanes " + in_words(lane->mask) + " are named, the warp has " + std::to_string(lane->warp->size));
  }
  Thread* waiting =
      std::find_if(begin, end, [](const Thread& t) { return t.state == ThreadState::kAtBarrier; });
  Thread* other = std::find_if(begin, end, [](const Thread& t) { return t.state == ThreadState::kDone; });
  if (other != end) {
    const auto done =
        std::count_if(begin, end, [](const Thread& t) { return t.state == ThreadState::kDone; });
    return report_stuck(
        FindingKind::kDivergentBarrier, *waiting, *other,
        std::to_string(done) + " of " + std::to_string(block_.size) + " threads have returned");
  }
  other = std::find_if(begin, end, [&](const Thread& t) { return !same_line(t.site, waiting->site); });
  report_stuck(FindingKind::kDivergentBarrier, *waiting, other == end ? *waiting : *other,
               "threads wait at different barriers");
}

ALWAYS_INLINE bool Worker::is_ready(const Thread& thread) const {
  return thread.state == ThreadState::kReady ||
         (thread.state == ThreadState::kAtBarrier && thread.barrier < block_.barriers);
}

ALWAYS_INLINE Thread* Worker::next_ready() {
  for (; position_ < block_.size; ++position_) {
    Thread& thread = threads_[order_[position_]];
    if (is_ready(thread)) return &thread;
  }
  return nullptr;
}

ALWAYS_INLINE int Worker::wait_at_barrier(Thread& self, int predicate, const void* site) {
  if (arrived_ == 0) {
    barrier_site_ = site;
    several_sites_ = false;
  } else if (site != barrier_site_ && !several_sites_) {
    several_sites_ = !same_line(site, barrier_site_);  // the compiler may have copied the call
  }
  ++arrived_;
  predicates_ += predicate != 0;
  self.site = site;
  self.barrier = block_.barriers;
  self.state = ThreadState::kAtBarrier;
  hand_over(self);
  self.state = ThreadState::kReady;
  return passed_predicates_;
}

ALWAYS_INLINE void Worker::hand_over(Thread& self) {
  ++position_;
  Thread* const next = abandoned_ ? nullptr : next_ready();
  running.thread = next;
  switch_context(&self.context, next ? next->context : host_);
}

void Worker::finish(Thread& self) {
  self.state = ThreadState::kDone;
  ++done_;
  hand_over(self);
}

void Worker::abandon(Thread& self) {
  abandoned_ = true;
  hand_over(self);
  std::abort();  // nobody comes back to an abandoned fibre
}

// ---------------------------------------------------------------- what fibres call

void abandon_launch() {
  running.thread->block->worker->abandon(*running.thread);
  std::abort();
}

ALWAYS_INLINE int block_barrier(int predicate, const void* site) {
  Thread& self = *running.thread;
  return self.block->worker->wait_at_barrier(self, predicate, site);
}

void warp_collective(unsigned mask, void* deposit, Complete complete, const void* site) {
  Thread& self = *running.thread;
  self.mask = mask;
  self.deposit = deposit;
  self.complete = complete;
  self.site = site;
  self.state = ThreadState::kAtCollective;
  if (!(mask >> self.lane & 1)) {
    report_stuck(FindingKind::kDivergentCollective, self, self,
                 "lane " + std::to_string(self.lane) + " is not in its own mask " + in_words(mask));
    abandon_launch();
  }
  Warp& warp = *self.warp;
  void* deposits[kWarpSize] = {};
  for (unsigned rest = mask; rest; rest &= rest - 1) {
    const auto lane = static_cast<unsigned>(__builtin_ctz(rest));
    const Thread* other = warp.lanes[lane];
    if (!other || other->state != ThreadState::kAtCollective || other->mask != mask ||
        other->complete != complete) {
      return self.block->worker->hand_over(self);
    }
    deposits[lane] = other->deposit;
  }
  if (complete) complete(deposits, mask);
  for (unsigned rest = mask; rest; rest &= rest - 1) {
    warp.lanes[__builtin_ctz(rest)]->state = ThreadState::kReady;
  }
}

// ---------------------------------------------------------------- what kernels call, by the headers

uint3 thread_idx() noexcept { return running.thread->index; }
uint3 block_idx() noexcept { return running.thread->block->index; }
dim3 block_dim() noexcept { return running.thread->block->launch->block; }
dim3 grid_dim() noexcept { return running.thread->block->launch->grid; }
void* dynamic_shared() noexcept { return reinterpret_cast<void*>(running.shared.dynamic_begin); }

int sync_threads(int predicate) noexcept { return block_barrier(predicate, __builtin_return_address(0)); }

void sync_warp(unsigned mask) noexcept {
  // The count goes up once per barrier: by the lane that completes it.
  const auto complete = [](void* const[], unsigned) { ++running.thread->warp->syncs; };
  warp_collective(mask, nullptr, complete, __builtin_return_address(0));
}

void collective(unsigned mask, void* deposit, void (*complete)(void* const[kWarpSize], unsigned)) noexcept {
  warp_collective(mask, deposit, complete, __builtin_return_address(0));
}

unsigned live_lanes() noexcept {
  const Warp& warp = *running.thread->warp;
  unsigned live = 0;
  for (unsigned lane = 0; lane < warp.size; ++lane) {
    live |= static_cast<unsigned>(warp.lanes[lane]->state != ThreadState::kDone) << lane;
  }
  return live;
}

void thread_fence() noexcept {
  running.thread->fenced = true;
  on_fence();
}

}  // namespace emulator
