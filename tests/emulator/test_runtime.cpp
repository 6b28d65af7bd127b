// The runtime API without kernels: errors, copies, streams, events, graphs, memory.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/emulator/emulator.h"
#include "tests/emulator/include/cuda_runtime_api.h"
#include "tests/emulator/memory.h"

namespace {

using emulator::Finding;
using emulator::FindingKind;

/// Options for one test; the plain ones come back with its end, and nothing is left behind.
class With {
 public:
  explicit With(bool check, bool deferred = false) {
    emulator::Options options;
    options.check = check;
    options.deferred = deferred;
    options.report = false;
    configure(options);
    emulator::take_findings();
  }
  ~With() {
    cudaDeviceReset();
    emulator::configure(emulator::Options());
    emulator::take_findings();
  }
};

/// The kinds of all findings so far, in order.
std::vector<FindingKind> found() {
  std::vector<FindingKind> kinds;
  for (const Finding& finding : emulator::take_findings()) kinds.push_back(finding.kind);
  return kinds;
}
using Kinds = std::vector<FindingKind>;

template <typename T>
T* device_array(size_t count) {
  T* pointer = nullptr;
  REQUIRE(cudaMalloc(&pointer, count * sizeof(T)) == cudaSuccess);
  return pointer;
}

}  // namespace

TEST_CASE("cudaGetLastError gives an error once, cudaPeekAtLastError leaves it") {
  const With with(false);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(cudaMalloc(static_cast<void**>(nullptr), 4) == cudaErrorInvalidValue);
  float* x = device_array<float>(4);  // a success does not wipe the error out
  CHECK(cudaPeekAtLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(cudaFree(x) == cudaSuccess);
  CHECK(std::string(cudaGetErrorName(cudaErrorIllegalAddress)) == "cudaErrorIllegalAddress");
  CHECK(std::string(cudaGetErrorString(cudaErrorInvalidValue)) == "invalid argument");
}

TEST_CASE("copies go where they are told, in rows too") {
  for (const bool check : {false, true}) {
    const With with(check);
    const std::vector<int> source = {1, 2, 3, 4, 5, 6};
    std::vector<int> result(6);
    int* x = device_array<int>(6);
    int* y = device_array<int>(6);
    CHECK(cudaMemcpy(x, source.data(), 24, cudaMemcpyHostToDevice) == cudaSuccess);
    CHECK(cudaMemcpy(y, x, 24, cudaMemcpyDefault) == cudaSuccess);
    CHECK(cudaMemcpy(result.data(), y, 24, cudaMemcpyDeviceToHost) == cudaSuccess);
    CHECK(result == source);
    // The left two columns of 2x3 become the right two of y.
    CHECK(cudaMemcpy2D(y + 1, 12, x, 12, 8, 2, cudaMemcpyDeviceToDevice) == cudaSuccess);
    CHECK(cudaMemset2D(x, 12, 0, 4, 2) == cudaSuccess);
    CHECK(cudaMemcpy(result.data(), y, 24, cudaMemcpyDeviceToHost) == cudaSuccess);
    CHECK(result == std::vector<int>{1, 1, 2, 4, 4, 5});
    CHECK(cudaMemcpy(result.data(), x, 24, cudaMemcpyDeviceToHost) == cudaSuccess);
    CHECK(result == std::vector<int>{0, 2, 3, 0, 5, 6});
    CHECK(cudaFree(x) == cudaSuccess);
    CHECK(cudaFree(y) == cudaSuccess);
    CHECK(found().empty());
  }
}

TEST_CASE("calls are counted, once each, and not those that were refused") {
  emulator::take_calls();
  int *a = nullptr, *b = nullptr, host[4] = {1, 2, 3, 4};
  REQUIRE(cudaMalloc(&a, 16) == cudaSuccess);
  REQUIRE(cudaMalloc(&b, 16) == cudaSuccess);
  CHECK(cudaMemcpy(a, host, 16, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(cudaMemcpyAsync(b, a, 16, cudaMemcpyDeviceToDevice, nullptr) == cudaSuccess);
  CHECK(cudaMemset(a, 0, 16) == cudaSuccess);
  for (int k = 0; k < 3; ++k) {
    CHECK(cudaMemcpyAsync(host, b, 16, cudaMemcpyDeviceToHost, nullptr) == cudaSuccess);
  }
  CHECK(cudaMemcpy(host, nullptr, 16, cudaMemcpyDeviceToHost) != cudaSuccess);
  CHECK(cudaStreamSynchronize(nullptr) == cudaSuccess);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
  const emulator::CallCounts counts = emulator::take_calls();
  CHECK(counts.allocations == 2);
  CHECK(counts.to_device == 1);
  CHECK(counts.within_device == 1);
  CHECK(counts.to_host == 3);
  CHECK(counts.fills == 1);
  CHECK(counts.waits == 2);
  CHECK(counts.launches == 0);
  CHECK(emulator::take_calls().to_host == 0);
  cudaFree(a);
  cudaFree(b);
}

TEST_CASE("a bad copy is refused with CUDA's error, and found") {
  const With with(true);
  float host[8] = {};
  float* x = device_array<float>(4);
  CHECK(cudaMemcpy(x, host, 20, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(found() == Kinds{FindingKind::kOutOfBounds});
  CHECK(cudaMemcpy(host + 4, host, 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(found() == Kinds{FindingKind::kHostMemory});
  CHECK(cudaMemcpy(x, host, 16, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(found() == Kinds{FindingKind::kDeviceMemory});
  CHECK(cudaMemcpy(x, nullptr, 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(x, host, 16, static_cast<cudaMemcpyKind>(7)) == cudaErrorInvalidMemcpyDirection);
  CHECK(cudaMemcpy(nullptr, nullptr, 0, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(cudaMemcpy2D(x, 4, host, 8, 8, 2, cudaMemcpyHostToDevice) == cudaErrorInvalidPitchValue);
  CHECK(cudaMemset(x, 0, 17) == cudaErrorInvalidValue);
  CHECK(found() == Kinds{FindingKind::kOutOfBounds});
  CHECK(cudaFree(x + 1) == cudaErrorInvalidValue);
  CHECK(cudaFree(host) == cudaErrorInvalidValue);
  CHECK(cudaFree(x) == cudaSuccess);
  CHECK(cudaFree(x) == cudaErrorInvalidValue);
  CHECK(found() == Kinds(3, FindingKind::kBadFree));
  CHECK(cudaMemcpy(x, host, 16, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(found() == Kinds{FindingKind::kUseAfterFree});
  CHECK(cudaFree(nullptr) == cudaSuccess);
}

TEST_CASE("the host may not read what was never written, nor a copy of it") {
  const With with(true);
  float host[8] = {};
  float* x = device_array<float>(8);
  float* y = device_array<float>(8);
  CHECK(cudaMemset(x, 0, 28) == cudaSuccess);
  CHECK(cudaMemcpy(host, x, 28, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(found().empty());
  CHECK(cudaMemcpy(y, x, 32, cudaMemcpyDeviceToDevice) == cudaSuccess);
  CHECK(found().empty());
  CHECK(cudaMemcpy(host, y, 32, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(found() == Kinds{FindingKind::kUninitialised});
  CHECK(cudaFree(x) == cudaSuccess);
  CHECK(cudaFree(y) == cudaSuccess);
}

TEST_CASE("what is never freed is reported with the line of its allocation") {
  const With with(true);
  float* x = nullptr;
  const int line = __LINE__ + 1;
  const cudaError_t error = cudaMalloc(&x, 12);
  CHECK(error == cudaSuccess);
  emulator::check_leaks();
  const std::vector<Finding> findings = emulator::take_findings();
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].kind == FindingKind::kLeak);
  CHECK(findings[0].value.find("12 bytes") != std::string::npos);
  CHECK(findings[0].place.line == line);
  CHECK(cudaFree(x) == cudaSuccess);
  emulator::check_leaks();
  CHECK(found().empty());
}

TEST_CASE("memory has an end") {
  emulator::Options options;
  options.device_bytes = 1 << 20;
  emulator::configure(options);
  void *a = nullptr, *b = nullptr;
  CHECK(cudaMalloc(&a, 1 << 19) == cudaSuccess);
  CHECK(cudaMalloc(&b, (1 << 19) + 1) == cudaErrorMemoryAllocation);
  CHECK(b == nullptr);
  size_t free = 0, total = 0;
  CHECK(cudaMemGetInfo(&free, &total) == cudaSuccess);
  CHECK(free == 1 << 19);
  CHECK(total == 1 << 20);
  CHECK(cudaFree(a) == cudaSuccess);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  emulator::configure(emulator::Options());
}

TEST_CASE("space is used again when it has run out") {
  const With with(false);
  for (int i = 0; i < 24;
       ++i) {  // 24 GiB, one after the other, in a range of 16 GiB: never touched, so it costs little
    void* x = nullptr;
    REQUIRE(cudaMalloc(&x, size_t{1} << 26) == cudaSuccess);
    REQUIRE(reinterpret_cast<uintptr_t>(x) % emulator::kAllocationAlignment == 0);
    REQUIRE(*static_cast<unsigned char*>(x) == 0xff);
    REQUIRE(cudaFree(x) == cudaSuccess);
  }
}

TEST_CASE("deferred work shows a missing synchronisation as old data") {
  const With with(false, true);
  cudaStream_t stream;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  int* x = device_array<int>(1);
  int* pinned = nullptr;
  REQUIRE(cudaMallocHost(&pinned, 4) == cudaSuccess);
  *pinned = 7;
  CHECK(cudaMemsetAsync(x, 0, 4, stream) == cudaSuccess);
  CHECK(cudaMemcpyAsync(pinned, x, 4, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
  CHECK(*pinned == 7);
  CHECK(cudaStreamQuery(stream) == cudaErrorNotReady);
  CHECK(cudaGetLastError() == cudaErrorNotReady);
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
  CHECK(*pinned == 0);
  int pageable = 7;
  CHECK(cudaMemcpyAsync(&pageable, x, 4, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
  CHECK(pageable == 0);  // pageable memory waits
  pageable = 5;
  CHECK(cudaMemcpyAsync(x, &pageable, 4, cudaMemcpyHostToDevice, stream) == cudaSuccess);
  pageable = 6;  // staged: too late
  CHECK(cudaMemcpy(pinned, x, 4, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(*pinned == 5);
  int calls = 0;
  CHECK(cudaLaunchHostFunc(
            stream, [](void* data) { ++*static_cast<int*>(data); }, &calls) == cudaSuccess);
  CHECK(calls == 0);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
  CHECK(calls == 1);
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, pinned) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeHost);
  CHECK(cudaPointerGetAttributes(&attributes, x) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeDevice);
  CHECK(cudaPointerGetAttributes(&attributes, &calls) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeUnregistered);
  CHECK(cudaFreeHost(pinned) == cudaSuccess);
  CHECK(cudaFreeHost(pinned) == cudaErrorInvalidValue);
  CHECK(cudaFree(x) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaStreamDestroy(stream) == cudaErrorInvalidResourceHandle);
}

TEST_CASE("events know whether they have happened") {
  const With with(false, true);
  cudaEvent_t start, end, untimed;
  CHECK(cudaEventCreate(&start) == cudaSuccess);
  CHECK(cudaEventCreate(&end) == cudaSuccess);
  CHECK(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming) == cudaSuccess);
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaErrorInvalidResourceHandle);
  CHECK(cudaEventQuery(start) == cudaSuccess);  // never recorded: nothing to wait for
  CHECK(cudaEventRecord(start) == cudaSuccess);
  CHECK(cudaEventRecord(end) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaErrorNotReady);
  CHECK(cudaEventQuery(end) == cudaErrorNotReady);
  CHECK(cudaEventSynchronize(end) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaSuccess);
  CHECK(milliseconds >= 0);
  CHECK(cudaEventRecord(untimed) == cudaSuccess);
  CHECK(cudaEventSynchronize(untimed) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, start, untimed) == cudaErrorInvalidResourceHandle);
  for (const cudaEvent_t event : {start, end, untimed}) CHECK(cudaEventDestroy(event) == cudaSuccess);
  CHECK(cudaEventRecord(start) == cudaErrorInvalidResourceHandle);
}

TEST_CASE("a captured stream runs nothing until its graph is launched") {
  const With with(false);
  cudaStream_t stream, other;
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  REQUIRE(cudaStreamCreate(&other) == cudaSuccess);
  cudaEvent_t event;
  REQUIRE(cudaEventCreate(&event) == cudaSuccess);
  int calls = 0;
  const auto count = [](void* data) { ++*static_cast<int*>(data); };
  CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
  CHECK(cudaLaunchHostFunc(stream, count, &calls) == cudaSuccess);
  CHECK(cudaEventRecord(event, stream) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(other, event) == cudaSuccess);
  CHECK(cudaLaunchHostFunc(other, count, &calls) == cudaSuccess);  // joined by the event
  cudaGraph_t graph;
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  CHECK(calls == 0);
  cudaGraphExec_t executable;
  CHECK(cudaGraphInstantiate(&executable, graph) == cudaSuccess);
  for (int i = 1; i <= 3; ++i) {
    CHECK(cudaGraphLaunch(executable, stream) == cudaSuccess);
    CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
    CHECK(calls == 2 * i);
  }
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(cudaGraphExecDestroy(executable) == cudaSuccess);
  CHECK(cudaGraphLaunch(executable, stream) == cudaErrorInvalidValue);
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
}

TEST_CASE("an architecture has the limits of the programming guide") {
  const With with(false);
  const emulator::Architecture* turing = emulator::find_architecture("sm_75");
  REQUIRE(turing);
  CHECK(turing->threads_per_multiprocessor == 1024);
  CHECK(turing->shared_per_block_optin == 65536);
  const emulator::Architecture* hopper = emulator::find_architecture("sm_90");
  REQUIRE(hopper);
  CHECK(hopper->shared_per_block_optin == 232448);
  CHECK(hopper->shared_per_multiprocessor == 233472);
  CHECK(emulator::find_architecture("sm_10") == nullptr);
  emulator::Options options;
  options.architecture = "sm_10";
  CHECK_THROWS(emulator::configure(options));
  int value = 0;
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 0) == cudaSuccess);
  CHECK(value == 9);
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0) == cudaSuccess);
  CHECK(value == 232448);
  CHECK(cudaDeviceGetAttribute(&value, static_cast<cudaDeviceAttr>(9999), 0) == cudaErrorInvalidValue);
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice);
}

TEST_CASE("host code that touches device memory dies, and is told what it touched") {
  const With with(true);
  char* x = device_array<char>(100);
  int output[2];
  REQUIRE(pipe(output) == 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(output[1], STDERR_FILENO);
    emulator::configure(emulator::options());  // its handler, not the test framework's
    *static_cast<volatile char*>(x + 16) = 1;
    _exit(0);
  }
  close(output[1]);
  std::string text(512, '\0');
  const ssize_t bytes = read(output[0], text.data(), text.size());
  text.resize(bytes > 0 ? static_cast<size_t>(bytes) : 0);
  close(output[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSEGV);
  CHECK_MESSAGE(text.find("host code touched allocation") != std::string::npos, text);
  CHECK_MESSAGE(text.find("+ 16 of 100 bytes") != std::string::npos, text);
  CHECK(cudaFree(x) == cudaSuccess);
}
