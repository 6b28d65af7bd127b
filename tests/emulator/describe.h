// Addresses in a person's words: which array, which argument, how far in.
#pragma once
#include <cstdint>
#include <string>

#include "tests/emulator/access.h"
#include "tests/emulator/engine.h"

namespace emulator {

/// "tile + 132 bytes (element 33 of 4 bytes)"
std::string describe_shared(const Access& access, const Launch& launch);
/// "argument 2 + 64 bytes (element 16 of 4 bytes), 4096 bytes allocated at main.cu:12"
std::string describe_device(const Access& access, const Launch& launch);
/// "host memory: argument 2 + 8 bytes"
std::string describe_elsewhere(const Access& access, const Thread& thread);

}  // namespace emulator
