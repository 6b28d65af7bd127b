// How much memory the host has to give: asked before anything large, because Linux promises more than there
// is and kills later, and because a limit that is met deep inside another library is met badly.
#pragma once
#include <sys/resource.h>

#include <cstdint>
#include <string>

namespace swag {

/// Where the system tells of its memory, and the limits of this process in bytes; tests have their own.
struct HostMemorySources {
  std::string proc = "/proc", cgroup = "/sys/fs/cgroup";
  rlim_t address_space = RLIM_INFINITY, data = RLIM_INFINITY;

  /// Those of this process.
  static HostMemorySources own();
};

struct HostMemory {
  int64_t total = 0;      // bytes that a process may use at most
  int64_t available = 0;  // bytes that this process could still allocate and use without swapping
};

/// The least of what the machine has, what the control groups of the process and their parents allow
/// (versions 1 and 2; their file caches would give way), and what its resource limits leave it. What cannot
/// be read limits nothing.
HostMemory host_memory(const HostMemorySources& sources);

int64_t host_memory_bytes();            // host_memory().total of this process
int64_t available_host_memory_bytes();  // host_memory().available of this process

/// "12" for 11.5 MiB.
std::string mebibytes(int64_t bytes);

/// Throws Error(kMemory), "WHAT needs 300 MiB of memory, 200 MiB are free; ADVICE", unless so much is
/// available.
void require_host_memory(int64_t bytes, const std::string& what,
                         const std::string& advice = "use a smaller size");

/// The same for a piece of the address space alone, which a library will map and mostly not use.
void require_address_space(int64_t bytes, const std::string& what);

}  // namespace swag
