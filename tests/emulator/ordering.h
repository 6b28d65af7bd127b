// What fences and atomics order on device memory, between the threads of one launch: the pattern in which
// every block writes its part, fences and counts itself, and the block that counts last reads all parts.
#pragma once
#include <cstdint>

#include "tests/emulator/check.h"

namespace emulator {

/// Forgets everything: a launch begins.
void ordering_begins(uint32_t launch_number);

/// True when what `earlier` records happened before what running.thread does now. Accepts what PTX accepts
/// and a little more: the acquiring side needs no fence of its own, and a warp's lanes share what one of them
/// acquired.
bool is_ordered(const Record& earlier, uint64_t who, uint64_t where);

}  // namespace emulator
