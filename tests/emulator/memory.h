// Device memory of the emulator: a range of addresses of its own, with guard zones between allocations.
//
// One byte of state belongs to each 4-byte word: its low four bits say which bytes are allocated, the high
// four which have been written. Kept up to date only while options().check holds.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace emulator {

constexpr size_t kAllocationAlignment = 256;
constexpr size_t kGuardBytes = 512;  // at least, before and after an allocation

struct Allocation {
  uintptr_t address = 0;
  size_t bytes = 0;
  unsigned number = 0;         // from 1, in the order of allocation
  const void* site = nullptr;  // of the cudaMalloc
  bool freed = false;
  bool resting = false;  // freed, and its place not yet given to another
};

struct DeviceRange {             // for the hooks: plain numbers
  uintptr_t begin = 0, end = 0;  // the whole reservation
  uint8_t* state = nullptr;      // state[(address - begin) / 4]
};
extern DeviceRange device_range;

/// Memory or null when options().device_bytes would be exceeded. Filled with 0xff bytes (NaN).
void* device_allocate(size_t bytes, const void* site);
/// False when `address` is not the start of a live allocation. The memory is filled with 0xff and not reused
/// soon.
bool device_free(void* address);
/// The allocation with `address` in it or nearest to it (freed ones too); null when there is none.
const Allocation* find_allocation(uintptr_t address);
/// Live allocations.
std::vector<Allocation> live_allocations();
size_t device_bytes_in_use();
inline bool is_device_address(const void* address) {
  return reinterpret_cast<uintptr_t>(address) - device_range.begin < device_range.end - device_range.begin;
}
/// True when [address, address + bytes) lies in one live allocation.
bool is_allocated(const void* address, size_t bytes);
/// Marks bytes as written: by a copy or memset from the host's side.
void mark_written(const void* address, size_t bytes);
/// The name given by name_range to the smallest range around `address`, and where it begins; empty when there
/// is none.
struct NamedRange {
  std::string name;
  uintptr_t begin = 0;
  size_t bytes = 0;
};
NamedRange find_name(uintptr_t address);

/// While options().check holds, host code cannot touch device memory except while one of these lives. Opens
/// it to the calling thread at least. To all threads, among them those of libraries, is many times slower
/// where the processor has protection keys, and the same where it has not.
class OpenDeviceMemory {
 public:
  enum class To { kThisThread, kAllThreads };
  explicit OpenDeviceMemory(To whom = To::kThisThread);  // all of it
  /// These bytes at least, as far as they are of the device.
  OpenDeviceMemory(const void* address, size_t bytes);
  ~OpenDeviceMemory();
  OpenDeviceMemory(const OpenDeviceMemory&) = delete;
  OpenDeviceMemory& operator=(const OpenDeviceMemory&) = delete;

 private:
  bool open_to_this_thread();

  bool all_ = true;      // or a part
  int key_ = -1;         // by which it was opened to this thread; -1: it was opened to all
  unsigned rights_ = 0;  // of this thread before
};

}  // namespace emulator
