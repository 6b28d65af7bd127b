// What nvcc and a host compiler spell differently: launches and dynamic shared memory. Kernels themselves are
// the same text for both. Built by a host compiler they run on the emulator (docs/emulator.md).
#pragma once
#include <cuda_runtime.h>

#include "kernels/cuda/check.cuh"
#include "kernels/stream.h"

#ifdef __CUDACC__

/// Declares `name`, a pointer to the block's dynamic shared memory, aligned to 1024 bytes.
#define DYNAMIC_SHARED(type, name)                                        \
  extern __shared__ __align__(1024) unsigned char dynamic_shared_bytes[]; \
  type* const name = reinterpret_cast<type*>(dynamic_shared_bytes)

#else

#define DYNAMIC_SHARED(type, name) type* const name = static_cast<type*>(emulator::dynamic_shared())

#endif

namespace swag {

inline cudaStream_t cuda_stream(Stream stream) { return static_cast<cudaStream_t>(stream.handle); }

/// Runs kernel(arguments...) on grid x block threads; throws when the launch is refused. What goes wrong
/// while the kernel runs shows at the next synchronisation, as always.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, Stream stream,
            const Arguments&... arguments) {
#ifdef __CUDACC__
  kernel<<<grid, block, shared_bytes, cuda_stream(stream)>>>(static_cast<Parameters>(arguments)...);
#else
  emulator::launch(kernel, grid, block, shared_bytes, cuda_stream(stream),
                   static_cast<Parameters>(arguments)...);
#endif
  CUDA_CHECK(cudaGetLastError());
}

/// Lets a kernel have more dynamic shared memory than the 48 KiB that need no asking.
template <typename... Parameters>
void allow_shared(void (*kernel)(Parameters...), size_t bytes) {
  CUDA_CHECK(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                  cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
}

}  // namespace swag
