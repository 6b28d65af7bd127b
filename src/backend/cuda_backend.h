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

/// A stream, and the cuBLAS handle that works on it.
class CudaQueue {
 public:
  explicit CudaQueue(int ordinal) {
    translated([&] {
      CUDA_CHECK(cudaSetDevice(ordinal));
      CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    });
    if (cublasCreate(&cublas_) != CUBLAS_STATUS_SUCCESS) {
      cudaStreamDestroy(stream_);
      throw Error(Status::kDevice, "cuBLAS cannot be used on " + cuda_device_name(ordinal));
    }
    cublasSetStream(cublas_, stream_);
  }
  ~CudaQueue() {
    cublasDestroy(cublas_);
    cudaStreamDestroy(stream_);
  }
  CudaQueue(const CudaQueue&) = delete;
  CudaQueue& operator=(const CudaQueue&) = delete;
  cudaStream_t stream() const { return stream_; }
  cuda::Lane lane() const { return {{cublas_}, {stream_}}; }
  cublasHandle_t cublas() const { return cublas_; }

 private:
  cudaStream_t stream_ = nullptr;
  cublasHandle_t cublas_ = nullptr;
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

/// For a device that is there.
std::unique_ptr<Backend> make_cuda_backend(int ordinal);

}  // namespace swag
