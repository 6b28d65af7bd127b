// Allocations that fail on purpose.
#pragma once
#include <cstdint>

namespace swag::fuzz {

/// While one lives, operator new of any thread throws std::bad_alloc from the `nth` call on (counted from 1),
/// `times` times. One at a time.
class FailingMemory {
 public:
  FailingMemory(int64_t nth, int64_t times);
  ~FailingMemory();
  FailingMemory(const FailingMemory&) = delete;
  FailingMemory& operator=(const FailingMemory&) = delete;
};

}  // namespace swag::fuzz
