// What the host has asked of the runtime, counted where it is asked.
#pragma once
#include <cstdint>

namespace emulator {

enum class Call : uint8_t { kLaunch, kToHost, kToDevice, kWithinDevice, kFill, kAllocate, kWait, kCalls };

void count_call(Call call);

}  // namespace emulator
