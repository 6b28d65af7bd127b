#include "src/backend/cpu_memory.h"

#include <sys/mman.h>

#include <cassert>
#include <cstdlib>

#include "src/support/error.h"
#include "src/support/host_memory.h"

namespace swag {
namespace {

constexpr int64_t kHugePage = 2 << 20;
constexpr int64_t kLarge = 2 * kHugePage;

int64_t rounded_up(int64_t bytes, int64_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

/// Whole huge pages of the address space, or null. `bytes` is a multiple of theirs.
void* map_huge(int64_t bytes) {
  const auto size = static_cast<size_t>(bytes), spare = static_cast<size_t>(kHugePage);
  void* const whole = mmap(nullptr, size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (whole == MAP_FAILED) return nullptr;
  char* const begin = static_cast<char*>(whole);
  const size_t before = (spare - reinterpret_cast<uintptr_t>(begin) % spare) % spare;
  if (before > 0) munmap(begin, before);
  munmap(begin + before + size, spare - before);
  // Convolutions walk through maps in many places at once, which small pages serve badly. It may fail.
  madvise(begin + before, size, MADV_HUGEPAGE);
  return begin + before;
}

}  // namespace

CpuMemory::~CpuMemory() { assert(mapped_.empty()); }

void* CpuMemory::allocate(int64_t bytes) {
  assert(bytes >= 0);
  const bool large = bytes >= kLarge;
  void* data = nullptr;
  if (large) {
    require_host_memory(bytes, "a part of this run");
    const int64_t size = rounded_up(bytes, kHugePage);
    data = map_huge(size);
    if (data) remember(data, static_cast<size_t>(size));
  } else {
    data = std::aligned_alloc(kAlignment, static_cast<size_t>(rounded_up(bytes, kAlignment)));
  }
  if (!data) {
    throw Error(Status::kMemory, "cannot allocate " + mebibytes(bytes) + " MiB of memory (" +
                                     std::to_string(available_host_memory_bytes() >> 20) +
                                     " MiB are free); use a smaller size");
  }
  return data;
}

void CpuMemory::remember(void* data, size_t size) {
  try {
    mapped_.emplace(data, size);
  } catch (...) {
    munmap(data, size);
    throw;
  }
}

void CpuMemory::deallocate(void* data) noexcept {
  const auto mapped = mapped_.find(data);
  if (mapped == mapped_.end()) {
    std::free(data);
    return;
  }
  munmap(mapped->first, mapped->second);
  mapped_.erase(mapped);
}

}  // namespace swag
