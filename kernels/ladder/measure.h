// What the ladder's program wants to know of a launch. Two implementations: measure_emulator.cpp counts and
// checks, measure_gpu.cu takes times. main.cpp is the same for both.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace swag::ladder {

struct DeviceOptions {
  bool check = false;    // watch every access and barrier: the emulator alone can
  bool hopper = false;   // steps of wgmma too, on a GPU: none has run them yet (the emulator always does)
  uint64_t shuffle = 0;  // not 0: an order of blocks and threads drawn from this seed, the emulator alone
};

struct Counts {
  bool known = false;
  uint64_t sectors = 0, fewest_sectors = 0;        // of device memory, 32 bytes each
  uint64_t wavefronts = 0, fewest_wavefronts = 0;  // of shared memory
  uint64_t requests = 0;                           // of a warp, to either
  uint64_t barriers = 0;                           // passed by a block
  uint64_t launches = 0;
};

struct Times {
  bool known = false;
  double median = 0, lowest = 0, highest = 0;  // seconds
};

/// Before any other use of the device.
void open_device(const DeviceOptions& options);
std::string device_name();
/// Whether steps of wgmma are run: asked for, and possible.
bool runs_hopper(const DeviceOptions& options);
/// Multiply-adds of a case worth running: an emulator takes a second for what a GPU does in a microsecond.
int64_t affordable_products();

/// Launches that together do one thing, and what it must cost at least.
struct Case {
  std::string name;
  bool fast = false;         // its counts must not get worse
  double multiply_adds = 0;  // 0: not what bounds it
  double floor_bytes = 0;    // inputs read once and outputs written once
};

/// Runs `launches` (which may launch several kernels) and counts what they move.
Counts count(const Case& what, const std::function<void()>& launches);
/// The median of several runs.
Times time(const std::function<void()>& launches);

/// Findings of the checks since the last call; their text has gone to stderr.
int64_t findings();
/// All that was counted, as JSON for the kernel report.
void write_counts(const std::string& file);

}  // namespace swag::ladder
