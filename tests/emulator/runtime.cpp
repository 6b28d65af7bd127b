// Errors and the queue.
#include "tests/emulator/runtime.h"

#include <atomic>
#include <deque>
#include <mutex>

#include "tests/emulator/calls.h"
#include "tests/emulator/finding.h"
#include "tests/emulator/memory.h"

namespace emulator {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

struct Queue {
  std::recursive_mutex mutex;  // a host function that runs as work may issue work
  std::deque<std::function<void()>> waiting;
  bool running = false;
  std::atomic<cudaError_t> fault{
      cudaSuccess};  // of a kernel, not yet seen by a call; blocks set it themselves
  cudaError_t sticky = cudaSuccess;
};

Queue& queue() {
  static Queue* const instance = new Queue;
  return *instance;
}

}  // namespace

cudaError_t begin_call() {
  Queue& q = queue();
  const std::lock_guard<std::recursive_mutex> lock(q.mutex);
  if (q.sticky == cudaSuccess) q.sticky = q.fault;
  return q.sticky == cudaSuccess ? cudaSuccess : fail(q.sticky);
}

cudaError_t fail(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

void leave_fault(cudaError_t error) {
  cudaError_t none = cudaSuccess;
  queue().fault.compare_exchange_strong(none,
                                        error);  // no lock: the host thread that waits for the blocks has it
}

void forget_faults() {
  Queue& q = queue();
  const std::lock_guard<std::recursive_mutex> lock(q.mutex);
  q.waiting.clear();
  q.fault = cudaSuccess;
  q.sticky = last_error = cudaSuccess;
}

void drain_work() {
  Queue& q = queue();
  const std::lock_guard<std::recursive_mutex> lock(q.mutex);
  if (q.running) return;
  q.running = true;
  while (!q.waiting.empty()) {
    const std::function<void()> work = std::move(q.waiting.front());
    q.waiting.pop_front();
    if (q.fault == cudaSuccess) work();  // nothing runs on a device that has failed
  }
  q.running = false;
}

bool work_is_waiting() {
  Queue& q = queue();
  const std::lock_guard<std::recursive_mutex> lock(q.mutex);
  return !q.waiting.empty();
}

void issue(cudaStream_t stream, std::function<void()> work) {
  CUstream_st& target = stream_of(stream);
  if (target.capture) {
    target.capture->work.push_back(std::move(work));
    return;
  }
  Queue& q = queue();
  const std::lock_guard<std::recursive_mutex> lock(q.mutex);
  q.waiting.push_back(std::move(work));
  if (!options().deferred) drain_work();
}

std::string in_words(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (const NamedRange name = find_name(address); !name.name.empty()) {
    return name.name + " + " + std::to_string(address - name.begin) + " bytes";
  }
  const Allocation* allocation = is_device_address(pointer) ? find_allocation(address) : nullptr;
  if (allocation) {
    const bool before = address < allocation->address;
    return "allocation " + std::to_string(allocation->number) + (before ? " - " : " + ") +
           std::to_string(before ? allocation->address - address : address - allocation->address) + " of " +
           std::to_string(allocation->bytes) + " bytes" + (allocation->freed ? ", freed" : "");
  }
  char text[32];
  std::snprintf(text, sizeof text, "%p", pointer);
  return text;
}

void report_call(FindingKind kind, const char* call, const std::string& value, const void* site) {
  if (!options().check) return;
  Finding finding;
  finding.kind = kind;
  finding.kernel = call;
  finding.place = host_place(site);
  finding.value = value;
  Parties parties;
  parties.on_host = true;
  add_finding(std::move(finding), parties);
}

cudaError_t check_device_range(const void* address, size_t bytes, const char* call, const void* site) {
  if (bytes == 0 || is_allocated(address, bytes)) return cudaSuccess;
  const std::string value = in_words(address) + ", " + std::to_string(bytes) + " bytes";
  if (!address || !is_device_address(address)) {
    if (address && is_pinned(address)) return cudaSuccess;  // the device reaches it as it is
    report_call(FindingKind::kHostMemory, call, value, site);
    return cudaErrorInvalidValue;
  }
  const Allocation* near = find_allocation(reinterpret_cast<uintptr_t>(address));
  const bool freed =
      near && near->freed && reinterpret_cast<uintptr_t>(address) - near->address < near->bytes;
  report_call(freed ? FindingKind::kUseAfterFree : FindingKind::kOutOfBounds, call, value, site);
  return cudaErrorInvalidValue;
}

void check_leaks() {
  for (const Allocation& allocation : live_allocations()) {
    Finding finding;
    finding.kind = FindingKind::kLeak;
    finding.kernel = "cudaMalloc";
    finding.place = host_place(allocation.site);
    finding.value = "allocation " + std::to_string(allocation.number) + " of " +
                    std::to_string(allocation.bytes) + " bytes was never freed";
    Parties parties;
    parties.on_host = true;
    add_finding(std::move(finding), parties);
  }
}

}  // namespace emulator

using namespace emulator;

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  Queue& q = queue();
  const std::lock_guard<std::recursive_mutex> lock(q.mutex);
  last_error = q.sticky;  // of no help: it is there again
  return q.sticky != cudaSuccess ? q.sticky : error;
}

cudaError_t cudaPeekAtLastError() {
  Queue& q = queue();
  const std::lock_guard<std::recursive_mutex> lock(q.mutex);
  return q.sticky != cudaSuccess ? q.sticky : last_error;
}

cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t error = check_no_capture(nullptr)) return error;
  count_call(Call::kWait);
  drain_work();
  return begin_call();
}

cudaError_t cudaDeviceReset() {
  drain_work();
  if (options().check) check_leaks();
  for (const Allocation& allocation : live_allocations())
    device_free(reinterpret_cast<void*>(allocation.address));
  end_all_streams();
  forget_faults();
  return cudaSuccess;
}

namespace {
struct ErrorText {
  cudaError_t error;
  const char *name, *text;
};
#define EMULATOR_ERROR(error, text) \
  { error, #error, text }
constexpr ErrorText kErrors[] = {
    EMULATOR_ERROR(cudaSuccess, "no error"),
    EMULATOR_ERROR(cudaErrorInvalidValue, "invalid argument"),
    EMULATOR_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    EMULATOR_ERROR(cudaErrorInitializationError, "initialization error"),
    EMULATOR_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    EMULATOR_ERROR(cudaErrorInvalidPitchValue, "invalid pitch argument"),
    EMULATOR_ERROR(cudaErrorInvalidSymbol, "invalid device symbol"),
    EMULATOR_ERROR(cudaErrorInvalidHostPointer, "invalid host pointer"),
    EMULATOR_ERROR(cudaErrorInvalidDevicePointer, "invalid device pointer"),
    EMULATOR_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    EMULATOR_ERROR(cudaErrorInsufficientDriver,
                   "CUDA driver version is insufficient for CUDA runtime version"),
    EMULATOR_ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    EMULATOR_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    EMULATOR_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    EMULATOR_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    EMULATOR_ERROR(cudaErrorNotReady, "device not ready"),
    EMULATOR_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    EMULATOR_ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    EMULATOR_ERROR(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    EMULATOR_ERROR(cudaErrorAssert, "device-side assert triggered"),
    EMULATOR_ERROR(cudaErrorHostMemoryAlreadyRegistered,
                   "part or all of the requested memory range is already mapped"),
    EMULATOR_ERROR(cudaErrorHostMemoryNotRegistered,
                   "pointer does not correspond to a registered memory region"),
    EMULATOR_ERROR(cudaErrorMisalignedAddress, "misaligned address"),
    EMULATOR_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    EMULATOR_ERROR(cudaErrorNotPermitted, "operation not permitted"),
    EMULATOR_ERROR(cudaErrorNotSupported, "operation not supported"),
    EMULATOR_ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    EMULATOR_ERROR(cudaErrorStreamCaptureInvalidated,
                   "operation failed due to a previous error during capture"),
    EMULATOR_ERROR(cudaErrorStreamCaptureUnmatched, "capture was not initiated in this stream"),
    EMULATOR_ERROR(cudaErrorStreamCaptureImplicit,
                   "operation would make the legacy stream depend on a capturing blocking stream"),
    EMULATOR_ERROR(cudaErrorUnknown, "unknown error"),
};
#undef EMULATOR_ERROR
const ErrorText* find_error(cudaError_t error) {
  for (const ErrorText& entry : kErrors) {
    if (entry.error == error) return &entry;
  }
  return nullptr;
}
}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
  const ErrorText* entry = find_error(error);
  return entry ? entry->name : "unrecognized error code";
}
const char* cudaGetErrorString(cudaError_t error) {
  const ErrorText* entry = find_error(error);
  return entry ? entry->text : "unrecognized error code";
}
