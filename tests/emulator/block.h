// A host thread's share of the engine: it owns the fibres and runs one block at a time.
#pragma once
#include <vector>

#include "tests/emulator/engine.h"

namespace emulator {

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
  int wait_at_barrier(Thread& self, int predicate, const void* site);
  void hand_over(Thread& self);
  void finish(Thread& self);
  [[noreturn]] void abandon(Thread& self);

 private:
  void make_stacks(unsigned count);
  void shuffle_order(uint64_t seed);
  bool run_round();
  void open_barrier();
  void report_stuck_block();
  bool is_ready(const Thread& thread) const;
  Thread* next_ready();

  std::vector<Thread> threads_;
  std::vector<unsigned> order_;  // of turns, as indices of threads_
  unsigned position_ = 0;        // in order_, of the thread whose turn it is
  Block block_;
  Context host_ = nullptr;
  bool abandoned_ = false;
  unsigned done_ = 0;  // threads that have returned
  // Of the barrier that the block is on its way to.
  unsigned arrived_ = 0;
  int predicates_ = 0;         // how many of them were not 0
  int passed_predicates_ = 0;  // of the barrier before
  const void* barrier_site_ = nullptr;
  bool several_sites_ = false;
  std::vector<char> dynamic_;
  uintptr_t dynamic_begin_ = 0;
};

}  // namespace emulator
