#include "src/support/host_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace swag {
namespace {

/// A container's limit, as version 2 or 1 of Linux's control groups shows it; the largest number for none.
int64_t control_group_limit() {
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    int64_t bytes = 0;
    if (std::ifstream(path) >> bytes && bytes > 0) return bytes;  // "max" is no number
  }
  return std::numeric_limits<int64_t>::max();
}

/// What the kernel could free for a new process; the machine's memory where it does not say.
int64_t reclaimable_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (int64_t kibibytes = 0; file >> name >> kibibytes; std::getline(file, unit)) {
    if (name == "MemAvailable:") return kibibytes << 10;
  }
  return host_memory_bytes();
}

int64_t resident_bytes() {
  int64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace

int64_t host_memory_bytes() {
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  return std::min(machine, control_group_limit());
}

int64_t available_host_memory_bytes() {
  // The group's own count includes caches that would give way: only what this process holds is taken off.
  const int64_t allowed = std::max<int64_t>(0, host_memory_bytes() - resident_bytes());
  return std::min(allowed, reclaimable_memory());
}

}  // namespace swag
