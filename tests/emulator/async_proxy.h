// What a block of threads has under way asynchronously, and which warps know of it: mbarriers, bulk copies
// and wgmma.
//
// Time is what Watch::fences counts: every fence, arrival and landing of the block is a tick, and records in
// the shadow of shared memory carry the tick of their access. A warp that waits at an mbarrier learns up to
// which tick it has waited for each other warp: what those did before is no race.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "tests/emulator/check.h"
#include "tests/emulator/engine.h"
#include "tests/emulator/include/emulator/async_proxy.h"

namespace emulator {

constexpr unsigned kMostWarps = 32, kGroupThreads = 128, kGroupWarps = kGroupThreads / kWarpSize;
/// Where dynamic shared memory begins in the 32-bit addresses of descriptors: behind the 1 KiB that the
/// system keeps of each block.
constexpr uint32_t kDynamicAddress = 1024;

/// By warp: the tick before which all that it did is known.
using Clock = std::array<uint32_t, kMostWarps>;
void join(Clock& clock, const Clock& other);

/// The word in shared memory that is an mbarrier.
struct Mbarrier {
  unsigned phase = 0, pending = 0, expected = 0;  // arrivals
  int bytes = 0;                                  // announced and not yet there; may be negative

  static bool decode(uint64_t word, Mbarrier* barrier);  // false: it is none
  uint64_t encode() const;
  bool completes();  // and then begins the next phase
};

/// What the checks know of an mbarrier.
struct BarrierHistory {
  Clock arrived{}, completed{};            // before the phases so far, before the last that is complete
  unsigned init_warp = 0, init_ticks = 0;  // who initialised it, when
};

/// A bulk copy under way: lines of bytes, of which some are zeros, to their places in shared memory.
struct BulkCopy {
  struct Piece {
    void* to = nullptr;
    const void* from = nullptr;  // null: zeros
    unsigned bytes = 0;
  };
  uint64_t* barrier = nullptr;
  unsigned thread = 0;  // that issued it
  const void* site = nullptr;
  std::vector<Piece> pieces;
};

/// An operand of wgmma in shared memory, by the address of each 16 bytes.
struct WgmmaOperand {
  uintptr_t first = 0;  // host address of what the descriptor's address field names
  unsigned group_stride = 0;

  /// Half `half` (of 16 bytes) of row `row`: swizzled by the bits of its address, as the hardware does it.
  uintptr_t address(int row, int half) const;
};

struct WgmmaOp {
  WgmmaOperand a, b;
  int n = 0;
  WgmmaMultiply multiply = nullptr;
  const void* site = nullptr;
  unsigned group = 0, waited = 0;  // number of its commit; a bit for each warp
  bool done = false;
  bool readable = true;  // its operands were there
  float* key = nullptr;  // of its sums: the registers of the warpgroup's first thread
};

/// Sums that wgmmas under way have taken from the registers of a warpgroup's threads.
struct WgmmaSums {
  float* registers[kGroupThreads] = {};
  int n = 0;
  std::vector<float> values;          // (64, n)
  unsigned group = 0, delivered = 0;  // of the last wgmma; a bit for each warp
};

struct WarpGroup {
  unsigned arrived = 0;
  const WgmmaRequest* requests[kGroupThreads] = {};
  std::deque<WgmmaOp> ops;
  std::map<float*, WgmmaSums> sums;
};

struct AsyncProxy {
  bool used = false;
  std::array<Clock, kMostWarps> seen{};                 // by warp, what it has waited for
  std::array<uint32_t, kMostWarps> fenced{}, inited{};  // tick of its last fence.proxy.async; of either fence
  std::map<const uint64_t*, BarrierHistory> barriers;
  std::deque<BulkCopy> copies;
  std::array<WarpGroup, kMostWarps / kGroupWarps> groups;

  void begin_block();
};

/// Of the block that runs.
AsyncProxy& async_proxy();

/// The tick that ends now.
uint32_t tick();
inline uint32_t ticks_now() { return static_cast<uint32_t>(watch.fences >> kFenceShift); }

/// Carries out the copies for a barrier until the phase of this parity is complete; whether it is.
bool mbarrier_passes(Block& block, const uint64_t* barrier, unsigned parity);
/// "phase 0 lacks 1 of 1 arrivals and 64 bytes"
std::string describe_mbarrier(const uint64_t* barrier, const Launch& launch);

// check_async.cpp. `block` runs; warps are counted in it.

/// An access that is checked; counts are of what the load and store units do.
void check_uncounted(const void* address, size_t bytes, AccessKind kind, const void* site);
/// Whether the thread of `who` has waited at an mbarrier for what `old` records.
bool is_waited_for(const Record& old, uint64_t who);
/// The copies' writes, from their start on: nobody may read these bytes until they land.
void check_bulk_begins(const BulkCopy& copy);
void check_bulk_lands(const Block& block, const BulkCopy& copy);
/// A barrier on which a copy is to complete.
void check_bulk_barrier(const uint64_t* barrier, const void* site);
/// 16 bytes that a wgmma reads for a warp. Where it begins: false when there is nothing to read; where it has
/// been waited for: nobody may have written meanwhile.
bool check_wgmma_operand(const Block& block, unsigned warp, uintptr_t address, const void* site);
void record_wgmma_read(const Block& block, unsigned warp, uintptr_t address, const void* site);
[[noreturn]] void report_bad_operand(uintptr_t address, unsigned bytes, const void* site,
                                     const std::string& what);
/// Whole ranges, with what an access outside of them is.
void require_shared(const void* address, size_t bytes, AccessKind kind, const void* site);
void require_aligned(const void* address, unsigned alignment, AccessKind kind, const void* site);
/// A thread reads or writes registers that a wgmma has.
void judge_registers(const Access& access);

}  // namespace emulator
