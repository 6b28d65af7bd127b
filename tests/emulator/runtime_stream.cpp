// Streams, events, stream capture.
#include <chrono>
#include <mutex>
#include <set>

#include "tests/emulator/calls.h"
#include "tests/emulator/runtime.h"

namespace emulator {
namespace {

/// Objects by address. What is destroyed stays in memory, so that no new object gets its handle.
template <typename T>
class Handles {
 public:
  T* make() {
    const std::lock_guard<std::mutex> lock(mutex_);
    all_.push_back(std::make_unique<T>());
    live_.insert(all_.back().get());
    return all_.back().get();
  }
  bool has(const T* handle) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return live_.count(handle) > 0;
  }
  bool destroy(const T* handle) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return live_.erase(handle) > 0;
  }
  template <typename Function>
  void each(Function function) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& object : all_) {
      if (live_.count(object.get())) function(*object);
    }
  }
  void clear() {
    const std::lock_guard<std::mutex> lock(mutex_);
    live_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> all_;
  std::set<const T*> live_;
};

template <typename T>
Handles<T>& handles() {
  static auto* const instance = new Handles<T>;
  return *instance;
}

CUstream_st& default_stream() {
  static CUstream_st stream;
  return stream;
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void leave_capture(const std::shared_ptr<CUgraph_st>& graph) {
  handles<CUstream_st>().each([&](CUstream_st& stream) {
    if (stream.capture == graph) {
      stream.capture = nullptr;
      stream.began_capture = false;
    }
  });
}

bool is_special(cudaStream_t stream) {
  return !stream || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
}

}  // namespace

bool is_stream(cudaStream_t stream) { return is_special(stream) || handles<CUstream_st>().has(stream); }
CUstream_st& stream_of(cudaStream_t stream) { return is_special(stream) ? default_stream() : *stream; }
bool is_event(cudaEvent_t event) { return handles<CUevent_st>().has(event); }

cudaError_t check_no_capture(cudaStream_t stream) {
  bool capturing = false;
  if (stream) {
    capturing = stream_of(stream).capture != nullptr;
    if (capturing) stream_of(stream).capture->invalid = true;
  } else {
    handles<CUstream_st>().each([&](CUstream_st& each) {
      if (!each.capture) return;
      each.capture->invalid = true;
      capturing = true;
    });
  }
  return capturing ? fail(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}

void end_all_streams() {
  handles<CUstream_st>().clear();
  handles<CUevent_st>().clear();
}

}  // namespace emulator

using namespace emulator;

// ---------------------------------------------------------------- streams

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  if (const cudaError_t error = begin_call()) return error;
  if (!stream || flags > cudaStreamNonBlocking) return fail(cudaErrorInvalidValue);
  *stream = handles<CUstream_st>().make();
  (*stream)->flags = flags;
  (*stream)->priority = priority > 0 ? 0 : priority < -5 ? -5 : priority;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithPriority(stream, 0, 0); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (const cudaError_t error = begin_call()) return error;
  return handles<CUstream_st>().destroy(stream) ? cudaSuccess : fail(cudaErrorInvalidResourceHandle);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (const cudaError_t error = check_no_capture(stream)) return error;
  count_call(Call::kWait);
  drain_work();
  return begin_call();
}

/// Asking once is enough for the work to be done: a loop that asks ends.
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (const cudaError_t error = check_no_capture(stream)) return error;
  if (!work_is_waiting()) return begin_call();
  drain_work();
  return fail(cudaErrorNotReady);
}

cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned* flags) {
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (!flags) return fail(cudaErrorInvalidValue);
  *flags = stream_of(stream).flags;
  return begin_call();
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (!priority) return fail(cudaErrorInvalidValue);
  *priority = stream_of(stream).priority;
  return begin_call();
}

/// All work is in one order, so waiting for what was issued before is nothing; capture spreads to the stream.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  if (const cudaError_t error = begin_call()) return error;
  if (!is_stream(stream) || !is_event(event)) return fail(cudaErrorInvalidResourceHandle);
  if (flags > 1) return fail(cudaErrorInvalidValue);
  CUstream_st& target = stream_of(stream);
  if (event->capture && !target.capture && !is_special(stream)) target.capture = event->capture;
  return cudaSuccess;
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void* data,
                                  unsigned flags) {
  if (const cudaError_t error = begin_call()) return error;
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (!callback || flags != 0) return fail(cudaErrorInvalidValue);
  if (const cudaError_t error = check_no_capture(stream)) return error;
  issue(stream, [=] { callback(stream, cudaSuccess, data); });
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  if (const cudaError_t error = begin_call()) return error;
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (!function) return fail(cudaErrorInvalidValue);
  issue(stream, [=] { function(data); });
  return cudaSuccess;
}

// ---------------------------------------------------------------- events

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  if (const cudaError_t error = begin_call()) return error;
  const bool shared = flags & cudaEventInterprocess;
  if (!event || flags > 7 || (shared && !(flags & cudaEventDisableTiming)))
    return fail(cudaErrorInvalidValue);
  *event = handles<CUevent_st>().make();
  (*event)->flags = flags;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (const cudaError_t error = begin_call()) return error;
  return handles<CUevent_st>().destroy(event) ? cudaSuccess : fail(cudaErrorInvalidResourceHandle);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const cudaError_t error = begin_call()) return error;
  if (!is_event(event) || !is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  event->capture = stream_of(stream).capture;
  if (event->capture) return cudaSuccess;
  event->recorded = event->pending = true;
  issue(stream, [event] {
    event->seconds = now();
    event->pending = false;
  });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (!is_event(event)) return fail(cudaErrorInvalidResourceHandle);
  if (event->capture) return fail(cudaErrorStreamCaptureUnsupported);
  count_call(Call::kWait);
  drain_work();
  return begin_call();
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (!is_event(event)) return fail(cudaErrorInvalidResourceHandle);
  if (event->capture) return fail(cudaErrorStreamCaptureUnsupported);
  if (!event->pending) return begin_call();
  drain_work();
  return fail(cudaErrorNotReady);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (const cudaError_t error = begin_call()) return error;
  if (!milliseconds) return fail(cudaErrorInvalidValue);
  for (const cudaEvent_t event : {start, end}) {
    if (!is_event(event) || !event->recorded || event->flags & cudaEventDisableTiming) {
      return fail(cudaErrorInvalidResourceHandle);
    }
  }
  if (start->pending || end->pending) return fail(cudaErrorNotReady);
  *milliseconds = static_cast<float>((end->seconds - start->seconds) * 1e3);
  return cudaSuccess;
}

// ---------------------------------------------------------------- capture and graphs

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (const cudaError_t error = begin_call()) return error;
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (mode < cudaStreamCaptureModeGlobal || mode > cudaStreamCaptureModeRelaxed)
    return fail(cudaErrorInvalidValue);
  if (!stream || stream == cudaStreamLegacy) return fail(cudaErrorStreamCaptureUnsupported);
  CUstream_st& target = stream_of(stream);
  if (target.capture) return fail(cudaErrorStreamCaptureUnsupported);
  target.capture = std::make_shared<CUgraph_st>();
  target.began_capture = true;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (const cudaError_t error = begin_call()) return error;
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (!graph) return fail(cudaErrorInvalidValue);
  *graph = nullptr;
  const std::shared_ptr<CUgraph_st> captured = stream_of(stream).capture;
  if (!captured) return fail(cudaErrorInvalidValue);
  if (!stream_of(stream).began_capture) return fail(cudaErrorStreamCaptureUnmatched);
  leave_capture(captured);
  stream_of(stream).capture = nullptr;
  if (captured->invalid) return fail(cudaErrorStreamCaptureInvalidated);
  *graph = handles<CUgraph_st>().make();
  (*graph)->work = captured->work;
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (!status) return fail(cudaErrorInvalidValue);
  const CUstream_st& target = stream_of(stream);
  *status = !target.capture           ? cudaStreamCaptureStatusNone
            : target.capture->invalid ? cudaStreamCaptureStatusInvalidated
                                      : cudaStreamCaptureStatusActive;
  return begin_call();
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  if (const cudaError_t error = begin_call()) return error;
  if (!executable || !handles<CUgraph_st>().has(graph)) return fail(cudaErrorInvalidValue);
  *executable = handles<CUgraphExec_st>().make();
  (*executable)->work = graph->work;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (const cudaError_t error = begin_call()) return error;
  if (!handles<CUgraphExec_st>().has(executable)) return fail(cudaErrorInvalidValue);
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  for (const auto& work : executable->work) issue(stream, work);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (const cudaError_t error = begin_call()) return error;
  return handles<CUgraph_st>().destroy(graph) ? cudaSuccess : fail(cudaErrorInvalidValue);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  if (const cudaError_t error = begin_call()) return error;
  return handles<CUgraphExec_st>().destroy(executable) ? cudaSuccess : fail(cudaErrorInvalidValue);
}
