// How much memory the host has to give.
#pragma once
#include <cstdint>

namespace swag {

/// Bytes that a process may use at most: the machine's memory, or its control group's limit where that is
/// less.
int64_t host_memory_bytes();

/// Bytes that this process could still allocate and use without swapping, as far as the system tells.
int64_t available_host_memory_bytes();

}  // namespace swag
