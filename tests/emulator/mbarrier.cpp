// mbarriers: a word that counts arrivals and bytes, and threads that wait for its phases.
#include "tests/emulator/async_proxy.h"
#include "tests/emulator/block.h"
#include "tests/emulator/describe.h"

namespace emulator {
namespace {

// The word: phase:1 pending:20 expected:20 bytes:21 (biased), and two bits that tell it from what memory
// held before.
constexpr unsigned kCountBits = 20, kByteBits = 21, kMarkShift = 62;
constexpr uint64_t kCountMask = (1u << kCountBits) - 1, kByteMask = (1u << kByteBits) - 1, kMark = 2;
constexpr int kByteBias = 1 << (kByteBits - 1);

unsigned warp_now() { return running.thread->linear / kWarpSize; }

/// Of a barrier that the running thread uses.
Mbarrier load(const uint64_t* barrier, const void* site) {
  check_uncounted(barrier, sizeof *barrier, AccessKind::kAtomic, site);
  Mbarrier value;
  if (!Mbarrier::decode(*barrier, &value)) {
    report_bad_operand(reinterpret_cast<uintptr_t>(barrier), sizeof *barrier, site,
                       "no mbarrier has been initialised here");
  }
  return value;
}

void store(AsyncProxy& async, uint64_t* barrier, Mbarrier value) {
  if (value.completes()) {
    BarrierHistory& history = async.barriers[barrier];
    history.completed = history.arrived;
  }
  *barrier = value.encode();
}

/// One copy that is under way to the barrier arrives. False: there is none.
bool land_one(Block& block, const uint64_t* barrier) {
  AsyncProxy& async = *block.async;
  for (auto copy = async.copies.begin(); copy != async.copies.end(); ++copy) {
    if (copy->barrier != barrier) continue;
    if (watch.check) check_bulk_lands(block, *copy);
    Mbarrier value;
    Mbarrier::decode(*barrier, &value);
    for (const BulkCopy::Piece& piece : copy->pieces) {
      if (piece.from) {
        __builtin_memcpy(piece.to, piece.from, piece.bytes);
      } else {
        __builtin_memset(piece.to, 0, piece.bytes);
      }
      value.bytes -= static_cast<int>(piece.bytes);
    }
    async.barriers[barrier].arrived[copy->thread / kWarpSize] = tick();
    store(async, copy->barrier, value);
    async.copies.erase(copy);
    return true;
  }
  return false;
}

}  // namespace

AsyncProxy& async_proxy() {
  AsyncProxy& async = *running.thread->block->async;
  if (!async.used) {
    async.begin_block();
    async.used = true;
    watch.async = &async;
  }
  return async;
}

void join(Clock& clock, const Clock& other) {
  for (unsigned i = 0; i < kMostWarps; ++i) clock[i] = clock[i] > other[i] ? clock[i] : other[i];
}

uint32_t tick() {
  if (ticks_now() < kMaxFences) watch.fences += uint64_t{1} << kFenceShift;
  return ticks_now();
}

bool Mbarrier::decode(uint64_t word, Mbarrier* barrier) {
  barrier->phase = word & 1;
  barrier->pending = static_cast<unsigned>(word >> 1 & kCountMask);
  barrier->expected = static_cast<unsigned>(word >> (1 + kCountBits) & kCountMask);
  barrier->bytes = static_cast<int>(word >> (1 + 2 * kCountBits) & kByteMask) - kByteBias;
  return word >> kMarkShift == kMark && barrier->expected > 0;
}

uint64_t Mbarrier::encode() const {
  return phase | uint64_t{pending} << 1 | uint64_t{expected} << (1 + kCountBits) |
         (static_cast<uint64_t>(bytes + kByteBias) & kByteMask) << (1 + 2 * kCountBits) | kMark << kMarkShift;
}

bool Mbarrier::completes() {
  if (pending != 0 || bytes != 0) return false;
  phase ^= 1;
  pending = expected;
  return true;
}

void AsyncProxy::begin_block() {
  for (Clock& clock : seen) clock.fill(0);
  fenced.fill(0);
  inited.fill(0);
  barriers.clear();
  copies.clear();
  for (WarpGroup& group : groups) group = WarpGroup();
}

bool mbarrier_passes(Block& block, const uint64_t* barrier, unsigned parity) {
  for (;;) {
    Mbarrier value;
    Mbarrier::decode(*barrier, &value);
    if (value.phase != parity) return true;
    if (!land_one(block, barrier)) return false;
  }
}

std::string describe_mbarrier(const uint64_t* barrier, const Launch& launch) {
  Mbarrier value;
  Mbarrier::decode(*barrier, &value);
  Access access;
  access.address = reinterpret_cast<uintptr_t>(barrier);
  access.bytes = sizeof *barrier;
  return "phase " + std::to_string(value.phase) + " lacks " + std::to_string(value.pending) + " of " +
         std::to_string(value.expected) + " arrivals and " + std::to_string(value.bytes) +
         " bytes, of the mbarrier at " + describe_shared(access, launch);
}

void mbarrier_init(uint64_t* barrier, unsigned arrivals) noexcept {
  const void* const site = __builtin_return_address(0);
  check_uncounted(barrier, sizeof *barrier, AccessKind::kWrite, site);
  AsyncProxy& async = async_proxy();
  Mbarrier value;
  value.pending = value.expected = arrivals;
  *barrier = value.encode();
  BarrierHistory history;
  history.init_warp = warp_now();
  history.init_ticks = ticks_now();
  async.barriers[barrier] = history;
}

void mbarrier_arrive(uint64_t* barrier, unsigned bytes) noexcept {
  const void* const site = __builtin_return_address(0);
  Mbarrier value = load(barrier, site);
  if (value.pending == 0) {
    report_bad_operand(reinterpret_cast<uintptr_t>(barrier), sizeof *barrier, site,
                       "more arrivals than the " + std::to_string(value.expected) + " of a phase");
  }
  AsyncProxy& async = async_proxy();
  const unsigned warp = warp_now();
  Clock& arrived = async.barriers[barrier].arrived;
  join(arrived, async.seen[warp]);
  arrived[warp] = tick();
  --value.pending;
  value.bytes += static_cast<int>(bytes);
  store(async, barrier, value);
}

void mbarrier_wait(uint64_t* barrier, unsigned parity) noexcept {
  const void* const site = __builtin_return_address(0);
  load(barrier, site);
  AsyncProxy& async = async_proxy();
  Thread& self = *running.thread;
  if (!mbarrier_passes(*self.block, barrier, parity)) {
    self.barrier = barrier;
    self.parity = parity;
    running.worker->wait_in(ThreadState::kAtMbarrier, site);
  }
  join(async.seen[self.linear / kWarpSize], async.barriers[barrier].completed);
}

void fence_mbarrier_init() noexcept {
  AsyncProxy& async = async_proxy();
  async.inited[warp_now()] = tick();
}

void fence_proxy_async() noexcept {
  AsyncProxy& async = async_proxy();
  async.fenced[warp_now()] = async.inited[warp_now()] = tick();
}

}  // namespace emulator
