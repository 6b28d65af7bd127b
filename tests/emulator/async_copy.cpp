// cp.async on the host: a thread's copies wait in a list and are carried out when the thread waits for them.
// For the checks they write twice: where they begin, because they may land from then on, and where they land.
#include <cstring>

#include "tests/emulator/access.h"
#include "tests/emulator/include/emulator/kernel_api.h"

namespace emulator {

void cp_async(void* to_shared, const void* from, unsigned bytes, unsigned read_bytes) noexcept {
  AsyncCopy copy;
  copy.to = to_shared;
  copy.from = from;
  copy.bytes = bytes;
  copy.read_bytes = read_bytes;
  copy.site = __builtin_return_address(0);
  on_copy_begins(copy);
  running.thread->copies.push_back(copy);
}

void cp_async_commit() noexcept {
  Thread& self = *running.thread;
  ++self.committed_groups;
  for (size_t i = self.copies.size(); i > 0 && self.copies[i - 1].group == 0; --i) {
    self.copies[i - 1].group = self.committed_groups;
  }
}

void cp_async_wait(unsigned pending) noexcept {
  Thread& self = *running.thread;
  if (self.committed_groups <= pending) return;
  const unsigned last = self.committed_groups - pending;
  size_t done = 0;
  for (; done < self.copies.size(); ++done) {
    const AsyncCopy& copy = self.copies[done];
    if (copy.group == 0 || copy.group > last) break;
    on_copy_lands(copy);
    std::memcpy(copy.to, copy.from, copy.read_bytes);
    std::memset(static_cast<char*>(copy.to) + copy.read_bytes, 0, copy.bytes - copy.read_bytes);
  }
  self.copies.erase(self.copies.begin(), self.copies.begin() + static_cast<std::ptrdiff_t>(done));
}

}  // namespace emulator
