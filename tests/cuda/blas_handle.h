// A cuBLAS handle that lives through a test.
#pragma once
#include <cublas_v2.h>
#include <doctest/doctest.h>

#include "kernels/gram.h"

namespace swag::test {

class BlasHandle {
 public:
  BlasHandle() { REQUIRE(cublasCreate(&handle_) == CUBLAS_STATUS_SUCCESS); }
  ~BlasHandle() { cublasDestroy(handle_); }
  BlasHandle(const BlasHandle&) = delete;
  BlasHandle& operator=(const BlasHandle&) = delete;
  cuda::Blas blas() const { return {handle_}; }

 private:
  cublasHandle_t handle_ = nullptr;
};

}  // namespace swag::test
