// What the two files of the CUDA backend share. For CUDA sources alone.
#pragma once
#include <cublas_v2.h>

#include <memory>
#include <string>

#include "kernels/cuda/check.cuh"
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
  cublasHandle_t cublas() const { return cublas_; }

 private:
  cudaStream_t stream_ = nullptr;
  cublasHandle_t cublas_ = nullptr;
};

/// For a device that is there.
std::unique_ptr<Backend> make_cuda_backend(int ordinal);

}  // namespace swag
