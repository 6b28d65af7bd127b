// measure.h on a GPU.
#include <limits>
#include <stdexcept>
#include <vector>

#include "kernels/cuda/check.cuh"
#include "kernels/cuda/timing.cuh"
#include "kernels/ladder/measure.h"

namespace swag::ladder {
namespace {

constexpr int kWarmUps = 3, kRuns = 21;

}  // namespace

void open_device(const DeviceOptions& options) {
  if (options.check || options.shuffle != 0) {
    throw std::runtime_error("--check and --shuffle need the emulator; on a GPU run compute-sanitizer");
  }
  CUDA_CHECK(cudaSetDevice(0));
}

std::string device_name() {
  cudaDeviceProp properties;
  CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
  return properties.name;
}

bool runs_hopper(const DeviceOptions& options) {
  cudaDeviceProp properties;
  CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
  return options.hopper && properties.major == 9;
}

int64_t affordable_products() { return std::numeric_limits<int64_t>::max(); }

Counts count(const Case&, const std::function<void()>& launches) {
  launches();
  CUDA_CHECK(cudaDeviceSynchronize());
  return {};
}

Times time(const std::function<void()>& launches) {
  const std::vector<double> seconds = sorted_seconds(launches, nullptr, kWarmUps, kRuns);
  Times times;
  times.known = true;
  times.median = seconds[kRuns / 2];
  times.lowest = seconds.front();
  times.highest = seconds.back();
  return times;
}

int64_t findings() { return 0; }

void write_counts(const std::string&) { throw std::runtime_error("--counts needs the emulator"); }

}  // namespace swag::ladder
