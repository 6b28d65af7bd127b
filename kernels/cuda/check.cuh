// Errors of the CUDA runtime as exceptions.
#pragma once
#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace swag {

/// A CUDA call or launch that failed: which expression, where, and the runtime's words for it.
class CudaError : public std::runtime_error {
 public:
  CudaError(cudaError_t code, const std::string& message) : std::runtime_error(message), code_(code) {}
  cudaError_t code() const { return code_; }

 private:
  cudaError_t code_;
};

[[noreturn]] inline void throw_cuda_error(cudaError_t code, const char* expression, const char* file,
                                          int line) {
  throw CudaError(code, std::string(file) + ":" + std::to_string(line) + ": " + expression + ": " +
                            cudaGetErrorName(code) + ": " + cudaGetErrorString(code));
}

}  // namespace swag

#define CUDA_CHECK(expression)                                                    \
  do {                                                                            \
    const cudaError_t cuda_check_code = (expression);                             \
    if (cuda_check_code != cudaSuccess) {                                         \
      ::swag::throw_cuda_error(cuda_check_code, #expression, __FILE__, __LINE__); \
    }                                                                             \
  } while (false)
