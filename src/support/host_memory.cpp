#include "src/support/host_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

#include "src/support/error.h"

namespace swag {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

/// The number that a file begins with; `otherwise` where it has none, as in version 2's "max".
int64_t number_in(const std::string& path, int64_t otherwise) {
  int64_t number = 0;
  return std::ifstream(path) >> number && number >= 0 ? number : otherwise;
}

/// The number that follows a word at the beginning of a line.
int64_t number_after(const std::string& path, const std::string& word, int64_t otherwise) {
  std::ifstream file(path);
  std::string name, rest;
  for (int64_t number = 0; file >> name >> number; std::getline(file, rest)) {
    if (name == word) return number;
  }
  return otherwise;
}

/// What a control group says, in the names of its version.
struct GroupFiles {
  const char *limit, *softer_limit, *usage, *cache;
};
constexpr GroupFiles kVersion1 = {"memory.limit_in_bytes", nullptr, "memory.usage_in_bytes",
                                  "total_inactive_file"};
constexpr GroupFiles kVersion2 = {"memory.max", "memory.high", "memory.current", "inactive_file"};

void apply_group(HostMemory& memory, const std::string& folder, const GroupFiles& files) {
  int64_t limit = number_in(folder + "/" + files.limit, kUnlimited);
  if (files.softer_limit) {  // above it the process is slowed down until it stands still
    limit = std::min(limit, number_in(folder + "/" + files.softer_limit, kUnlimited));
  }
  if (limit == kUnlimited) return;
  const int64_t usage = number_in(folder + "/" + files.usage, 0);
  const int64_t cache = number_after(folder + "/memory.stat", files.cache, 0);
  memory.total = std::min(memory.total, limit);
  memory.available = std::min(memory.available, limit - std::max<int64_t>(0, usage - cache));
}

/// A group and all above it. A container may see itself as the root, or under a path that it cannot see.
void apply_groups(HostMemory& memory, const std::string& root, std::string group, const GroupFiles& files) {
  while (!group.empty() && group != "/") {
    apply_group(memory, root + group, files);
    group.resize(std::min(group.rfind('/'), group.size()));
  }
  apply_group(memory, root, files);
}

/// Lines of /proc/self/cgroup are "0::/group" in version 2 and "4:memory:/group" in version 1.
void apply_control_groups(HostMemory& memory, const HostMemorySources& sources) {
  std::ifstream file(sources.proc + "/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") {
      apply_groups(memory, sources.cgroup, group, kVersion2);
      apply_groups(memory, sources.cgroup + "/unified", group, kVersion2);
    } else if (controllers.find(",memory,") != std::string::npos) {
      apply_groups(memory, sources.cgroup + "/memory", group, kVersion1);
    }
  }
}

void apply_resource_limit(HostMemory& memory, rlim_t limit, int64_t used) {
  if (limit >= static_cast<rlim_t>(kUnlimited)) return;  // RLIM_INFINITY is the largest number
  memory.total = std::min(memory.total, static_cast<int64_t>(limit));
  memory.available = std::min(memory.available, static_cast<int64_t>(limit) - used);
}

}  // namespace

HostMemorySources HostMemorySources::own() {
  HostMemorySources sources;
  rlimit limit = {};
  if (getrlimit(RLIMIT_AS, &limit) == 0) sources.address_space = limit.rlim_cur;
  if (getrlimit(RLIMIT_DATA, &limit) == 0) sources.data = limit.rlim_cur;
  return sources;
}

HostMemory host_memory(const HostMemorySources& sources) {
  const int64_t page = sysconf(_SC_PAGESIZE);
  const std::string meminfo = sources.proc + "/meminfo";
  const int64_t machine = number_after(meminfo, "MemTotal:", sysconf(_SC_PHYS_PAGES) * page >> 10);
  HostMemory memory;
  memory.total = machine << 10;
  memory.available = number_after(meminfo, "MemAvailable:", machine) << 10;
  apply_control_groups(memory, sources);

  int64_t pages = 0, data_pages = 0, unused = 0;  // all, resident, shared, text, library, data and stack
  std::ifstream(sources.proc + "/self/statm") >> pages >> unused >> unused >> unused >> unused >> data_pages;
  apply_resource_limit(memory, sources.address_space, pages * page);
  apply_resource_limit(memory, sources.data, data_pages * page);
  memory.available = std::max<int64_t>(0, memory.available);
  return memory;
}

int64_t host_memory_bytes() { return host_memory(HostMemorySources::own()).total; }
int64_t available_host_memory_bytes() { return host_memory(HostMemorySources::own()).available; }

std::string mebibytes(int64_t bytes) { return std::to_string((bytes >> 20) + (bytes % (1 << 20) != 0)); }

void require_host_memory(int64_t bytes, const std::string& what, const std::string& advice) {
  const int64_t available = available_host_memory_bytes();
  if (bytes <= available) return;
  throw Error(Status::kMemory, what + " needs " + mebibytes(bytes) + " MiB of memory, " +
                                   std::to_string(available >> 20) + " MiB are free; " + advice);
}

void require_address_space(int64_t bytes, const std::string& what) {
  const auto size = static_cast<size_t>(bytes);
  void* const probe = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (probe != MAP_FAILED) {
    munmap(probe, size);
    return;
  }
  throw Error(Status::kMemory, what + " needs " + mebibytes(bytes) +
                                   " MiB of address space, which a limit on this process denies; raise it "
                                   "(ulimit -v)");
}

}  // namespace swag
