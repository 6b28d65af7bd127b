// Ranges that the host names for a profiler (NVTX), kept as paths: "forward/features.0/conv2d_forward".
#include <nvtx3/nvToolsExt.h>

#include <map>
#include <mutex>
#include <vector>

#include "tests/emulator/emulator.h"

namespace emulator {
namespace {

std::mutex mutex;
std::map<std::string, uint64_t>& opened() {
  static std::map<std::string, uint64_t> times;
  return times;
}

thread_local std::vector<std::string> open;  // paths, the innermost last

}  // namespace

std::map<std::string, uint64_t> take_ranges() {
  const std::lock_guard<std::mutex> lock(mutex);
  std::map<std::string, uint64_t> taken;
  taken.swap(opened());
  return taken;
}

size_t open_ranges() { return open.size(); }

}  // namespace emulator

int nvtxRangePushA(const char* message) {
  using namespace emulator;
  open.push_back(open.empty() ? message : open.back() + "/" + message);
  const std::lock_guard<std::mutex> lock(mutex);
  ++opened()[open.back()];
  return static_cast<int>(open.size()) - 1;
}

int nvtxRangePop() {
  using namespace emulator;
  if (open.empty()) return -1;
  open.pop_back();
  return static_cast<int>(open.size());
}
