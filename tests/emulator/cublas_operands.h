// What every emulated cuBLAS call does with its operands: that they are device memory, that what is read was
// written, where alpha and beta lie.
#pragma once
#include <cblas.h>

#include <algorithm>
#include <cstdlib>

#include "tests/emulator/cublas.h"
#include "tests/emulator/memory.h"
#include "tests/emulator/memory_internal.h"
#include "tests/emulator/runtime.h"

namespace emulator {

inline constexpr auto kToBlas = OpenDeviceMemory::To::kAllThreads;  // it has threads of its own

inline bool is_operation(cublasOperation_t op) { return op >= CUBLAS_OP_N && op <= CUBLAS_OP_C; }
inline CBLAS_TRANSPOSE cblas(cublasOperation_t op) { return op == CUBLAS_OP_N ? CblasNoTrans : CblasTrans; }

/// An operand as the checks see it: pieces (columns, elements), `pitch` bytes from one piece to the next.
struct Operand {
  const void* address;
  size_t piece, pitch, count;  // bytes, bytes, pieces

  size_t bytes() const { return count == 0 || piece == 0 ? 0 : pitch * (count - 1) + piece; }
};
inline Operand matrix(const void* address, int rows, int columns, int ld, size_t size) {
  return {address, static_cast<size_t>(rows) * size, static_cast<size_t>(ld) * size,
          static_cast<size_t>(columns)};
}
inline Operand vector(const void* address, int n, int stride, size_t size) {
  return {address, size, static_cast<size_t>(std::abs(stride)) * size, static_cast<size_t>(std::max(n, 0))};
}

/// cuBLAS itself checks no address: such a call faults. Here it is refused, and a finding when checking.
inline bool is_usable(const Operand& operand, const char* call, const void* site) {
  return check_device_range(operand.address, operand.bytes(), call, site) == cudaSuccess;
}

/// At the time of the work: have the inputs been written?
inline void check_written(const Operand& operand, const char* call, const void* site) {
  if (!options().check || !is_device_address(operand.address)) return;
  for (size_t i = 0; i < operand.count; ++i) {
    uintptr_t first = 0;
    if (!is_written(static_cast<const char*>(operand.address) + i * operand.pitch, operand.piece, &first)) {
      return report_call(FindingKind::kUninitialised, call, in_words(reinterpret_cast<void*>(first)), site);
    }
  }
}
inline void set_written(const Operand& operand) {
  if (!options().check || !is_device_address(operand.address)) return;
  for (size_t i = 0; i < operand.count; ++i) {
    mark_written(static_cast<const char*>(operand.address) + i * operand.pitch, operand.piece);
  }
}

/// alpha or beta: read now when it is the host's, when the work runs when it is the device's.
template <typename T>
struct Scalar {
  const T* device = nullptr;
  T value = 0;

  T get() const { return device ? *device : value; }
};
template <typename T>
cublasStatus_t set_scalar(cublasHandle_t handle, const T* from, Scalar<T>& scalar, const char* call,
                          const void* site) {
  if (!from) return CUBLAS_STATUS_INVALID_VALUE;
  if (handle->pointers == CUBLAS_POINTER_MODE_HOST) {
    if (is_device_address(from)) {
      report_call(FindingKind::kDeviceMemory, call, in_words(from) + " is read by the host", site);
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    scalar.value = *from;
    return CUBLAS_STATUS_SUCCESS;
  }
  if (!is_usable({from, sizeof(T), sizeof(T), 1}, call, site)) return CUBLAS_STATUS_EXECUTION_FAILED;
  scalar.device = from;
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace emulator
