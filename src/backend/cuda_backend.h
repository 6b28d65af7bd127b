// What the two files of the CUDA backend share. For CUDA sources alone.
#pragma once
#include <cublas_v2.h>

#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/check.cuh"
#include "kernels/wasserstein.h"
#include "src/backend/backend.h"
#include "src/support/error.h"

namespace swag {

/// call(), with the runtime's errors as the library's.
template <typename Call>
auto translated(Call&& call) {
  try {
    return call();
  } catch (const CudaError& error) {
    throw Error(error.code() == cudaErrorMemoryAllocation ? Status::kMemory : Status::kDevice, error.what());
  }
}

std::string cuda_device_name(int ordinal);    // "cuda:0"
std::string cuda_device_detail(int ordinal);  // as DeviceInfo has it

/// Memory of a device. Throws Error(kMemory) that says how much it has.
void* cuda_memory(int ordinal, int64_t bytes);
int64_t cuda_free_bytes(int ordinal);

/// A stream, and the cuBLAS handle that works on it, with memory of its own: of what a handle would take
/// for itself a graph makes nodes.
class CudaQueue {
 public:
  explicit CudaQueue(int ordinal) {
    try {
      size_t bytes = 0;
      translated([&] {
        CUDA_CHECK(cudaSetDevice(ordinal));
        CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
        int major = 0;
        CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal));
        bytes = size_t{major >= 9 ? 32u : 4u} << 20;  // what cuBLAS's guide asks for
      });
      workspace_ = cuda_memory(ordinal, static_cast<int64_t>(bytes));
      const bool usable = cublasCreate(&cublas_) == CUBLAS_STATUS_SUCCESS &&
                          cublasSetStream(cublas_, stream_) == CUBLAS_STATUS_SUCCESS &&
                          cublasSetMathMode(cublas_, CUBLAS_DEFAULT_MATH) == CUBLAS_STATUS_SUCCESS &&
                          cublasSetWorkspace(cublas_, workspace_, bytes) == CUBLAS_STATUS_SUCCESS;
      if (!usable) throw Error(Status::kDevice, "cuBLAS cannot be used on " + cuda_device_name(ordinal));
    } catch (...) {
      close();
      throw;
    }
  }
  ~CudaQueue() { close(); }
  CudaQueue(const CudaQueue&) = delete;
  CudaQueue& operator=(const CudaQueue&) = delete;
  cudaStream_t stream() const { return stream_; }
  cuda::Lane lane() const { return {{cublas_}, {stream_}}; }
  cublasHandle_t cublas() const { return cublas_; }

 private:
  void close() {
    if (cublas_) cublasDestroy(cublas_);
    if (stream_) cudaStreamDestroy(stream_);
    cudaFree(workspace_);
  }

  void* workspace_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cublasHandle_t cublas_ = nullptr;
};

/// Memory of the host that a device copies to by itself.
class PinnedMemory {
 public:
  explicit PinnedMemory(int64_t bytes) {
    translated([&] { CUDA_CHECK(cudaMallocHost(&data_, static_cast<size_t>(bytes))); });
  }
  ~PinnedMemory() { cudaFreeHost(data_); }
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

/// A queue and others beside it, for work whose parts do not wait for each other. Each has a cuBLAS handle of
/// its own: streams that share one share its workspace, and then results differ from call to call.
class CudaLanes {
 public:
  CudaLanes(int ordinal, const CudaQueue& first, int count) : first_(first) {
    lanes_.push_back(first.lane());
    while (static_cast<int>(lanes_.size()) < count) {
      beside_.push_back(std::make_unique<CudaQueue>(ordinal));
      lanes_.push_back(beside_.back()->lane());
    }
    translated([&] { CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); });
  }
  ~CudaLanes() { cudaEventDestroy(event_); }
  CudaLanes(const CudaLanes&) = delete;
  CudaLanes& operator=(const CudaLanes&) = delete;

  const cuda::Lane* data() const { return lanes_.data(); }
  int count() const { return static_cast<int>(lanes_.size()); }
  /// What the others are given from here on begins after what the first has been given.
  void fork() const {
    CUDA_CHECK(cudaEventRecord(event_, first_.stream()));
    for (const auto& queue : beside_) CUDA_CHECK(cudaStreamWaitEvent(queue->stream(), event_, 0));
  }
  /// And what the first is given from here on after what the others have been given.
  void join() const {
    for (const auto& queue : beside_) {
      CUDA_CHECK(cudaEventRecord(event_, queue->stream()));
      CUDA_CHECK(cudaStreamWaitEvent(first_.stream(), event_, 0));
    }
  }

 private:
  const CudaQueue& first_;
  std::vector<std::unique_ptr<CudaQueue>> beside_;
  std::vector<cuda::Lane> lanes_;
  cudaEvent_t event_ = nullptr;
};

/// Calls as a CUDA graph, launched at once: the host has next to nothing to do, and between kernels a GPU
/// waits less.
class CudaRecording final : public Recording {
 public:
  /// Null where the calls cannot be captured.
  static std::unique_ptr<CudaRecording> capture(int ordinal, const CudaQueue& queue,
                                                const std::function<void()>& calls) {
    const cudaStream_t stream = queue.stream();
    cudaGraph_t graph = nullptr;
    if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) return nothing();
    try {
      calls();
    } catch (const Error&) {  // what it was shows when they are run
      cudaStreamEndCapture(stream, &graph);
      if (graph) cudaGraphDestroy(graph);
      return nothing();
    }
    if (cudaStreamEndCapture(stream, &graph) != cudaSuccess || !graph) return nothing();
    std::unique_ptr<CudaRecording> recording(new CudaRecording(ordinal, stream));
    const cudaError_t code = cudaGraphInstantiate(&recording->executable_, graph, 0);
    cudaGraphDestroy(graph);
    if (code == cudaSuccess) return recording;
    return nothing();
  }
  ~CudaRecording() override {
    cudaSetDevice(ordinal_);
    if (executable_) cudaGraphExecDestroy(executable_);
  }
  void replay() override {
    translated([&] {
      CUDA_CHECK(cudaSetDevice(ordinal_));
      CUDA_CHECK(cudaGraphLaunch(executable_, stream_));
    });
  }

 private:
  CudaRecording(int ordinal, cudaStream_t stream) : ordinal_(ordinal), stream_(stream) {}
  static std::unique_ptr<CudaRecording> nothing() {
    cudaGetLastError();  // or the next check would find it
    return nullptr;
  }

  int ordinal_;
  cudaStream_t stream_;
  cudaGraphExec_t executable_ = nullptr;
};

/// For a device that is there.
std::unique_ptr<Backend> make_cuda_backend(int ordinal);

}  // namespace swag
