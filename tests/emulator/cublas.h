// What the files of the emulator's cuBLAS share.
#pragma once
#include "tests/emulator/include/cublas_v2.h"

struct cublasContext {
  cudaStream_t stream = nullptr;
  cublasMath_t math = CUBLAS_DEFAULT_MATH;
  cublasPointerMode_t pointers = CUBLAS_POINTER_MODE_HOST;
};

namespace emulator {

/// What all calls begin with: an error when the handle is none or a kernel has died.
cublasStatus_t begin_cublas(cublasHandle_t handle);

}  // namespace emulator
