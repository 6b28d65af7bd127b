// What kernels on tensor cores must know of a GPU.
#pragma once
#include <cstdint>

namespace swag::cuda {

constexpr int kTensorCounters = 4096;

struct TensorUnits {
  int processors = 0;              // streaming multiprocessors; 0: it has no tensor cores for TF32
  int shared_bytes = 0;            // that a block may ask for
  int processor_shared_bytes = 0;  // that its blocks share
  bool wgmma = false;              // it has Hopper's, and they are wanted
  uint32_t* counters = nullptr;    // (kTensorCounters) of blocks that make one sum: 0 before and after a call
};

}  // namespace swag::cuda
