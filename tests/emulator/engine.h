// The engine: runs the blocks of a launch on the cores of this machine, one fibre per CUDA thread.
//
//   launch()  ->  workers (host threads) take blocks  ->  a block's fibres run until a barrier or collective
//
// Fibres never change their host thread, so `__shared__` can be thread_local: a worker runs one block at a
// time. A block's threads take turns only at barriers, warp collectives and their end; between them each runs
// alone.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/emulator/include/emulator/vector_types.h"
#include "tests/emulator/stack_switch.h"

namespace emulator {

constexpr unsigned kWarpSize = 32;

struct AsyncProxy;
struct Block;
struct Warp;
struct Worker;

/// Runs once all lanes of `mask` have arrived: reads and writes what each lane deposited (null outside the
/// mask).
using Complete = void (*)(void* const lanes[kWarpSize], unsigned mask);

enum class ThreadState : uint8_t { kReady, kAtBarrier, kAtCollective, kAtMbarrier, kAtWarpGroup, kDone };

/// A copy that cp.async has begun and nothing has waited for yet.
struct AsyncCopy {
  void* to = nullptr;          // shared memory
  const void* from = nullptr;  // device memory
  unsigned bytes = 0;          // written
  unsigned read_bytes = 0;     // read; the rest of `bytes` is zeros
  const void* site = nullptr;
  unsigned group = 0;  // number of the commit that closed it
};

/// Registers of a thread that a wgmma works on.
struct RegisterRange {
  uintptr_t begin = 0, end = 0;
  const void* site = nullptr;  // of the wgmma
};

/// One CUDA thread. What a barrier touches is not here but in its Turn, which takes fewer lines of the cache.
struct alignas(64) Thread {
  Block* block = nullptr;
  uint3 index{0, 0, 0};
  unsigned linear = 0;  // in its block
  unsigned lane = 0;
  unsigned turn = 0;
  Warp* warp = nullptr;
  uintptr_t stack_begin = 0, stack_end = 0;

  // At a warp collective.
  unsigned mask = 0;
  void* deposit = nullptr;
  Complete complete = nullptr;

  bool fenced = false;  // by __threadfence, since its last atomic
  std::vector<AsyncCopy> copies;
  unsigned committed_groups = 0;

  // async_proxy.h: what it waits for at an mbarrier, and its wgmmas.
  const uint64_t* barrier = nullptr;
  unsigned parity = 0;
  std::vector<RegisterRange> registers;
  unsigned wgmma_groups = 0;  // committed
  bool wgmma_fenced = false;  // since its last wait
};

struct Warp {
  Thread* lanes[kWarpSize] = {};
  unsigned size = 0;     // lanes that exist
  unsigned waiting = 0;  // of them, at a collective
  uint32_t syncs = 0;    // __syncwarp so far in this block
};

/// What is being run: the same for all of a launch's blocks.
struct Launch {
  const void* function = nullptr;
  std::string kernel;  // demangled, without its arguments
  dim3 grid, block;
  size_t shared_bytes = 0;  // dynamic
  std::function<void()> body;
  std::vector<const void*> pointers;  // by position: the parameter where it is a pointer, else null
  uint32_t number = 0;                // of this launch, from 1
  uint32_t first_instance = 0;  // block b is instance first_instance + b; an instance is never used twice

  uint64_t block_count() const { return uint64_t{grid.x} * grid.y * grid.z; }
};

/// One block while it runs.
struct Block {
  const Launch* launch = nullptr;
  uint3 index{0, 0, 0};
  uint32_t instance = 0;
  uint32_t barriers = 0;  // passed so far
  Thread* threads = nullptr;
  unsigned size = 0;
  std::vector<Warp> warps;
  Worker* worker = nullptr;
  AsyncProxy* async = nullptr;
};

/// Shared memory of the block that a host thread runs, as addresses.
struct SharedMemory {
  uintptr_t static_begin = 0, static_end = 0;  // thread_local storage of the module with the kernels
  uintptr_t dynamic_begin = 0, dynamic_end = 0;
};

/// What the access hooks need at hand; null thread: host code is running.
struct Running {
  Thread* thread = nullptr;
  Worker* worker = nullptr;
  SharedMemory shared;
};
extern __thread Running running;  // not thread_local: that hides a call behind every use

/// Ends the block that is running and the whole launch: after what no GPU would survive. Call on a fibre.
[[noreturn]] void abandon_launch();

/// Waits for all lanes of `mask`, which `complete` then serves. `deposit` is this lane's. On a fibre.
void warp_collective(unsigned mask, void* deposit, Complete complete, const void* site);

/// The calls that the engine makes of the parts that watch it (check.cpp, count.cpp).
void block_begins(Block& block);
void block_passes_barrier(Block& block);  // all threads have arrived, none has left
void block_ends(Block& block);
void block_is_abandoned(Block& block);

/// Runs every block; returns false when the launch was abandoned. Host code, one launch at a time.
bool run_launch(const Launch& launch);

}  // namespace emulator
