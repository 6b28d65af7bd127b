// What the two files of the CUDA backend share. For CUDA sources alone.
#pragma once
#include <memory>
#include <string>

#include "kernels/cuda/check.cuh"
#include "src/backend.h"
#include "src/error.h"

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

/// For a device that is there.
std::unique_ptr<Backend> make_cuda_backend(int ordinal);

}  // namespace swag
