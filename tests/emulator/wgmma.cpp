// wgmma: 128 threads bring their registers, which are out of reach until a wait; descriptors are decoded,
// and shared memory is read, when the first warp waits. Work of the tensor cores themselves is done by
// kernels/cuda/hopper_host.cuh.
#include <algorithm>
#include <cstring>

#include "tests/emulator/async_proxy.h"
#include "tests/emulator/block.h"

namespace emulator {
namespace {

// The matrix descriptor, as the PTX ISA documents it: address, offsets and base in units of 16 bytes.
constexpr unsigned kStrideShift = 32, kBaseShift = 49, kModeShift = 62;
constexpr uint64_t kFieldMask = 0x3fff, kSwizzle128 = 1;
constexpr unsigned kPattern = 1024;  // bytes after which the swizzle of 128 bytes repeats

/// What the descriptor says, of an operand of so many rows; reports what no wgmma of this project may have.
WgmmaOperand decode(uint64_t descriptor, int rows, const void* site) {
  const auto address = static_cast<uint32_t>(descriptor & kFieldMask) << 4;
  WgmmaOperand operand;
  operand.first = running.shared.dynamic_begin + address - kDynamicAddress;
  operand.group_stride = static_cast<unsigned>(descriptor >> kStrideShift & kFieldMask) << 4;
  const unsigned base = descriptor >> kBaseShift & 7;
  const auto refuse = [&](const std::string& what) {
    report_bad_operand(operand.first, kWgmmaRowBytes, site, what);
  };
  // LBO is for operands that are wider than their swizzle, which rows of 32 bytes are not.
  if (descriptor >> kModeShift != kSwizzle128)
    refuse("the emulator's wgmma knows swizzles of 128 bytes only");
  if ((operand.first >> 7 & 7) != base) {
    refuse("the tile of a descriptor with base offset " + std::to_string(base) +
           " must lie at a multiple of 1024 bytes");
  }
  if (rows > 8 && operand.group_stride % kPattern != 0) {
    refuse("8-row groups " + std::to_string(operand.group_stride) +
           " bytes apart: a swizzle of 128 bytes repeats every 1024");
  }
  const uintptr_t group = operand.first + static_cast<unsigned>(rows / 8 - 1) * operand.group_stride;
  const void* const last = reinterpret_cast<const void*>(group);
  require_shared(reinterpret_cast<const void*>(operand.first), kPattern - kWgmmaRowBytes, AccessKind::kRead,
                 site);
  require_shared(last, kPattern - kPattern / 8 + kWgmmaRowBytes, AccessKind::kRead, site);
  return operand;
}

WarpGroup& group_of(const Thread& thread) { return async_proxy().groups[thread.linear / kGroupThreads]; }

/// Row and column of a thread's register in the 64 x n sums.
size_t place_of(unsigned thread, int register_number, int n) {
  const unsigned lane = thread % kWarpSize, i = static_cast<unsigned>(register_number);
  const unsigned row = thread / kWarpSize * 16 + lane / 4 + i / 2 % 2 * 8;
  return size_t{row} * static_cast<unsigned>(n) + i / 4 * 8 + lane % 4 * 2 + i % 2;
}

/// The part of an operand that a warp stands for: every warp reads all of B, but a word of shared memory
/// remembers two of its readers, so that each gets a quarter of the rows.
template <typename Visit>
void for_each_half_row(const WgmmaOp& op, unsigned warp, Visit visit) {
  for (int row = 0; row < 16; ++row) {
    for (int half = 0; half < 2; ++half) visit(op.a.address(static_cast<int>(warp) * 16 + row, half));
  }
  for (int row = static_cast<int>(warp); row < op.n; row += kGroupWarps) {
    for (int half = 0; half < 2; ++half) visit(op.b.address(row, half));
  }
}

void check_operands(const Block& block, unsigned first_warp, WgmmaOp& op) {
  for (unsigned warp = 0; warp < kGroupWarps; ++warp) {
    for_each_half_row(op, warp, [&](uintptr_t address) {
      op.readable &= check_wgmma_operand(block, first_warp + warp, address, op.site);
    });
  }
}

/// All 128 threads have come.
void issue(Block& block, WarpGroup& group, const void* site) {
  const Thread& self = *running.thread;
  const WgmmaRequest& first = *group.requests[0];
  for (const WgmmaRequest* other : group.requests) {
    if (other->a != first.a || other->b != first.b || other->n != first.n ||
        other->multiply != first.multiply) {
      report_bad_operand(reinterpret_cast<uintptr_t>(other->registers), 4, site,
                         "threads of a warpgroup bring different descriptors or shapes");
    }
  }
  WgmmaOp op;
  op.a = decode(first.a, kWgmmaRows, site);
  op.b = decode(first.b, first.n, site);
  op.n = first.n;
  op.multiply = first.multiply;
  op.site = site;
  op.group = self.wgmma_groups + 1;
  op.key = first.registers;
  const unsigned first_thread = self.linear / kGroupThreads * kGroupThreads;
  if (watch.check) check_operands(block, first_thread / kWarpSize, op);
  WgmmaSums& sums = group.sums[op.key];
  const bool taken = sums.n != 0;
  sums.n = op.n;
  sums.values.resize(size_t{kWgmmaRows} * static_cast<unsigned>(op.n));
  sums.group = op.group;
  for (unsigned thread = 0; thread < kGroupThreads; ++thread) {
    float* const registers = group.requests[thread]->registers;
    sums.registers[thread] = registers;
    const bool has_them = taken && !(sums.delivered >> thread / kWarpSize & 1);
    if (has_them) continue;  // of a wgmma before this one
    for (int i = 0; i < op.n / 2; ++i) sums.values[place_of(thread, i, op.n)] = registers[i];
    std::memset(registers, 0xff, static_cast<unsigned>(op.n) / 2 * sizeof(float));
    const auto begin = reinterpret_cast<uintptr_t>(registers);
    block.threads[first_thread + thread].registers.push_back(
        {begin, begin + static_cast<unsigned>(op.n) / 2 * sizeof(float), site});
  }
  sums.delivered = 0;
  group.ops.push_back(std::move(op));
}

void multiply(const WgmmaOp& op, WgmmaSums& sums) {
  constexpr size_t kHalf = kWgmmaRowBytes / 2;
  std::vector<unsigned char> a(kWgmmaRows * kWgmmaRowBytes), b(static_cast<unsigned>(op.n) * kWgmmaRowBytes);
  const auto gather = [&](std::vector<unsigned char>& rows, const WgmmaOperand& operand) {
    for (size_t i = 0; i < rows.size() / kHalf; ++i) {
      const uintptr_t from = operand.address(static_cast<int>(i / 2), static_cast<int>(i % 2));
      std::memcpy(&rows[i * kHalf], reinterpret_cast<const void*>(from), kHalf);
    }
  };
  gather(a, op.a);
  gather(b, op.b);
  op.multiply(sums.values.data(), a.data(), b.data(), op.n);
}

/// A lane of the warp that waits, and for what.
struct WaitLane {
  Thread* thread = nullptr;
  unsigned pending = 0;
};

void deliver(WgmmaSums& sums, void* const lanes[kWarpSize]) {
  for (unsigned lane = 0; lane < kWarpSize; ++lane) {
    Thread& thread = *static_cast<const WaitLane*>(lanes[lane])->thread;
    const unsigned in_group = thread.linear % kGroupThreads;
    float* const registers = sums.registers[in_group];
    for (int i = 0; i < sums.n / 2; ++i) registers[i] = sums.values[place_of(in_group, i, sums.n)];
    auto& taken = thread.registers;
    taken.erase(std::remove_if(taken.begin(), taken.end(),
                               [&](const RegisterRange& range) {
                                 return range.begin == reinterpret_cast<uintptr_t>(registers);
                               }),
                taken.end());
  }
}

/// All lanes of a warp wait.
void complete_wait(void* const lanes[kWarpSize], unsigned) {
  Thread& self = *running.thread;
  WarpGroup& group = group_of(self);
  const unsigned pending = static_cast<const WaitLane*>(lanes[0])->pending;
  if (self.wgmma_groups < pending) return;
  const unsigned last = self.wgmma_groups - pending, warp = self.linear / kWarpSize % kGroupWarps;
  for (WgmmaOp& op : group.ops) {
    if (op.group > last || op.waited >> warp & 1) continue;
    if (!op.done) multiply(op, group.sums[op.key]);
    op.done = true;
    op.waited |= 1u << warp;
    if (!watch.check || !op.readable) continue;
    for_each_half_row(op, warp, [&](uintptr_t address) {
      record_wgmma_read(*self.block, self.linear / kWarpSize, address, op.site);
    });
  }
  constexpr unsigned kAll = (1u << kGroupWarps) - 1;
  while (!group.ops.empty() && group.ops.front().waited == kAll) group.ops.pop_front();
  for (auto sums = group.sums.begin(); sums != group.sums.end();) {
    if (sums->second.group <= last && !(sums->second.delivered >> warp & 1)) {
      deliver(sums->second, lanes);
      sums->second.delivered |= 1u << warp;
    }
    sums = sums->second.delivered == kAll ? group.sums.erase(sums) : std::next(sums);
  }
}

}  // namespace

uintptr_t WgmmaOperand::address(int row, int half) const {
  const auto group = static_cast<unsigned>(row) / 8, in_group = static_cast<unsigned>(row) % 8;
  const uintptr_t plain = first + group * group_stride + in_group * 128 + static_cast<unsigned>(half) * 16;
  return plain ^ (plain >> 3 & 0x70);
}

uint32_t shared_address(const void* pointer) noexcept {
  const uintptr_t offset = reinterpret_cast<uintptr_t>(pointer) - running.shared.dynamic_begin;
  if (offset > running.shared.dynamic_end - running.shared.dynamic_begin) {
    report_bad_operand(reinterpret_cast<uintptr_t>(pointer), 1, __builtin_return_address(0),
                       "the emulator's descriptors are of dynamic shared memory");
  }
  return kDynamicAddress + static_cast<uint32_t>(offset);
}

void wgmma(const WgmmaRequest& request) noexcept {
  const void* const site = __builtin_return_address(0);
  Thread& self = *running.thread;
  if (!self.wgmma_fenced) {
    report_bad_operand(reinterpret_cast<uintptr_t>(request.registers), 4, site,
                       "registers without a wgmma.fence since the last wait");
  }
  WarpGroup& group = group_of(self);
  group.requests[self.linear % kGroupThreads] = &request;
  if (++group.arrived < kGroupThreads) return running.worker->wait_in(ThreadState::kAtWarpGroup, site);
  group.arrived = 0;
  issue(*self.block, group, site);
  const unsigned first = self.linear / kGroupThreads * kGroupThreads;
  for (unsigned i = 0; i < kGroupThreads; ++i) running.worker->make_ready(self.block->threads[first + i]);
}

void wgmma_fence() noexcept { running.thread->wgmma_fenced = true; }

void wgmma_commit() noexcept { ++running.thread->wgmma_groups; }

void wgmma_wait(unsigned pending) noexcept {
  Thread& self = *running.thread;
  self.wgmma_fenced = false;
  WaitLane lane{&self, pending};
  warp_collective(0xffffffffu, &lane, complete_wait, __builtin_return_address(0));
}

}  // namespace emulator
