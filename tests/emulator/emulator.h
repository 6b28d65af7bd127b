// The emulator as its user sees it: what to watch, what was found, what was counted.
//
//   emulator::Options options;           options.check = true;
//   emulator::configure(options);        ... cudaMalloc, launch, cudaDeviceSynchronize ...
//   for (const emulator::Finding& f : emulator::take_findings()) std::puts(f.text.c_str());
//
// Checks and counts see only the code that was compiled with -fsanitize=thread (and linked without it).
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace emulator {

/// What a launch may ask of a GPU, and what occupancy is computed from. Source: the CUDA programming guide's
/// table of compute capabilities.
struct Architecture {
  std::string name;          // "sm_90"
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;   // of the GPU named in emulator/device.cpp
  unsigned threads_per_block = 1024;
  unsigned threads_per_multiprocessor = 2048;
  unsigned blocks_per_multiprocessor = 32;
  unsigned registers_per_multiprocessor = 65536;
  size_t shared_per_block = 48 << 10;  // without asking
  size_t shared_per_block_optin = 0;   // after cudaFuncSetAttribute
  size_t shared_per_multiprocessor = 0;
};

/// The architecture of a name ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_120"), or null.
const Architecture* find_architecture(const std::string& name);

struct Options {
  bool check = false;     // every access, barrier and collective
  bool count = false;     // sectors, wavefronts, distinct bytes
  uint64_t shuffle = 0;   // not 0: blocks and threads run in an order drawn from this seed
  unsigned workers = 0;   // host threads that run blocks; 0: as many as there are cores
  bool deferred = false;  // work runs when the host waits for it, not when it is issued
  bool report = true;     // findings go to stderr as they are made
  std::string architecture = "sm_90";
  size_t device_bytes = size_t{8} << 30;  // cudaMalloc fails beyond
  int devices = 1;                        // 0: as on a machine without a GPU
  int driver_version = -1;                // 12020 for CUDA 12.2; 0: no driver; -1: the runtime's own
  unsigned max_findings = 100;
};

/// Takes effect with the next launch or allocation. No work may be pending.
void configure(const Options& options);
const Options& options();

enum class FindingKind : uint8_t {
  kOutOfBounds,
  kUseAfterFree,
  kMisaligned,
  kHostMemory,    // device code touches host memory
  kDeviceMemory,  // host code touches device memory
  kUninitialised,
  kRace,
  kDivergentBarrier,
  kDivergentCollective,
  kDeadlock,    // threads that wait at an mbarrier for ever
  kBadOperand,  // of an asynchronous instruction: descriptor, mbarrier, tensor map
  kBadLaunch,
  kLeak,
  kBadFree,
};
const char* name_of(FindingKind kind);  // "out of bounds", ...

/// Where a thread was.
struct Place {
  std::string file;  // of the kernel, not of a header it calls
  int line = 0;      // 0: not known
  unsigned block[3] = {0, 0, 0}, thread[3] = {0, 0, 0};
};

struct Finding {
  FindingKind kind = FindingKind::kOutOfBounds;
  std::string kernel;
  Place place;
  bool has_other = false;
  Place other;         // the second party of a race
  std::string value;   // the address in terms of its array: "tile + 132 bytes", "argument 2 (x) + 64 bytes"
  std::string text;    // the whole report, several lines
  unsigned times = 1;  // equal but for block, thread and address
};

/// What was found since the last call, in the order of first sight.
std::vector<Finding> take_findings();

/// What one source line of a kernel moved, summed over all launches since the last take_counts.
struct LineCount {
  std::string kernel, file;
  int line = 0;
  bool shared = false, write = false, atomic = false;
  uint64_t requests = 0;           // warp-wide
  uint64_t lanes = 0;              // active, summed over requests
  uint64_t moved = 0, fewest = 0;  // 32-byte sectors, or wavefronts of shared memory
};

struct KernelCount {
  std::string kernel;
  uint64_t launches = 0, blocks = 0, threads = 0;
  uint64_t barriers = 0;  // passed by a block
  uint64_t sectors = 0, fewest_sectors = 0;
  uint64_t wavefronts = 0, fewest_wavefronts = 0;
  uint64_t partial_requests = 0;  // by some lanes of a warp only: divergence that shows in accesses
  uint64_t distinct_bytes = 0;    // of device memory, per launch, summed
  size_t static_shared = 0, dynamic_shared = 0;  // bytes per block, the most
  std::vector<LineCount> lines;                  // by file and line
};

std::vector<KernelCount> take_counts();

/// Calls of the host's that were accepted since the last take_calls. Copies between two places of the host's
/// are not counted, nor what a graph or cuBLAS does.
struct CallCounts {
  uint64_t launches = 0;
  uint64_t to_host = 0, to_device = 0, within_device = 0;  // copies
  uint64_t fills = 0, allocations = 0;
  uint64_t waits = 0;  // for a stream, an event or the device
};
CallCounts take_calls();

/// Ranges named for a profiler (NVTX) since the last take_ranges, as paths ("forward/features.0"), and how
/// often each was opened.
std::map<std::string, uint64_t> take_ranges();
/// Those that the calling thread has not closed.
size_t open_ranges();

/// Gives [address, address + bytes) of device memory a name for reports: a tensor in an arena.
void name_range(const void* address, size_t bytes, const std::string& name);

/// Adds one finding per allocation that is still alive, with the line of its cudaMalloc. cudaDeviceReset does
/// it too.
void check_leaks();

}  // namespace emulator
