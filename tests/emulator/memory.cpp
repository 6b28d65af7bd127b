#include "tests/emulator/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>

#include "tests/emulator/emulator.h"
#include "tests/emulator/memory_internal.h"

namespace emulator {

DeviceRange device_range;

namespace {

constexpr size_t kReservation = size_t{16} << 30;
constexpr size_t kLeastReservation = size_t{256} << 20;
constexpr size_t kPoisonKept = size_t{256}
                               << 20;  // freed bytes that stay filled; older ones go back to the system
constexpr int kPoison = 0xff;

struct Heap {
  std::recursive_mutex mutex;
  std::map<uintptr_t, Allocation> allocations;  // by address; freed ones too, until their place is taken
  std::map<uintptr_t, NamedRange> names;
  std::deque<uintptr_t> poisoned;  // freed allocations that still hold their poison
  size_t poisoned_bytes = 0;
  uintptr_t next = 0;  // where the untouched part begins
  size_t in_use = 0;
  unsigned count = 0;
  unsigned open = 0;  // to all threads: OpenDeviceMemory alive
  bool closed = false;
};

// A protection key gives each thread a switch of its own for the pages that carry the key, without a system
// call. New threads have what their creator has; those from before the key have no access.
#ifdef PKEY_DISABLE_ACCESS
int allocate_key() { return pkey_alloc(0, PKEY_DISABLE_ACCESS); }
bool set_key(void* memory, size_t bytes, int key) {
  return pkey_mprotect(memory, bytes, PROT_READ | PROT_WRITE, key) == 0;
}
unsigned rights(int key) { return static_cast<unsigned>(pkey_get(key)); }
void set_rights(int key, unsigned rights) { pkey_set(key, rights); }
#else
int allocate_key() { return -1; }
bool set_key(void*, size_t, int) { return false; }
unsigned rights(int) { return 0; }
void set_rights(int, unsigned) {}
#endif
std::atomic<int> device_key{-1};  // -1: the system has none

Heap& heap() {
  static Heap* const instance = new Heap;  // never destroyed: static destructors may still free
  return *instance;
}

size_t page_bytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

uintptr_t rounded_up(uintptr_t value, size_t to) { return (value + to - 1) / to * to; }

/// Opens or closes device memory as options and OpenDeviceMemory want it. Without a key that takes long when
/// much memory is in use: the system goes through its pages.
void protect(Heap& h) {
  if (!device_range.begin) return;
  const bool close = options().check && h.open == 0;
  if (close == h.closed) return;
  void* const memory = reinterpret_cast<void*>(device_range.begin);
  const size_t bytes = device_range.end - device_range.begin;
  if (device_key >= 0) {
    set_key(memory, bytes, close ? device_key.load() : 0);
  } else {
    mprotect(memory, bytes, close ? PROT_NONE : PROT_READ | PROT_WRITE);
  }
  h.closed = close;
}

void reserve(Heap& h) {
  if (device_range.begin) return;
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  for (size_t bytes = kReservation; bytes >= kLeastReservation; bytes /= 2) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
    if (memory == MAP_FAILED) continue;
    void* state = mmap(nullptr, bytes / 4, PROT_READ | PROT_WRITE, kFlags, -1, 0);
    if (state == MAP_FAILED) {
      munmap(memory, bytes);
      continue;
    }
    device_range.begin = reinterpret_cast<uintptr_t>(memory);
    device_range.end = device_range.begin + bytes;
    device_range.state = static_cast<uint8_t*>(state);
    h.next = device_range.begin + kGuardBytes;
    const int key = allocate_key();
    if (key >= 0 && set_key(memory, bytes, key) && set_key(memory, bytes, 0)) device_key = key;
    return protect(h);
  }
  throw std::bad_alloc();
}

uint8_t* state_of(uintptr_t address) { return device_range.state + (address - device_range.begin) / 4; }

/// Sets the state of `bytes` bytes from an address that is a multiple of 4.
void set_state(uintptr_t address, size_t bytes, bool written) {
  uint8_t* state = state_of(address);
  std::memset(state, written ? 0xff : 0x0f, bytes / 4);
  if (bytes % 4) {
    const auto low = static_cast<uint8_t>((1u << bytes % 4) - 1);
    state[bytes / 4] = static_cast<uint8_t>(written ? low | low << 4 : low);
  }
}

void clear_state(uintptr_t address, size_t bytes) { std::memset(state_of(address), 0, (bytes + 3) / 4); }

/// Room for `bytes` and guards at the end of what is used, or where freed allocations lie; 0 when there is
/// none.
uintptr_t find_room(Heap& h, size_t bytes) {
  const uintptr_t address = rounded_up(h.next, kAllocationAlignment);
  if (address + bytes + kGuardBytes <= device_range.end) {
    h.next = address + bytes + kGuardBytes;
    return address;
  }
  // Gaps between live allocations: from the end of one to the start of the next.
  uintptr_t gap = device_range.begin;
  const auto take = [&](uintptr_t end) -> uintptr_t {
    const uintptr_t begin = rounded_up(gap + kGuardBytes, kAllocationAlignment);
    return begin + bytes + kGuardBytes <= end ? begin : 0;
  };
  uintptr_t found = 0;
  for (const auto& [begin, allocation] : h.allocations) {
    if (allocation.freed) continue;
    if ((found = take(begin))) break;
    gap = begin + allocation.bytes;
  }
  if (!found) found = take(device_range.end);
  if (!found) return 0;
  for (auto it = h.allocations.begin(); it != h.allocations.end();) {
    const bool overlaps =
        it->second.freed && it->first < found + bytes && it->first + it->second.bytes > found;
    it = overlaps ? h.allocations.erase(it) : std::next(it);
  }
  return found;
}

/// Gives the pages of the oldest freed allocations back, so that a program which allocates in a loop stays
/// small.
void limit_poison(Heap& h) {
  while (h.poisoned_bytes > kPoisonKept && !h.poisoned.empty()) {
    const auto it = h.allocations.find(h.poisoned.front());
    h.poisoned.pop_front();
    if (it == h.allocations.end() || !it->second.freed) continue;
    const uintptr_t begin = rounded_up(it->first, page_bytes());
    const uintptr_t end = (it->first + it->second.bytes) / page_bytes() * page_bytes();
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    h.poisoned_bytes -= std::min(h.poisoned_bytes, it->second.bytes);
  }
}

const Allocation* containing(Heap& h, uintptr_t address) {
  auto it = h.allocations.upper_bound(address);
  if (it == h.allocations.begin()) return nullptr;
  --it;
  return address < it->first + std::max<size_t>(it->second.bytes, 1) ? &it->second : nullptr;
}

}  // namespace

void* device_allocate(size_t bytes, const void* site) {
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  reserve(h);
  if (bytes > options().device_bytes || h.in_use > options().device_bytes - bytes) return nullptr;
  if (bytes > device_range.end - device_range.begin) return nullptr;
  const uintptr_t address = find_room(h, bytes);
  if (!address) return nullptr;
  Allocation allocation;
  allocation.address = address;
  allocation.bytes = bytes;
  allocation.number = ++h.count;
  allocation.site = site;
  h.allocations[address] = allocation;
  h.in_use += bytes;
  const OpenDeviceMemory open;
  std::memset(reinterpret_cast<void*>(address), kPoison, bytes);
  if (options().check) set_state(address, bytes, false);
  return reinterpret_cast<void*>(address);
}

bool device_free(void* pointer) {
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const auto it = h.allocations.find(address);
  if (it == h.allocations.end() || it->second.freed) return false;
  Allocation& allocation = it->second;
  allocation.freed = true;
  h.in_use -= allocation.bytes;
  const OpenDeviceMemory open;
  std::memset(pointer, kPoison, allocation.bytes);
  if (options().check) clear_state(address, allocation.bytes);
  h.names.erase(h.names.lower_bound(address),
                h.names.lower_bound(address + std::max<size_t>(allocation.bytes, 1)));
  h.poisoned.push_back(address);
  h.poisoned_bytes += allocation.bytes;
  limit_poison(h);
  return true;
}

const Allocation* find_allocation(uintptr_t address) {
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  if (h.allocations.empty()) return nullptr;
  if (const Allocation* inside = containing(h, address)) return inside;
  const auto after = h.allocations.upper_bound(address);
  if (after == h.allocations.begin()) return &after->second;
  const auto before = std::prev(after);
  if (after == h.allocations.end()) return &before->second;
  const uintptr_t behind = address - (before->first + before->second.bytes);
  return behind <= after->first - address ? &before->second : &after->second;
}

std::vector<Allocation> live_allocations() {
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  std::vector<Allocation> live;
  for (const auto& [address, allocation] : h.allocations) {
    if (!allocation.freed) live.push_back(allocation);
  }
  return live;
}

size_t device_bytes_in_use() {
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  return h.in_use;
}

bool is_allocated(const void* pointer, size_t bytes) {
  if (!is_device_address(pointer)) return false;
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const Allocation* allocation = containing(h, address);
  return allocation && !allocation->freed && bytes <= allocation->bytes - (address - allocation->address);
}

void mark_written(const void* pointer, size_t bytes) {
  if (!options().check || bytes == 0) return;
  auto address = reinterpret_cast<uintptr_t>(pointer);
  const uintptr_t end = address + bytes;
  for (; address < end && address % 4; ++address)
    *state_of(address) |= static_cast<uint8_t>(16u << address % 4);
  const size_t words = (end - address) / 4;
  std::memset(state_of(address), 0xff, words);
  for (address += words * 4; address < end; ++address) {
    *state_of(address) |= static_cast<uint8_t>(16u << address % 4);
  }
}

bool is_written(const void* pointer, size_t bytes, uintptr_t* first) {
  if (!options().check) return true;
  auto address = reinterpret_cast<uintptr_t>(pointer);
  const uintptr_t end = address + bytes;
  while (address < end) {
    const uint8_t state = *state_of(address);
    if (address % 4 == 0 && end - address >= 4 && state == 0xff) {
      address += 4;
      continue;
    }
    if (!(state & 16u << address % 4)) {
      if (first) *first = address;
      return false;
    }
    ++address;
  }
  return true;
}

void copy_written(const void* to, const void* from, size_t bytes) {
  if (!options().check) return;
  const auto target = reinterpret_cast<uintptr_t>(to), source = reinterpret_cast<uintptr_t>(from);
  if (is_written(from, bytes, nullptr)) return mark_written(to, bytes);
  for (size_t i = 0; i < bytes; ++i) {
    const bool written = *state_of(source + i) & 16u << (source + i) % 4;
    const auto bit = static_cast<uint8_t>(16u << (target + i) % 4);
    uint8_t& state = *state_of(target + i);
    state = static_cast<uint8_t>(written ? state | bit : state & ~bit);
  }
}

void name_range(const void* pointer, size_t bytes, const std::string& name) {
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  h.names[address] = NamedRange{name, address, bytes};
}

NamedRange find_name(uintptr_t address) {
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  NamedRange smallest;
  for (const auto& [begin, range] : h.names) {
    if (begin > address) break;
    if (address < begin + range.bytes && (smallest.name.empty() || range.bytes < smallest.bytes))
      smallest = range;
  }
  return smallest;
}

OpenDeviceMemory::OpenDeviceMemory(To whom) {
  if (whom == To::kThisThread && device_key >= 0) {
    key_ = device_key;
    rights_ = rights(key_);
    if (rights_ != 0) set_rights(key_, 0);
    return;
  }
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  ++h.open;
  protect(h);
}

OpenDeviceMemory::~OpenDeviceMemory() {
  if (key_ >= 0) {
    if (rights_ != 0) set_rights(key_, rights_);
    return;
  }
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  --h.open;
  protect(h);
}

void memory_options_changed(bool check_begins) {
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  if (!device_range.begin) return;
  if (check_begins) {  // nobody has watched: what is allocated may have been written
    const size_t used = std::min<size_t>(h.next + kGuardBytes, device_range.end) - device_range.begin;
    std::memset(device_range.state, 0, used / 4);
    for (const auto& [address, allocation] : h.allocations) {
      if (!allocation.freed) set_state(address, allocation.bytes, true);
    }
  }
  protect(h);
}

bool heap_is_free() {
  Heap& h = heap();
  if (!h.mutex.try_lock()) return false;
  h.mutex.unlock();
  return true;
}

}  // namespace emulator
