// A limit on this process' address space, for tests of what happens where memory is denied.
#pragma once
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

namespace swag::test {

/// While it lives, the process may map `extra` bytes more than it has now, and no more. Under a sanitizer,
/// which maps terabytes for itself, that holds as well.
class AddressSpaceLimit {
 public:
  explicit AddressSpaceLimit(int64_t extra) {
    getrlimit(RLIMIT_AS, &before_);
    int64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE) + extra);
    setrlimit(RLIMIT_AS, &limit);
  }
  ~AddressSpaceLimit() { setrlimit(RLIMIT_AS, &before_); }
  AddressSpaceLimit(const AddressSpaceLimit&) = delete;
  AddressSpaceLimit& operator=(const AddressSpaceLimit&) = delete;

 private:
  rlimit before_ = {};
};

}  // namespace swag::test
