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
// Freed memory rests, filled, before its place is given to another, so that late uses are seen. Not for
// longer than this: changing the protection of memory costs by what of it has been used.
constexpr size_t kRestingBytes = size_t{32} << 20;
constexpr size_t kRestingCount = 1000;
constexpr int kPoison = 0xff;

struct Heap {
  std::recursive_mutex mutex;
  std::map<uintptr_t, Allocation> allocations;  // by address; freed ones too, until their place is taken
  std::map<uintptr_t, NamedRange> names;
  std::deque<uintptr_t> resting;  // freed allocations, the oldest first
  size_t resting_bytes = 0;
  uintptr_t end = 0;  // of all that was ever handed out
  size_t in_use = 0;
  unsigned count = 0;
  unsigned open = 0;        // OpenDeviceMemory alive, for all of it and to all threads
  unsigned parts_open = 0;  // and for a part
  bool closed = false;      // but for `parts`
  std::vector<std::pair<uintptr_t, size_t>> parts;
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

void set_protection(uintptr_t begin, size_t bytes, bool open) {
  mprotect(reinterpret_cast<void*>(begin), bytes, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

/// Opens or closes the whole range, as options and OpenDeviceMemory want it. Without a key it costs by the
/// pages in use, so where a part is enough only that part is opened.
void protect(Heap& h) {
  if (!device_range.begin) return;
  // While a part is open the whole is not closed: that part may be in it.
  const bool open = !options().check || h.open > 0 || (!h.closed && h.parts_open > 0);
  if (open == h.closed) {
    const size_t bytes = device_range.end - device_range.begin;
    if (device_key >= 0) {
      set_key(reinterpret_cast<void*>(device_range.begin), bytes, open ? 0 : device_key.load());
    } else {
      set_protection(device_range.begin, bytes, open);
    }
    h.closed = !open;
    h.parts.clear();
  }
  if (!h.closed || h.parts_open > 0) return;
  for (const auto& [begin, bytes] : h.parts) set_protection(begin, bytes, false);
  h.parts.clear();
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
    h.end = device_range.begin;
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

/// The first room for `bytes` and guards; 0 when there is none.
uintptr_t find_room(Heap& h, size_t bytes) {
  uintptr_t gap = device_range.begin;
  const auto take = [&](uintptr_t end) -> uintptr_t {
    const uintptr_t begin = rounded_up(gap + kGuardBytes, kAllocationAlignment);
    return begin + bytes + kGuardBytes <= end ? begin : 0;
  };
  uintptr_t found = 0;
  for (const auto& [begin, allocation] : h.allocations) {
    if (allocation.freed && !allocation.resting) continue;
    if ((found = take(begin))) break;
    gap = begin + allocation.bytes;
  }
  if (!found) found = take(device_range.end);
  if (!found) return 0;
  for (auto it = h.allocations.begin(); it != h.allocations.end();) {
    const bool overlaps = it->first < found + std::max<size_t>(bytes, 1) &&
                          it->first + std::max<size_t>(it->second.bytes, 1) > found;
    it = overlaps ? h.allocations.erase(it) : std::next(it);
  }
  h.end = std::max(h.end, found + bytes);
  return found;
}

/// Ends the rest of the oldest freed allocations, and gives whole pages of theirs back to the system.
void limit_resting(Heap& h) {
  while (h.resting_bytes > kRestingBytes || h.resting.size() > kRestingCount) {
    Allocation& allocation = h.allocations.at(h.resting.front());
    h.resting.pop_front();
    allocation.resting = false;
    h.resting_bytes -= allocation.bytes;
    const uintptr_t begin = rounded_up(allocation.address, page_bytes());
    const uintptr_t end = (allocation.address + allocation.bytes) / page_bytes() * page_bytes();
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
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
  const OpenDeviceMemory open(reinterpret_cast<void*>(address), bytes);
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
  const OpenDeviceMemory open(pointer, allocation.bytes);
  std::memset(pointer, kPoison, allocation.bytes);
  if (options().check) clear_state(address, allocation.bytes);
  h.names.erase(h.names.lower_bound(address),
                h.names.lower_bound(address + std::max<size_t>(allocation.bytes, 1)));
  allocation.resting = true;
  h.resting.push_back(address);
  h.resting_bytes += allocation.bytes;
  limit_resting(h);
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
  if (whom == To::kThisThread && open_to_this_thread()) return;
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  ++h.open;
  protect(h);
}

OpenDeviceMemory::OpenDeviceMemory(const void* pointer, size_t bytes) : all_(false) {
  if (open_to_this_thread()) return;
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  ++h.parts_open;
  if (!h.closed || bytes == 0 || !is_device_address(pointer)) return;
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  const uintptr_t begin = address / page_bytes() * page_bytes();
  h.parts.emplace_back(begin, rounded_up(address + bytes, page_bytes()) - begin);
  set_protection(begin, h.parts.back().second, true);
}

bool OpenDeviceMemory::open_to_this_thread() {
  if (device_key < 0) return false;
  key_ = device_key;
  rights_ = rights(key_);
  if (rights_ != 0) set_rights(key_, 0);
  return true;
}

OpenDeviceMemory::~OpenDeviceMemory() {
  if (key_ >= 0) {
    if (rights_ != 0) set_rights(key_, rights_);
    return;
  }
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  --(all_ ? h.open : h.parts_open);
  protect(h);
}

void memory_options_changed(bool check_begins) {
  Heap& h = heap();
  const std::lock_guard<std::recursive_mutex> lock(h.mutex);
  if (!device_range.begin) return;
  if (check_begins) {  // nobody has watched: what is allocated may have been written
    const size_t used = rounded_up(h.end, kAllocationAlignment) - device_range.begin;
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
