// What CUDA twins that call cuBLAS share.
#pragma once
#include <cublas_v2.h>

#include <string>

#include "kernels/cuda/check.cuh"

namespace swag::cuda {

inline void check_blas(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const cudaError_t code =
      status == CUBLAS_STATUS_ALLOC_FAILED ? cudaErrorMemoryAllocation : cudaErrorUnknown;
  throw CudaError(code, std::string(call) + ": cuBLAS status " + std::to_string(static_cast<int>(status)));
}

}  // namespace swag::cuda
