// Kernel launches: what a GPU would refuse, and the queueing of the rest.
#include <execinfo.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "tests/emulator/calls.h"
#include "tests/emulator/engine.h"
#include "tests/emulator/finding.h"
#include "tests/emulator/include/emulator/device_math.h"
#include "tests/emulator/include/emulator/launch.h"
#include "tests/emulator/memory.h"
#include "tests/emulator/memory_internal.h"
#include "tests/emulator/runtime.h"
#include "tests/emulator/symbols.h"

namespace emulator {
namespace {

struct Kernels {
  std::mutex mutex;
  std::map<const void*, size_t> dynamic_limit;  // by cudaFuncSetAttribute
  std::map<const void*, size_t> static_bytes;
  uint32_t launches = 0;
  uint32_t next_instance = 1;  // 0 means no block
};

Kernels& kernels() {
  static Kernels* const instance = new Kernels;
  return *instance;
}

const Architecture& architecture() { return *find_architecture(options().architecture); }

size_t static_bytes(const void* function) {
  Kernels& k = kernels();
  const std::lock_guard<std::mutex> lock(k.mutex);
  const auto found = k.static_bytes.find(function);
  if (found != k.static_bytes.end()) return found->second;
  return k.static_bytes[function] = static_shared_bytes(function);
}

size_t dynamic_limit(const void* function) {
  Kernels& k = kernels();
  const std::lock_guard<std::mutex> lock(k.mutex);
  const auto found = k.dynamic_limit.find(function);
  return found == k.dynamic_limit.end() ? 0 : found->second;
}

/// Why a GPU would refuse the launch, in words; empty when it would not.
std::string why_refused(const LaunchRequest& request, cudaError_t* error) {
  const Architecture& a = architecture();
  const auto size = [](const dim3& d) {
    return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")";
  };
  *error = cudaErrorInvalidConfiguration;
  const dim3 &grid = request.grid, &block = request.block;
  if (!grid.x || !grid.y || !grid.z) return "grid " + size(grid) + " has no blocks";
  if (!block.x || !block.y || !block.z) return "block " + size(block) + " has no threads";
  if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    return "grid " + size(grid) + " exceeds (2147483647, 65535, 65535)";
  }
  if (block.x > 1024 || block.y > 1024 || block.z > 64)
    return "block " + size(block) + " exceeds (1024, 1024, 64)";
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads > a.threads_per_block) {
    return "block " + size(block) + " has " + std::to_string(threads) + " threads, " + a.name + " allows " +
           std::to_string(a.threads_per_block);
  }
  *error = cudaErrorInvalidValue;
  const size_t fixed = static_bytes(request.function), asked = dynamic_limit(request.function);
  if (fixed > a.shared_per_block) {
    return std::to_string(fixed) + " bytes of static shared memory, at most " +
           std::to_string(a.shared_per_block);
  }
  if (request.shared_bytes + fixed > a.shared_per_block && request.shared_bytes > asked) {
    return std::to_string(request.shared_bytes) + " bytes of dynamic and " + std::to_string(fixed) +
           " of static shared memory; " + std::to_string(a.shared_per_block) +
           " come without cudaFuncSetAttribute, and " +
           (asked ? std::to_string(asked) + " dynamic were asked for" : "no more were asked for");
  }
  return "";
}

/// The line of the launch: of the innermost call on this thread's stack that comes from a .cu file.
Place kernel_file_caller() {
  void* frames[16];
  const int count = backtrace(frames, 16);
  for (int i = 0; i < count; ++i) {
    const Place place = host_place(frames[i]);
    if (is_kernel_file(place.file)) return place;
  }
  return Place();
}

void run(Launch& launch) {
  {
    Kernels& k = kernels();
    const std::lock_guard<std::mutex> lock(k.mutex);
    launch.number = ++k.launches;
    launch.first_instance = k.next_instance;
    k.next_instance += static_cast<uint32_t>(launch.block_count());
  }
  const OpenDeviceMemory open;
  if (!run_launch(launch)) leave_fault(cudaErrorIllegalAddress);
}

}  // namespace

cudaError_t launch_request(LaunchRequest request) {
  if (const cudaError_t error = begin_call()) return error;
  if (!request.function) return fail(cudaErrorInvalidDeviceFunction);
  if (!is_stream(request.stream)) return fail(cudaErrorInvalidResourceHandle);
  cudaError_t error = cudaSuccess;
  const std::string reason = why_refused(request, &error);
  if (!reason.empty()) {
    if (options().check) {
      Finding finding;
      finding.kind = FindingKind::kBadLaunch;
      finding.kernel = function_name(request.function);
      finding.place = kernel_file_caller();
      finding.value = reason;
      Parties parties;
      parties.on_host = true;
      add_finding(std::move(finding), parties);
    }
    return fail(error);
  }
  auto launch = std::make_shared<Launch>();
  launch->function = request.function;
  launch->kernel = function_name(request.function);
  launch->grid = request.grid;
  launch->block = request.block;
  launch->shared_bytes = request.shared_bytes;
  launch->pointers = std::move(request.pointers);
  launch->body = [invoke = request.invoke, arguments = std::move(request.arguments)] {
    ensure_fault_stack();
    invoke(arguments.get());
  };
  count_call(Call::kLaunch);
  issue(request.stream, [launch] { run(*launch); });
  return cudaSuccess;
}

void trap() noexcept {
  leave_fault(cudaErrorLaunchFailure);
  abandon_launch();
}

}  // namespace emulator

using namespace emulator;

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  if (const cudaError_t error = begin_call()) return error;
  if (!function) return fail(cudaErrorInvalidDeviceFunction);
  if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) {
    return value < -1 || value > 100 ? fail(cudaErrorInvalidValue) : cudaSuccess;
  }
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return fail(cudaErrorInvalidValue);
  if (value < 0 ||
      static_cast<size_t>(value) + static_bytes(function) > architecture().shared_per_block_optin) {
    return fail(cudaErrorInvalidValue);
  }
  const std::lock_guard<std::mutex> lock(kernels().mutex);
  kernels().dynamic_limit[function] = static_cast<size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  if (const cudaError_t error = begin_call()) return error;
  if (!attributes) return fail(cudaErrorInvalidValue);
  if (!function) return fail(cudaErrorInvalidDeviceFunction);
  const Architecture& a = architecture();
  *attributes = cudaFuncAttributes();
  attributes->sharedSizeBytes = static_bytes(function);
  attributes->maxThreadsPerBlock = static_cast<int>(a.threads_per_block);
  attributes->ptxVersion = attributes->binaryVersion = a.major * 10 + a.minor;
  const size_t free = a.shared_per_block - std::min(a.shared_per_block, attributes->sharedSizeBytes);
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(std::max(free, dynamic_limit(function)));
  attributes->preferredShmemCarveout = cudaSharedmemCarveoutDefault;
  return cudaSuccess;
}

cudaError_t cudaFuncSetCacheConfig(const void* function, cudaFuncCache config) {
  if (const cudaError_t error = begin_call()) return error;
  if (!function) return fail(cudaErrorInvalidDeviceFunction);
  return config < cudaFuncCachePreferNone || config > cudaFuncCachePreferEqual ? fail(cudaErrorInvalidValue)
                                                                               : cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function,
                                                          int block_threads, size_t dynamic_shared) {
  if (const cudaError_t error = begin_call()) return error;
  if (!blocks || block_threads <= 0) return fail(cudaErrorInvalidValue);
  if (!function) return fail(cudaErrorInvalidDeviceFunction);
  const Architecture& a = architecture();
  *blocks = 0;
  const auto threads = static_cast<unsigned>(block_threads + 31) / 32 * 32;
  if (threads > a.threads_per_block) return cudaSuccess;
  // Shared memory is dealt out in pieces of 128 bytes (256 before 8.0), and from 8.0 on a block's system part
  // is 1 KiB.
  const size_t piece = a.major >= 8 ? 128 : 256, reserved = a.major >= 8 ? 1024 : 0;
  size_t shared = static_bytes(function) + dynamic_shared;
  if (shared > std::max(a.shared_per_block, dynamic_limit(function) + static_bytes(function)))
    return cudaSuccess;
  shared = (shared + piece - 1) / piece * piece + reserved;
  size_t limit = std::min<size_t>(a.blocks_per_multiprocessor, a.threads_per_multiprocessor / threads);
  if (shared) limit = std::min(limit, a.shared_per_multiprocessor / shared);
  *blocks = static_cast<int>(limit);
  return cudaSuccess;
}
