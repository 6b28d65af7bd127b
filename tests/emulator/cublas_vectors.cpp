// cuBLAS's vector operations by CBLAS, checked and queued like its products.
#include <vector>

#include "tests/emulator/cublas_operands.h"

namespace emulator {
namespace {

/// A number per call: to the host, which waits, or to the device.
template <typename T, typename Function>
cublasStatus_t reduce_vectors(cublasHandle_t handle, const std::vector<Operand>& inputs, T* result,
                              const char* call, const void* site, Function compute) {
  if (const cublasStatus_t status = begin_cublas(handle)) return status;
  if (!result) return CUBLAS_STATUS_INVALID_VALUE;
  for (const Operand& operand : inputs) {
    if (!is_usable(operand, call, site)) return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  const bool to_host = handle->pointers == CUBLAS_POINTER_MODE_HOST;
  const Operand output{result, sizeof(T), sizeof(T), 1};
  if (to_host && is_device_address(result)) {
    report_call(FindingKind::kDeviceMemory, call, in_words(result) + " is written by the host", site);
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (!to_host && !is_usable(output, call, site)) return CUBLAS_STATUS_EXECUTION_FAILED;
  issue(handle->stream, [=] {
    const OpenDeviceMemory open(kToBlas);
    for (const Operand& operand : inputs) check_written(operand, call, site);
    *result = compute();
    set_written(output);
  });
  if (to_host) drain_work();
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace
}  // namespace emulator

using namespace emulator;

cublasStatus_t cublasSdot(cublasHandle_t handle, int n, const float* x, int incx, const float* y, int incy,
                          float* result) {
  return reduce_vectors(handle, {vector(x, n, incx, sizeof *x), vector(y, n, incy, sizeof *y)}, result,
                        "cublasSdot", __builtin_return_address(0),
                        [=] { return n <= 0 ? 0.0f : cblas_sdot(n, x, incx, y, incy); });
}

cublasStatus_t cublasDdot(cublasHandle_t handle, int n, const double* x, int incx, const double* y, int incy,
                          double* result) {
  return reduce_vectors(handle, {vector(x, n, incx, sizeof *x), vector(y, n, incy, sizeof *y)}, result,
                        "cublasDdot", __builtin_return_address(0),
                        [=] { return n <= 0 ? 0.0 : cblas_ddot(n, x, incx, y, incy); });
}

cublasStatus_t cublasSnrm2(cublasHandle_t handle, int n, const float* x, int incx, float* result) {
  return reduce_vectors(handle, {vector(x, n, incx, sizeof *x)}, result, "cublasSnrm2",
                        __builtin_return_address(0),
                        [=] { return n <= 0 || incx <= 0 ? 0.0f : cblas_snrm2(n, x, incx); });
}

cublasStatus_t cublasSaxpy(cublasHandle_t handle, int n, const float* alpha, const float* x, int incx,
                           float* y, int incy) {
  constexpr const char* kCall = "cublasSaxpy";
  const void* const site = __builtin_return_address(0);
  if (const cublasStatus_t status = begin_cublas(handle)) return status;
  Scalar<float> scalar;
  if (const cublasStatus_t status = set_scalar(handle, alpha, scalar, kCall, site)) return status;
  if (n <= 0) return CUBLAS_STATUS_SUCCESS;
  const Operand input = vector(x, n, incx, sizeof *x), output = vector(y, n, incy, sizeof *y);
  if (!is_usable(input, kCall, site) || !is_usable(output, kCall, site))
    return CUBLAS_STATUS_EXECUTION_FAILED;
  issue(handle->stream, [=] {
    const OpenDeviceMemory open(kToBlas);
    check_written(input, kCall, site);
    check_written(output, kCall, site);
    cblas_saxpy(n, scalar.get(), x, incx, y, incy);
  });
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSscal(cublasHandle_t handle, int n, const float* alpha, float* x, int incx) {
  constexpr const char* kCall = "cublasSscal";
  const void* const site = __builtin_return_address(0);
  if (const cublasStatus_t status = begin_cublas(handle)) return status;
  Scalar<float> scalar;
  if (const cublasStatus_t status = set_scalar(handle, alpha, scalar, kCall, site)) return status;
  if (n <= 0 || incx <= 0) return CUBLAS_STATUS_SUCCESS;
  const Operand operand = vector(x, n, incx, sizeof *x);
  if (!is_usable(operand, kCall, site)) return CUBLAS_STATUS_EXECUTION_FAILED;
  issue(handle->stream, [=] {
    const OpenDeviceMemory open;
    check_written(operand, kCall, site);
    // Not cblas_sscal: some versions of OpenBLAS leave NaN out when alpha is 0.
    for (int i = 0; i < n; ++i) x[static_cast<size_t>(i) * static_cast<size_t>(incx)] *= scalar.get();
  });
  return CUBLAS_STATUS_SUCCESS;
}
