// A host thread's share of the engine: it owns the fibres and runs one block at a time.
#pragma once
#include <memory>
#include <vector>

#include "tests/emulator/engine.h"
#include "tests/emulator/finding.h"

namespace emulator {

/// Where a thread stands. A block's lie in the order in which its threads take turns.
struct Turn {
  Context context = nullptr;   // while it does not run; null: never started
  const void* site = nullptr;  // where it waits
  unsigned thread = 0;         // its linear number
  ThreadState state = ThreadState::kDone;
};

/// Whether two places in the program are of one line of the source.
bool same_line(const void* a, const void* b);

struct Worker {
  Worker();
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Prepares fibres and shared memory. On the host thread that will run the blocks.
  void begin_launch(const Launch& launch);
  /// Runs a block from its first thread's start to its last one's end. False when the launch must be
  /// abandoned.
  bool run_block(uint64_t number);

  // On a fibre.
  /// The running thread, whose context will be `self`, waits for the block: what is to run instead.
  Resume arrive_at_barrier(int predicate, Context self, const void* site) {
    Turn* const next = turn_ + 1;
    if (__builtin_expect(site != barrier_site_ || next->state != ThreadState::kReady, 0)) {
      return arrive_otherwise(predicate, self, site);
    }
    ++arrived_;
    predicates_ += predicate != 0;
    turn_->context = self;
    turn_->site = site;
    turn_->state = ThreadState::kAtBarrier;
    turn_ = next;
    // Stacks are too many for the nearest cache.
    const auto soon = reinterpret_cast<uintptr_t>(next[kAhead].context);  // may be null
    __builtin_prefetch(reinterpret_cast<const void*>(soon), 1);
    __builtin_prefetch(reinterpret_cast<const void*>(soon + 64), 1);
    running.thread = &threads_[next->thread];
    return {next->context, passed_predicates_};
  }
  int wait_at_barrier(int predicate, const void* site);
  /// The running thread waits for the lanes of `mask`, or is the last of them.
  void wait_at_collective(unsigned mask, void* deposit, Complete complete, const void* site);
  void finish();
  [[noreturn]] void abandon();
  unsigned live_lanes() const;
  /// The running thread waits in this state until somebody makes it ready.
  void wait_in(ThreadState state, const void* site);
  void make_ready(const Thread& thread) { turns_[thread.turn].state = ThreadState::kReady; }

 private:
  static constexpr int kAhead = 2;  // turns from the fetching of a stack to its use

  void make_stacks(unsigned count);
  std::vector<unsigned> shuffled_order(uint64_t seed) const;
  void set_order(const std::vector<unsigned>& order);
  bool run_round();
  void open_barrier();
  bool wake_at_mbarriers();
  Resume arrive_otherwise(int predicate, Context self, const void* site);
  void report_stuck_block();
  void report_deadlock(const Thread& thread);
  void report_stuck_warpgroup(const Thread& thread);
  void report_not_in_mask(const Thread& self);
  void report_stuck(FindingKind kind, const Thread& thread, const Thread& other, const std::string& value);
  bool at_same_collective(const Thread& thread, const Thread& other) const;
  void hand_over();
  Context next_ready();
  const Turn& turn(const Thread& thread) const { return turns_[thread.turn]; }
  Turn* end() { return turns_.data() + block_.size; }

  std::vector<Thread> threads_;
  std::vector<Turn> turns_;  // as many as threads_, and kAhead + 1 of nobody
  Turn* turn_ = nullptr;     // of the thread that runs, or end()
  Block block_;
  Context host_ = nullptr;
  bool abandoned_ = false;
  unsigned done_ = 0;  // threads that have returned
  // Of the barrier that the block is on its way to.
  unsigned arrived_ = 0;
  int predicates_ = 0;                  // how many of them were not 0
  int passed_predicates_ = 0;           // of the barrier before
  const void* barrier_site_ = nullptr;  // null: nobody has arrived
  bool several_sites_ = false;
  std::unique_ptr<AsyncProxy> async_;
  std::vector<char> dynamic_;
  uintptr_t dynamic_begin_ = 0;
};

}  // namespace emulator
