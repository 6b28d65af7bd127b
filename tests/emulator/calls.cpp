#include "tests/emulator/calls.h"

#include <array>
#include <atomic>

#include "tests/emulator/emulator.h"

namespace emulator {
namespace {

std::atomic<uint64_t>& counter(Call call) {
  static std::array<std::atomic<uint64_t>, static_cast<size_t>(Call::kCalls)> counters{};
  return counters[static_cast<size_t>(call)];
}

}  // namespace

void count_call(Call call) { ++counter(call); }

CallCounts take_calls() {
  CallCounts counts;
  counts.launches = counter(Call::kLaunch).exchange(0);
  counts.to_host = counter(Call::kToHost).exchange(0);
  counts.to_device = counter(Call::kToDevice).exchange(0);
  counts.within_device = counter(Call::kWithinDevice).exchange(0);
  counts.fills = counter(Call::kFill).exchange(0);
  counts.allocations = counter(Call::kAllocate).exchange(0);
  counts.waits = counter(Call::kWait).exchange(0);
  return counts;
}

}  // namespace emulator
