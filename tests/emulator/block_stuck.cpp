// What is said of a block that cannot go on.
#include <algorithm>
#include <cstdio>

#include "tests/emulator/async_proxy.h"
#include "tests/emulator/block.h"
#include "tests/emulator/finding.h"
#include "tests/emulator/symbols.h"

namespace emulator {
namespace {

std::string in_words(unsigned mask) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", mask);
  return text;
}

}  // namespace

bool same_line(const void* a, const void* b) {
  if (a == b) return true;
  const SourceLine line_a = source_line(a), line_b = source_line(b);
  return line_a.line == line_b.line && line_a.file == line_b.file;
}

bool Worker::at_same_collective(const Thread& thread, const Thread& other) const {
  return turn(other).state == ThreadState::kAtCollective && other.mask == thread.mask &&
         other.complete == thread.complete;
}

/// A finding about a thread that waits; `other` has not come, or waits elsewhere, or is the thread itself:
/// there is none.
void Worker::report_stuck(FindingKind kind, const Thread& thread, const Thread& other,
                          const std::string& value) {
  Finding finding;
  finding.kind = kind;
  finding.kernel = block_.launch->kernel;
  finding.place = place_of(thread, turn(thread).site);
  finding.has_other = &other != &thread;
  if (finding.has_other) {
    const bool done = turn(other).state == ThreadState::kDone;
    finding.other = place_of(other, done ? nullptr : turn(other).site);
  }
  finding.value = value;
  add_finding(std::move(finding));
}

void Worker::report_deadlock(const Thread& thread) {
  report_stuck(
      FindingKind::kDeadlock, thread, thread,
      describe_mbarrier(thread.barrier, *block_.launch) + ", for parity " + std::to_string(thread.parity));
}

void Worker::report_stuck_warpgroup(const Thread& thread) {
  const unsigned first = thread.linear / kGroupThreads * kGroupThreads;
  const unsigned behind = std::min(block_.size, first + kGroupThreads);
  for (unsigned i = first; i < behind; ++i) {
    if (turn(threads_[i]).state == ThreadState::kAtWarpGroup) continue;
    return report_stuck(FindingKind::kDivergentCollective, thread, threads_[i],
                        "all 128 threads of a warpgroup must come to a wgmma");
  }
  report_stuck(FindingKind::kDivergentCollective, thread, thread,
               "a wgmma needs 128 threads, the block's last warpgroup has " + std::to_string(behind - first));
}

/// No thread can go on: says which one waits and which one does not come.
void Worker::report_stuck_block() {
  Thread* const begin = threads_.data();
  Thread* const end = begin + block_.size;
  const auto is = [this](ThreadState state) {
    return [this, state](const Thread& thread) { return turn(thread).state == state; };
  };
  Thread* lane = std::find_if(begin, end, is(ThreadState::kAtMbarrier));
  if (lane != end) return report_deadlock(*lane);
  lane = std::find_if(begin, end, is(ThreadState::kAtWarpGroup));
  if (lane != end) return report_stuck_warpgroup(*lane);
  lane = std::find_if(begin, end, is(ThreadState::kAtCollective));
  if (lane != end) {
    for (unsigned i = 0; i < lane->warp->size; ++i) {
      const Thread& other = *lane->warp->lanes[i];
      if (!(lane->mask >> i & 1) || at_same_collective(*lane, other)) continue;
      report_stuck(FindingKind::kDivergentCollective, *lane, other,
                   "lanes " + in_words(lane->mask) + " are named; lane " + std::to_string(i) +
                       (turn(other).state == ThreadState::kDone        ? " has returned"
                        : turn(other).state == ThreadState::kAtBarrier ? " waits at a barrier"
                                                                       : " waits at another collective"));
      return;
    }
    return report_stuck(
        FindingKind::kDivergentCollective, *lane, *lane,
        "lanes " + in_words(lane->mask) + " are named, the warp has " + std::to_string(lane->warp->size));
  }
  Thread* waiting = std::find_if(begin, end, is(ThreadState::kAtBarrier));
  Thread* other = std::find_if(begin, end, is(ThreadState::kDone));
  if (other != end) {
    const auto done = std::count_if(begin, end, is(ThreadState::kDone));
    return report_stuck(
        FindingKind::kDivergentBarrier, *waiting, *other,
        std::to_string(done) + " of " + std::to_string(block_.size) + " threads have returned");
  }
  const void* site = turn(*waiting).site;
  other = std::find_if(begin, end, [&](const Thread& t) { return !same_line(turn(t).site, site); });
  report_stuck(FindingKind::kDivergentBarrier, *waiting, other == end ? *waiting : *other,
               "threads wait at different barriers");
}

void Worker::report_not_in_mask(const Thread& self) {
  report_stuck(FindingKind::kDivergentCollective, self, self,
               "lane " + std::to_string(self.lane) + " is not in its own mask " + in_words(self.mask));
}

}  // namespace emulator
