#include "tests/fuzz/failing_memory.h"

#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// What operator new can see is global by nature.
std::atomic<bool> armed{false};
std::atomic<int64_t> calls{0};
std::atomic<int64_t> first{kNever}, last{kNever};

bool fails() {
  if (!armed.load(std::memory_order_relaxed)) return false;
  const int64_t call = ++calls;
  return call >= first && call < last;
}

}  // namespace

void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return fails() ? nullptr : std::malloc(size > 0 ? size : 1);
}
void* operator new(size_t size) {
  void* memory = operator new(size, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace swag::fuzz {

FailingMemory::FailingMemory(int64_t nth, int64_t times) {
  calls = 0;
  first = nth;
  last = nth + times;
  armed = true;
}

FailingMemory::~FailingMemory() { armed = false; }

}  // namespace swag::fuzz
