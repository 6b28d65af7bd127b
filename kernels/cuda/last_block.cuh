// Sums that blocks make together in one launch: whoever comes last adds up.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

namespace swag::cuda {

/// True in the last of `blocks` blocks to come here: it then sees what the others wrote before. `memory` is
/// shared and free, `counter` is 0 before and after. All threads must call.
__device__ __forceinline__ bool is_last_block(uint32_t* counter, int blocks, uint32_t* memory) {
  __threadfence();  // what this thread wrote before the count
  __syncthreads();
  if (threadIdx.x == 0) *memory = atomicAdd(counter, 1u) == static_cast<uint32_t>(blocks - 1);
  __syncthreads();
  if (*memory == 0) return false;
  __threadfence();  // the count before what the others wrote
  if (threadIdx.x == 0) *counter = 0;
  return true;
}

}  // namespace swag::cuda
