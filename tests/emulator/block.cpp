// Fibres of one block, and what makes them wait. They take turns in a fixed order; one that waits hands over
// to the next that is ready, and the last of a round to the host thread, which opens barriers.
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
#include "tests/emulator/async_proxy.h"
#include "tests/emulator/emulator.h"
#include "tests/emulator/finding.h"
#include "tests/emulator/include/emulator/kernel_api.h"
#include "tests/emulator/symbols.h"

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
    running.worker->finish();
  }
}

}  // namespace

Worker::Worker() : async_(std::make_unique<AsyncProxy>()) {
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
    thread.turn = static_cast<unsigned>(threads_.size());
    threads_.push_back(std::move(thread));
  }
  turns_.resize(threads_.size() + kAhead + 1);
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
  block_.async = async_.get();
  block_.warps.assign((count + kWarpSize - 1) / kWarpSize, Warp());
  std::vector<unsigned> order(threads_.size());
  std::iota(order.begin(), order.end(), 0u);
  set_order(order);
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
  running.worker = this;
  running.shared.dynamic_begin = dynamic_begin_;
  running.shared.dynamic_end = dynamic_begin_ + launch.shared_bytes;
}

/// Warps in any order, and the lanes of each in any order; a warp's lanes stay together, which counting
/// likes.
std::vector<unsigned> Worker::shuffled_order(uint64_t seed) const {
  std::mt19937_64 random(seed);
  std::vector<unsigned> warps(block_.warps.size());
  std::iota(warps.begin(), warps.end(), 0u);
  std::shuffle(warps.begin(), warps.end(), random);
  std::vector<unsigned> order;
  for (const unsigned warp : warps) {
    const auto begin = static_cast<std::ptrdiff_t>(order.size());
    for (unsigned lane = 0; lane < block_.warps[warp].size; ++lane) order.push_back(warp * kWarpSize + lane);
    std::shuffle(order.begin() + begin, order.end(), random);
  }
  return order;
}

/// The turns of the threads with these linear numbers come first, in this order.
void Worker::set_order(const std::vector<unsigned>& order) {
  std::vector<Turn> turns;
  for (const unsigned linear : order) turns.push_back(turns_[threads_[linear].turn]);
  for (unsigned i = 0; i < order.size(); ++i) {
    turns_[i] = turns[i];
    turns_[i].thread = order[i];
    threads_[order[i]].turn = i;
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
  barrier_site_ = nullptr;
  for (Warp& warp : block_.warps) warp.syncs = warp.waiting = 0;
  async_->used = false;
  if (options().shuffle) set_order(shuffled_order(options().shuffle + number));
  turns_[block_.size].state = ThreadState::kDone;
  for (Turn* turn = turns_.data(); turn != end(); ++turn) {
    Thread& thread = threads_[turn->thread];
    turn->state = ThreadState::kReady;
    thread.fenced = false;
    thread.copies.clear();
    thread.committed_groups = 0;
    thread.registers.clear();
    thread.wgmma_groups = 0;
    thread.wgmma_fenced = false;
    if (!turn->context) {
      turn->context = make_context(thread.stack_end, thread.stack_end - thread.stack_begin, fibre_entry);
    }
  }
  block_begins(block_);
  abandoned_ = false;
  while (run_round()) {
  }
  if (abandoned_) {  // their stacks are thrown away as they are: kernels own nothing
    block_is_abandoned(block_);
    for (Turn* turn = turns_.data(); turn != end(); ++turn) turn->context = nullptr;
    return false;
  }
  block_ends(block_);
  return true;
}

/// Lets every ready thread run until it waits. False when the block has ended.
bool Worker::run_round() {
  turn_ = turns_.data();
  switch_context(&host_, next_ready(), passed_predicates_);
  running.thread = nullptr;
  if (abandoned_) return false;
  if (done_ == block_.size) return false;
  if (arrived_ == block_.size && !several_sites_) {
    open_barrier();
    return true;
  }
  const auto is_ready = [](const Turn& turn) { return turn.state == ThreadState::kReady; };
  if (std::any_of(turns_.data(), end(), is_ready) || wake_at_mbarriers()) return true;
  report_stuck_block();
  abandoned_ = true;
  return false;
}

/// Makes those ready whose phase is complete. False when there are none.
bool Worker::wake_at_mbarriers() {
  bool any = false;
  for (Turn* turn = turns_.data(); turn != end(); ++turn) {
    const Thread& thread = threads_[turn->thread];
    if (turn->state != ThreadState::kAtMbarrier) continue;
    if (!mbarrier_passes(block_, thread.barrier, thread.parity)) continue;
    turn->state = ThreadState::kReady;
    any = true;
  }
  return any;
}

void Worker::open_barrier() {
  block_passes_barrier(block_);
  ++block_.barriers;
  passed_predicates_ = predicates_;
  arrived_ = 0;
  predicates_ = 0;
  barrier_site_ = nullptr;
  for (Turn* turn = turns_.data(); turn != end(); ++turn) turn->state = ThreadState::kReady;
}

/// The context of the next thread that is ready, from turn_ on, which is then the running one; that of the
/// host thread when there is none.
Context Worker::next_ready() {
  for (; turn_ != end(); ++turn_) {
    if (turn_->state != ThreadState::kReady) continue;
    running.thread = &threads_[turn_->thread];
    return turn_->context;
  }
  running.thread = nullptr;
  return host_;
}

/// The same for the first and the last to arrive, and where threads have gone different ways.
__attribute__((noinline)) Resume Worker::arrive_otherwise(int predicate, Context self, const void* site) {
  if (!barrier_site_) {
    barrier_site_ = site;
    several_sites_ = false;
  } else if (site != barrier_site_ && !several_sites_) {
    several_sites_ = !same_line(site, barrier_site_);  // the compiler may have copied the call
  }
  ++arrived_;
  predicates_ += predicate != 0;
  turn_->context = self;
  turn_->site = site;
  turn_->state = ThreadState::kAtBarrier;
  ++turn_;
  const Context next = next_ready();
  return {next, passed_predicates_};
}

void Worker::wait_at_collective(unsigned mask, void* deposit, Complete complete, const void* site) {
  Thread& self = *running.thread;
  self.mask = mask;
  self.deposit = deposit;
  self.complete = complete;
  turn_->site = site;
  turn_->state = ThreadState::kAtCollective;
  if (!(mask >> self.lane & 1)) {
    report_not_in_mask(self);
    abandon();
  }
  Warp& warp = *self.warp;
  const auto wanted = static_cast<unsigned>(__builtin_popcount(mask));
  if (++warp.waiting < wanted) return hand_over();
  void* deposits[kWarpSize] = {};
  for (unsigned rest = mask; rest; rest &= rest - 1) {
    const auto lane = static_cast<unsigned>(__builtin_ctz(rest));
    const Thread* other = warp.lanes[lane];
    if (!other || !at_same_collective(self, *other)) return hand_over();
    deposits[lane] = other->deposit;
  }
  if (complete) complete(deposits, mask);
  warp.waiting -= wanted;
  for (unsigned rest = mask; rest; rest &= rest - 1) {
    turns_[warp.lanes[__builtin_ctz(rest)]->turn].state = ThreadState::kReady;
  }
}

void Worker::wait_in(ThreadState state, const void* site) {
  turn_->site = site;
  turn_->state = state;
  hand_over();
}

unsigned Worker::live_lanes() const {
  const Warp& warp = *running.thread->warp;
  unsigned live = 0;
  for (unsigned lane = 0; lane < warp.size; ++lane) {
    live |= static_cast<unsigned>(turn(*warp.lanes[lane]).state != ThreadState::kDone) << lane;
  }
  return live;
}

void Worker::hand_over() {
  Context* const self = &turn_->context;
  ++turn_;
  const Context next = next_ready();
  switch_context(self, next, passed_predicates_);
}

#ifndef __x86_64__
int Worker::wait_at_barrier(int predicate, const void* site) {
  Context* const self = &turn_->context;
  switch_context(self, arrive_at_barrier(predicate, nullptr, site).context, 0);
  return passed_predicates_;
}
#endif

void Worker::finish() {
  turn_->state = ThreadState::kDone;
  ++done_;
  hand_over();
}

void Worker::abandon() {
  abandoned_ = true;
  running.thread = nullptr;
  Context thrown_away = nullptr;
  switch_context(&thrown_away, host_, 0);
  std::abort();  // nobody comes back to an abandoned fibre
}

// ---------------------------------------------------------------- what fibres call

void abandon_launch() { running.worker->abandon(); }

void warp_collective(unsigned mask, void* deposit, Complete complete, const void* site) {
  running.worker->wait_at_collective(mask, deposit, complete, site);
}

#ifdef __x86_64__
/// What sync_threads of stack_switch.cpp calls.
extern "C" Resume emulator_arrive_at_barrier(int predicate, Context self, const void* site) {
  return running.worker->arrive_at_barrier(predicate, self, site);
}
#else
int sync_threads(int predicate) noexcept {
  return running.worker->wait_at_barrier(predicate, __builtin_return_address(0));
}
#endif

// ---------------------------------------------------------------- what kernels call, by the headers

uint3 thread_idx() noexcept { return running.thread->index; }
uint3 block_idx() noexcept { return running.thread->block->index; }
dim3 block_dim() noexcept { return running.thread->block->launch->block; }
dim3 grid_dim() noexcept { return running.thread->block->launch->grid; }
void* dynamic_shared() noexcept { return reinterpret_cast<void*>(running.shared.dynamic_begin); }

void sync_warp(unsigned mask) noexcept {
  // The count goes up once per barrier: by the lane that completes it.
  const auto complete = [](void* const[], unsigned) { ++running.thread->warp->syncs; };
  warp_collective(mask, nullptr, complete, __builtin_return_address(0));
}

void collective(unsigned mask, void* deposit, void (*complete)(void* const[kWarpSize], unsigned)) noexcept {
  warp_collective(mask, deposit, complete, __builtin_return_address(0));
}

unsigned live_lanes() noexcept { return running.worker->live_lanes(); }

void thread_fence() noexcept {
  running.thread->fenced = true;
  on_fence();
}

}  // namespace emulator
