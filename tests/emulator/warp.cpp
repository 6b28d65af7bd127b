// Warp-wide functions: lanes deposit, the last to come computes for all.
#include "tests/emulator/include/emulator/warp.h"

#include <algorithm>

#include "tests/emulator/engine.h"

namespace emulator {
namespace {

struct ShuffleLane {
  uint64_t bits, result;
  unsigned operand, width;
};

/// The lane that lane `self` reads, as the CUDA programming guide says.
unsigned source_lane(Shuffle kind, const ShuffleLane& lane, unsigned self) {
  const unsigned width = lane.width, first = self & ~(width - 1);
  switch (kind) {
    case Shuffle::kIndex: return first + (lane.operand & (width - 1));
    case Shuffle::kUp: return self - first < lane.operand ? self : self - lane.operand;
    case Shuffle::kDown:
      return lane.operand >= width || self - first + lane.operand >= width ? self : self + lane.operand;
    case Shuffle::kXor: break;
  }
  // A lane may read from an earlier section of its warp, never from a later one.
  const unsigned source = self ^ lane.operand;
  return source >= first + width ? self : source;
}

/// One per kind: lanes that bring different shuffles do not meet.
template <Shuffle kKind>
void complete_shuffle(void* const lanes[kWarpSize], unsigned mask) {
  for (unsigned rest = mask; rest; rest &= rest - 1) {
    const auto self = static_cast<unsigned>(__builtin_ctz(rest));
    auto& lane = *static_cast<ShuffleLane*>(lanes[self]);
    const unsigned source = source_lane(kKind, lane, self);
    // A lane that takes no part has no value to give: all bits set, a NaN, so that it shows.
    lane.result =
        source < kWarpSize && lanes[source] ? static_cast<ShuffleLane*>(lanes[source])->bits : ~uint64_t{0};
  }
}

struct VoteLane {
  bool predicate;
  unsigned result;
};

void complete_ballot(void* const lanes[kWarpSize], unsigned mask) {
  unsigned votes = 0;
  for (unsigned i = 0; i < kWarpSize; ++i) {
    if (lanes[i] && static_cast<VoteLane*>(lanes[i])->predicate) votes |= 1u << i;
  }
  for (unsigned rest = mask; rest; rest &= rest - 1) {
    static_cast<VoteLane*>(lanes[__builtin_ctz(rest)])->result = votes;
  }
}

struct MatchLane {
  uint64_t bits;
  unsigned result;
};

void complete_match_any(void* const lanes[kWarpSize], unsigned) {
  for (unsigned i = 0; i < kWarpSize; ++i) {
    if (!lanes[i]) continue;
    auto& lane = *static_cast<MatchLane*>(lanes[i]);
    lane.result = 0;
    for (unsigned j = 0; j < kWarpSize; ++j) {
      if (lanes[j] && static_cast<MatchLane*>(lanes[j])->bits == lane.bits) lane.result |= 1u << j;
    }
  }
}

void complete_match_all(void* const lanes[kWarpSize], unsigned mask) {
  const auto& first = *static_cast<MatchLane*>(lanes[__builtin_ctz(mask)]);
  const bool all = std::all_of(lanes, lanes + kWarpSize, [&](void* lane) {
    return !lane || static_cast<MatchLane*>(lane)->bits == first.bits;
  });
  for (unsigned i = 0; i < kWarpSize; ++i) {
    if (lanes[i]) static_cast<MatchLane*>(lanes[i])->result = all ? mask : 0;
  }
}

struct ReduceLane {
  Reduction kind;
  int64_t value;  // of an int or an unsigned: both keep their order
  int64_t result;
};

int64_t reduced(Reduction kind, int64_t a, int64_t b) {
  switch (kind) {
    case Reduction::kAddition: return a + b;
    case Reduction::kMinimum: return std::min(a, b);
    case Reduction::kMaximum: return std::max(a, b);
    case Reduction::kAnd: return a & b;
    case Reduction::kOr: return a | b;
    case Reduction::kXor: break;
  }
  return a ^ b;
}

void complete_reduce(void* const lanes[kWarpSize], unsigned mask) {
  const auto& first = *static_cast<ReduceLane*>(lanes[__builtin_ctz(mask)]);
  int64_t result = first.value;
  for (unsigned rest = mask & (mask - 1); rest; rest &= rest - 1) {
    result = reduced(first.kind, result, static_cast<ReduceLane*>(lanes[__builtin_ctz(rest)])->value);
  }
  for (unsigned rest = mask; rest; rest &= rest - 1) {
    static_cast<ReduceLane*>(lanes[__builtin_ctz(rest)])->result = result;
  }
}

}  // namespace

uint64_t shuffle(Shuffle kind, unsigned mask, uint64_t bits, unsigned lane, unsigned width) noexcept {
  ShuffleLane deposit{bits, 0, lane, width};
  Complete complete = complete_shuffle<Shuffle::kIndex>;
  if (kind == Shuffle::kUp) complete = complete_shuffle<Shuffle::kUp>;
  if (kind == Shuffle::kDown) complete = complete_shuffle<Shuffle::kDown>;
  if (kind == Shuffle::kXor) complete = complete_shuffle<Shuffle::kXor>;
  warp_collective(mask, &deposit, complete, __builtin_return_address(0));
  return deposit.result;
}

unsigned ballot(unsigned mask, bool predicate) noexcept {
  VoteLane deposit{predicate, 0};
  warp_collective(mask, &deposit, complete_ballot, __builtin_return_address(0));
  return deposit.result;
}

unsigned match_any(unsigned mask, uint64_t bits) noexcept {
  MatchLane deposit{bits, 0};
  warp_collective(mask, &deposit, complete_match_any, __builtin_return_address(0));
  return deposit.result;
}

unsigned match_all(unsigned mask, uint64_t bits) noexcept {
  MatchLane deposit{bits, 0};
  warp_collective(mask, &deposit, complete_match_all, __builtin_return_address(0));
  return deposit.result;
}

uint64_t reduce(Reduction kind, unsigned mask, int64_t value) noexcept {
  ReduceLane deposit{kind, value, 0};
  warp_collective(mask, &deposit, complete_reduce, __builtin_return_address(0));
  return static_cast<uint64_t>(deposit.result);
}

}  // namespace emulator
