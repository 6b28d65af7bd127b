// The CPU backend's memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace swag {

/// Large pieces are mapped each for itself: they lie on huge pages, and go back to the system when they are
/// freed, so that a run takes no more than what lives at once. (malloc keeps what it has once been given.)
class CpuMemory {
 public:
  static constexpr int64_t kAlignment = 64;
  static bool is_aligned(const void* data) { return reinterpret_cast<uintptr_t>(data) % kAlignment == 0; }

  CpuMemory() = default;
  ~CpuMemory();
  CpuMemory(const CpuMemory&) = delete;
  CpuMemory& operator=(const CpuMemory&) = delete;

  /// Aligned to kAlignment, not cleared. Throws Error(kMemory), also for what the system would promise but
  /// does not have.
  void* allocate(int64_t bytes);
  void deallocate(void* data) noexcept;

 private:
  void remember(void* data, size_t size);

  std::unordered_map<void*, size_t> mapped_;  // and their sizes
};

}  // namespace swag
