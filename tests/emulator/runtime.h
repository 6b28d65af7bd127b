// What the files of the runtime API share: errors, the queue of work, streams and events as objects.
//
// All work, of all streams, goes through one queue in the order in which it was issued. It runs at once, or,
// with options().deferred, when the host waits for anything: code that forgets to wait then finds old data.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/emulator/emulator.h"
#include "tests/emulator/include/cuda_runtime_api.h"

struct CUgraph_st {
  std::vector<std::function<void()>> work;
  bool invalid = false;
};
struct CUgraphExec_st {
  std::vector<std::function<void()>> work;
};
struct CUstream_st {
  unsigned flags = 0;
  int priority = 0;
  std::shared_ptr<CUgraph_st> capture;  // not null: work is recorded, not run
  bool began_capture = false;           // here, and not by waiting for an event
};
struct CUevent_st {
  unsigned flags = 0;
  bool recorded = false, pending = false;
  double seconds = 0;
  std::shared_ptr<CUgraph_st> capture;
};

namespace emulator {

/// The first thing a call does: the error that an earlier kernel left, which then is every call's, or
/// cudaSuccess.
cudaError_t begin_call();
/// Remembers the error for cudaGetLastError and returns it; cudaSuccess is not remembered.
cudaError_t fail(cudaError_t error);
/// A kernel died. The next call begins with this error.
void leave_fault(cudaError_t error);
/// Forgets it, with all else: cudaDeviceReset.
void forget_faults();

/// Runs the work after all that was issued before, or records it when the stream is being captured.
void issue(cudaStream_t stream, std::function<void()> work);
/// Runs all that is waiting.
void drain_work();
bool work_is_waiting();
/// For calls that wait: an error while the stream (or any, when it is null) is being captured.
cudaError_t check_no_capture(cudaStream_t stream);
void end_all_streams();

bool is_stream(cudaStream_t stream);  // null and the two special values too
CUstream_st& stream_of(cudaStream_t stream);
bool is_event(cudaEvent_t event);

/// True for memory of cudaMallocHost, cudaHostAlloc or cudaHostRegister.
bool is_pinned(const void* address);

/// Adds a finding about a call of the host's, when checking.
void report_call(FindingKind kind, const char* call, const std::string& value, const void* site);
/// "allocation 3 + 16 of 64 bytes", or the address.
std::string in_words(const void* address);

/// The error for a device range that a call is about to touch: cudaSuccess when it lies in one live
/// allocation.
cudaError_t check_device_range(const void* address, size_t bytes, const char* call, const void* site);

}  // namespace emulator
