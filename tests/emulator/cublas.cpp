// cuBLAS by CBLAS. Every call checks its arguments as cuBLAS does and that its operands are device memory,
// then queues.
#include "tests/emulator/cublas.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tests/emulator/include/emulator/small_float.h"
#include "tests/emulator/memory.h"
#include "tests/emulator/memory_internal.h"
#include "tests/emulator/runtime.h"

namespace emulator {
namespace {

constexpr auto kToBlas = OpenDeviceMemory::To::kAllThreads;  // it has threads of its own

bool is_operation(cublasOperation_t op) { return op >= CUBLAS_OP_N && op <= CUBLAS_OP_C; }
CBLAS_TRANSPOSE cblas(cublasOperation_t op) { return op == CUBLAS_OP_N ? CblasNoTrans : CblasTrans; }

/// An operand as the checks see it: pieces (columns, elements), `pitch` bytes from one piece to the next.
struct Operand {
  const void* address;
  size_t piece, pitch, count;  // bytes, bytes, pieces

  size_t bytes() const { return count == 0 || piece == 0 ? 0 : pitch * (count - 1) + piece; }
};
Operand matrix(const void* address, int rows, int columns, int ld, size_t size) {
  return {address, static_cast<size_t>(rows) * size, static_cast<size_t>(ld) * size,
          static_cast<size_t>(columns)};
}
Operand vector(const void* address, int n, int stride, size_t size) {
  return {address, size, static_cast<size_t>(std::abs(stride)) * size, static_cast<size_t>(std::max(n, 0))};
}

/// cuBLAS itself checks no address: such a call faults. Here it is refused, and a finding when checking.
bool is_usable(const Operand& operand, const char* call, const void* site) {
  return check_device_range(operand.address, operand.bytes(), call, site) == cudaSuccess;
}

/// At the time of the work: have the inputs been written?
void check_written(const Operand& operand, const char* call, const void* site) {
  if (!options().check || !is_device_address(operand.address)) return;
  for (size_t i = 0; i < operand.count; ++i) {
    uintptr_t first = 0;
    if (!is_written(static_cast<const char*>(operand.address) + i * operand.pitch, operand.piece, &first)) {
      return report_call(FindingKind::kUninitialised, call, in_words(reinterpret_cast<void*>(first)), site);
    }
  }
}
void set_written(const Operand& operand) {
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

/// A product's geometry, and its arguments as cuBLAS checks them.
struct Gemm {
  cublasOperation_t transa, transb;
  int m, n, k, lda, ldb, ldc;

  int a_rows() const { return transa == CUBLAS_OP_N ? m : k; }
  int a_columns() const { return transa == CUBLAS_OP_N ? k : m; }
  int b_rows() const { return transb == CUBLAS_OP_N ? k : n; }
  int b_columns() const { return transb == CUBLAS_OP_N ? n : k; }
  bool is_valid() const {
    return is_operation(transa) && is_operation(transb) && m >= 0 && n >= 0 && k >= 0 &&
           lda >= std::max(1, a_rows()) && ldb >= std::max(1, b_rows()) && ldc >= std::max(1, m);
  }
};

void multiply(const Gemm& g, float alpha, const float* a, const float* b, float beta, float* c) {
  cblas_sgemm(CblasColMajor, cblas(g.transa), cblas(g.transb), g.m, g.n, g.k, alpha, a, g.lda, b, g.ldb, beta,
              c, g.ldc);
}
void multiply(const Gemm& g, double alpha, const double* a, const double* b, double beta, double* c) {
  cblas_dgemm(CblasColMajor, cblas(g.transa), cblas(g.transb), g.m, g.n, g.k, alpha, a, g.lda, b, g.ldb, beta,
              c, g.ldc);
}

/// As many products as `batch`, of which matrix i begins at element i * stride.
template <typename T>
cublasStatus_t gemm(cublasHandle_t handle, const Gemm& g, const T* alpha, const T* a, long long stride_a,
                    const T* b, long long stride_b, const T* beta, T* c, long long stride_c, int batch,
                    const char* call, const void* site) {
  if (const cublasStatus_t status = begin_cublas(handle)) return status;
  if (!g.is_valid() || batch < 0) return CUBLAS_STATUS_INVALID_VALUE;
  Scalar<T> alpha_value, beta_value;
  if (const cublasStatus_t status = set_scalar(handle, alpha, alpha_value, call, site)) return status;
  if (const cublasStatus_t status = set_scalar(handle, beta, beta_value, call, site)) return status;
  if (g.m == 0 || g.n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  const auto operand_a = [=](int i) {
    return matrix(a + i * stride_a, g.a_rows(), g.a_columns(), g.lda, sizeof(T));
  };
  const auto operand_b = [=](int i) {
    return matrix(b + i * stride_b, g.b_rows(), g.b_columns(), g.ldb, sizeof(T));
  };
  const auto operand_c = [=](int i) { return matrix(c + i * stride_c, g.m, g.n, g.ldc, sizeof(T)); };
  for (int i = 0; i < batch; ++i) {
    if (!is_usable(operand_a(i), call, site) || !is_usable(operand_b(i), call, site) ||
        !is_usable(operand_c(i), call, site)) {
      return CUBLAS_STATUS_EXECUTION_FAILED;
    }
  }
  issue(handle->stream, [=] {
    const OpenDeviceMemory open(kToBlas);
    const T alpha_now = alpha_value.get(), beta_now = beta_value.get();
    for (int i = 0; i < batch; ++i) {
      if (alpha_now != 0) {
        check_written(operand_a(i), call, site);
        check_written(operand_b(i), call, site);
      }
      if (beta_now != 0) check_written(operand_c(i), call, site);
      multiply(g, alpha_now, a + i * stride_a, b + i * stride_b, beta_now, c + i * stride_c);
      set_written(operand_c(i));
    }
  });
  return CUBLAS_STATUS_SUCCESS;
}

size_t size_of(cudaDataType_t type) { return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2; }

float get(const void* from, cudaDataType_t type, size_t i) {
  if (type == CUDA_R_32F) return static_cast<const float*>(from)[i];
  const uint16_t bits = static_cast<const uint16_t*>(from)[i];
  return type == CUDA_R_16F ? bits_to_float<SmallFloat::kHalf>(bits)
                            : bits_to_float<SmallFloat::kBfloat16>(bits);
}
void put(void* to, cudaDataType_t type, size_t i, float value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(to)[i] = value;
  } else {
    static_cast<uint16_t*>(to)[i] = type == CUDA_R_16F ? round_to_bits<SmallFloat::kHalf>(value)
                                                       : round_to_bits<SmallFloat::kBfloat16>(value);
  }
}

/// The elements of a matrix as float, its columns packed to `rows`.
std::vector<float> widened(const void* from, cudaDataType_t type, int rows, int columns, int ld) {
  std::vector<float> values;
  values.reserve(static_cast<size_t>(rows) * static_cast<size_t>(columns));
  for (int column = 0; column < columns; ++column) {
    for (int row = 0; row < rows; ++row) {
      values.push_back(
          get(from, type, static_cast<size_t>(column) * static_cast<size_t>(ld) + static_cast<size_t>(row)));
    }
  }
  return values;
}

struct Mixed {
  Gemm gemm;
  const void *a, *b;
  void* c;
  cudaDataType_t input, output;
};

/// 16-bit inputs: widened, multiplied in float, rounded at the end.
void run_mixed(const Mixed& mixed, float alpha, float beta) {
  const Gemm& g = mixed.gemm;
  const std::vector<float> a = widened(mixed.a, mixed.input, g.a_rows(), g.a_columns(), g.lda);
  const std::vector<float> b = widened(mixed.b, mixed.input, g.b_rows(), g.b_columns(), g.ldb);
  std::vector<float> c(static_cast<size_t>(g.m) * static_cast<size_t>(g.n));
  if (beta != 0) c = widened(mixed.c, mixed.output, g.m, g.n, g.ldc);
  Gemm packed = g;
  packed.lda = std::max(1, g.a_rows());
  packed.ldb = std::max(1, g.b_rows());
  packed.ldc = g.m;
  multiply(packed, alpha, a.data(), b.data(), beta, c.data());
  for (int column = 0; column < g.n; ++column) {
    for (int row = 0; row < g.m; ++row) {
      const size_t to = static_cast<size_t>(column) * static_cast<size_t>(g.ldc) + static_cast<size_t>(row);
      put(mixed.c, mixed.output, to,
          c[static_cast<size_t>(column) * static_cast<size_t>(g.m) + static_cast<size_t>(row)]);
    }
  }
}

cublasStatus_t gemm_mixed(cublasHandle_t handle, const Mixed& mixed, const float* alpha, const float* beta,
                          const void* site) {
  constexpr const char* kCall = "cublasGemmEx";
  const Gemm& g = mixed.gemm;
  Scalar<float> alpha_value, beta_value;
  if (const cublasStatus_t status = set_scalar(handle, alpha, alpha_value, kCall, site)) return status;
  if (const cublasStatus_t status = set_scalar(handle, beta, beta_value, kCall, site)) return status;
  if (g.m == 0 || g.n == 0) return CUBLAS_STATUS_SUCCESS;
  const Operand a = matrix(mixed.a, g.a_rows(), g.a_columns(), g.lda, size_of(mixed.input));
  const Operand b = matrix(mixed.b, g.b_rows(), g.b_columns(), g.ldb, size_of(mixed.input));
  const Operand c = matrix(mixed.c, g.m, g.n, g.ldc, size_of(mixed.output));
  for (const Operand& operand : {a, b, c}) {
    if (!is_usable(operand, kCall, site)) return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  issue(handle->stream, [=] {
    const OpenDeviceMemory open(kToBlas);
    check_written(a, kCall, site);
    check_written(b, kCall, site);
    if (beta_value.get() != 0) check_written(c, kCall, site);
    run_mixed(mixed, alpha_value.get(), beta_value.get());
    set_written(c);
  });
  return CUBLAS_STATUS_SUCCESS;
}

void rank_k(CBLAS_UPLO uplo, CBLAS_TRANSPOSE trans, int n, int k, float alpha, const float* a, int lda,
            float beta, float* c, int ldc) {
  cblas_ssyrk(CblasColMajor, uplo, trans, n, k, alpha, a, lda, beta, c, ldc);
}
void rank_k(CBLAS_UPLO uplo, CBLAS_TRANSPOSE trans, int n, int k, double alpha, const double* a, int lda,
            double beta, double* c, int ldc) {
  cblas_dsyrk(CblasColMajor, uplo, trans, n, k, alpha, a, lda, beta, c, ldc);
}

template <typename T>
cublasStatus_t syrk(cublasHandle_t handle, cublasFillMode_t fill, cublasOperation_t trans, int n, int k,
                    const T* alpha, const T* a, int lda, const T* beta, T* c, int ldc, const char* call,
                    const void* site) {
  if (const cublasStatus_t status = begin_cublas(handle)) return status;
  const bool plain = trans == CUBLAS_OP_N;
  if ((fill != CUBLAS_FILL_MODE_LOWER && fill != CUBLAS_FILL_MODE_UPPER) || !is_operation(trans) || n < 0 ||
      k < 0 || lda < std::max(1, plain ? n : k) || ldc < std::max(1, n)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  Scalar<T> alpha_value, beta_value;
  if (const cublasStatus_t status = set_scalar(handle, alpha, alpha_value, call, site)) return status;
  if (const cublasStatus_t status = set_scalar(handle, beta, beta_value, call, site)) return status;
  if (n == 0) return CUBLAS_STATUS_SUCCESS;
  const Operand operand_a = matrix(a, plain ? n : k, plain ? k : n, lda, sizeof(T));
  if (!is_usable(operand_a, call, site) || !is_usable(matrix(c, n, n, ldc, sizeof(T)), call, site)) {
    return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  issue(handle->stream, [=] {
    const OpenDeviceMemory open(kToBlas);
    // One triangle of c: column j from its first to its last row.
    const auto column = [=](int j) {
      const bool lower = fill == CUBLAS_FILL_MODE_LOWER;
      const T* first = c + static_cast<size_t>(j) * static_cast<size_t>(ldc) + (lower ? j : 0);
      return Operand{first, static_cast<size_t>(lower ? n - j : j + 1) * sizeof(T), 0, 1};
    };
    check_written(operand_a, call, site);
    if (beta_value.get() != 0) {
      for (int j = 0; j < n; ++j) check_written(column(j), call, site);
    }
    rank_k(fill == CUBLAS_FILL_MODE_LOWER ? CblasLower : CblasUpper, cblas(trans), n, k, alpha_value.get(), a,
           lda, beta_value.get(), c, ldc);
    for (int j = 0; j < n; ++j) set_written(column(j));
  });
  return CUBLAS_STATUS_SUCCESS;
}

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

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                           int n, int k, const float* alpha, const float* a, int lda, const float* b, int ldb,
                           const float* beta, float* c, int ldc) {
  return gemm(handle, Gemm{transa, transb, m, n, k, lda, ldb, ldc}, alpha, a, 0, b, 0, beta, c, 0, 1,
              "cublasSgemm", __builtin_return_address(0));
}

cublasStatus_t cublasDgemm(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                           int n, int k, const double* alpha, const double* a, int lda, const double* b,
                           int ldb, const double* beta, double* c, int ldc) {
  return gemm(handle, Gemm{transa, transb, m, n, k, lda, ldb, ldc}, alpha, a, 0, b, 0, beta, c, 0, 1,
              "cublasDgemm", __builtin_return_address(0));
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transa,
                                         cublasOperation_t transb, int m, int n, int k, const float* alpha,
                                         const float* a, int lda, long long stride_a, const float* b, int ldb,
                                         long long stride_b, const float* beta, float* c, int ldc,
                                         long long stride_c, int batch) {
  return gemm(handle, Gemm{transa, transb, m, n, k, lda, ldb, ldc}, alpha, a, stride_a, b, stride_b, beta, c,
              stride_c, batch, "cublasSgemmStridedBatched", __builtin_return_address(0));
}

cublasStatus_t cublasSgemmBatched(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                                  int m, int n, int k, const float* alpha, const float* const a[], int lda,
                                  const float* const b[], int ldb, const float* beta, float* const c[],
                                  int ldc, int batch) {
  constexpr const char* kCall = "cublasSgemmBatched";
  const void* const site = __builtin_return_address(0);
  if (const cublasStatus_t status = begin_cublas(handle)) return status;
  const Gemm g{transa, transb, m, n, k, lda, ldb, ldc};
  if (!g.is_valid() || batch < 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (batch == 0) return CUBLAS_STATUS_SUCCESS;
  const size_t bytes = static_cast<size_t>(batch) * sizeof(void*);
  for (const void* list :
       {static_cast<const void*>(a), static_cast<const void*>(b), static_cast<const void*>(c)}) {
    if (!is_usable({list, bytes, bytes, 1}, kCall, site)) return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  drain_work();  // the lists may still be on their way
  for (int i = 0; i < batch; ++i) {
    const float *a_i, *b_i;
    float* c_i;
    {
      const OpenDeviceMemory open;
      a_i = a[i];
      b_i = b[i];
      c_i = c[i];
    }
    const cublasStatus_t status = gemm(handle, g, alpha, a_i, 0, b_i, 0, beta, c_i, 0, 1, kCall, site);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                            int n, int k, const void* alpha, const void* a, cudaDataType_t a_type, int lda,
                            const void* b, cudaDataType_t b_type, int ldb, const void* beta, void* c,
                            cudaDataType_t c_type, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t) {
  const void* const site = __builtin_return_address(0);
  if (const cublasStatus_t status = begin_cublas(handle)) return status;
  const Gemm g{transa, transb, m, n, k, lda, ldb, ldc};
  if (!g.is_valid()) return CUBLAS_STATUS_INVALID_VALUE;
  if (a_type != b_type) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (compute == CUBLAS_COMPUTE_64F || compute == CUBLAS_COMPUTE_64F_PEDANTIC) {
    if (a_type != CUDA_R_64F || c_type != CUDA_R_64F) return CUBLAS_STATUS_NOT_SUPPORTED;
    return gemm(handle, g, static_cast<const double*>(alpha), static_cast<const double*>(a), 0,
                static_cast<const double*>(b), 0, static_cast<const double*>(beta), static_cast<double*>(c),
                0, 1, "cublasGemmEx", site);
  }
  if (compute < CUBLAS_COMPUTE_32F || compute > CUBLAS_COMPUTE_32F_FAST_TF32)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  const auto* const alpha_float = static_cast<const float*>(alpha);
  const auto* const beta_float = static_cast<const float*>(beta);
  if (a_type == CUDA_R_32F && c_type == CUDA_R_32F) {
    return gemm(handle, g, alpha_float, static_cast<const float*>(a), 0, static_cast<const float*>(b), 0,
                beta_float, static_cast<float*>(c), 0, 1, "cublasGemmEx", site);
  }
  const bool small = a_type == CUDA_R_16F || a_type == CUDA_R_16BF;
  if (!small || (c_type != a_type && c_type != CUDA_R_32F)) return CUBLAS_STATUS_NOT_SUPPORTED;
  return gemm_mixed(handle, Mixed{g, a, b, c, a_type, c_type}, alpha_float, beta_float, site);
}

cublasStatus_t cublasSsyrk(cublasHandle_t handle, cublasFillMode_t fill, cublasOperation_t trans, int n,
                           int k, const float* alpha, const float* a, int lda, const float* beta, float* c,
                           int ldc) {
  return syrk(handle, fill, trans, n, k, alpha, a, lda, beta, c, ldc, "cublasSsyrk",
              __builtin_return_address(0));
}

cublasStatus_t cublasDsyrk(cublasHandle_t handle, cublasFillMode_t fill, cublasOperation_t trans, int n,
                           int k, const double* alpha, const double* a, int lda, const double* beta,
                           double* c, int ldc) {
  return syrk(handle, fill, trans, n, k, alpha, a, lda, beta, c, ldc, "cublasDsyrk",
              __builtin_return_address(0));
}

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
