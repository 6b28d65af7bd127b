// cuBLAS's matrix products by CBLAS. Every call checks its arguments as cuBLAS does and that its operands are
// device memory, then queues.
#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/emulator/cublas_operands.h"
#include "tests/emulator/include/emulator/small_float.h"

namespace emulator {
namespace {

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

template <typename T>
struct Scalars {
  Scalar<T> alpha, beta;
};
template <typename T>
cublasStatus_t set_scalars(cublasHandle_t handle, const T* alpha, const T* beta, Scalars<T>& scalars,
                           const char* call, const void* site) {
  if (const cublasStatus_t status = set_scalar(handle, alpha, scalars.alpha, call, site)) return status;
  return set_scalar(handle, beta, scalars.beta, call, site);
}

/// What calls of batches begin with.
template <typename T>
cublasStatus_t begin_gemm(cublasHandle_t handle, const Gemm& g, int batch, const T* alpha, const T* beta,
                          Scalars<T>& scalars, const char* call, const void* site) {
  if (const cublasStatus_t status = begin_cublas(handle)) return status;
  if (!g.is_valid() || batch < 0) return CUBLAS_STATUS_INVALID_VALUE;
  return set_scalars(handle, alpha, beta, scalars, call, site);
}

/// One product of a batch: its matrices, and how it is run.
template <typename T>
struct Product {
  Gemm gemm;
  const T *a, *b;
  T* c;

  Operand operand_a() const { return matrix(a, gemm.a_rows(), gemm.a_columns(), gemm.lda, sizeof(T)); }
  Operand operand_b() const { return matrix(b, gemm.b_rows(), gemm.b_columns(), gemm.ldb, sizeof(T)); }
  Operand operand_c() const { return matrix(c, gemm.m, gemm.n, gemm.ldc, sizeof(T)); }
  bool is_usable(const char* call, const void* site) const {
    return emulator::is_usable(operand_a(), call, site) && emulator::is_usable(operand_b(), call, site) &&
           emulator::is_usable(operand_c(), call, site);
  }
  void run(T alpha, T beta, const char* call, const void* site) const {
    if (alpha != 0) {
      check_written(operand_a(), call, site);
      check_written(operand_b(), call, site);
    }
    if (beta != 0) check_written(operand_c(), call, site);
    multiply(gemm, alpha, a, b, beta, c);
    set_written(operand_c());
  }
};

/// As many products as `batch`, of which matrix i begins at element i * stride.
template <typename T>
cublasStatus_t gemm(cublasHandle_t handle, const Gemm& g, const T* alpha, const T* a, long long stride_a,
                    const T* b, long long stride_b, const T* beta, T* c, long long stride_c, int batch,
                    const char* call, const void* site) {
  Scalars<T> scalars;
  if (const cublasStatus_t status = begin_gemm(handle, g, batch, alpha, beta, scalars, call, site))
    return status;
  if (g.m == 0 || g.n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  const auto product = [=](int i) {
    return Product<T>{g, a + i * stride_a, b + i * stride_b, c + i * stride_c};
  };
  for (int i = 0; i < batch; ++i) {
    if (!product(i).is_usable(call, site)) return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  issue(handle->stream, [=] {
    const OpenDeviceMemory open(kToBlas);
    const T alpha_now = scalars.alpha.get(), beta_now = scalars.beta.get();
    for (int i = 0; i < batch; ++i) product(i).run(alpha_now, beta_now, call, site);
  });
  return CUBLAS_STATUS_SUCCESS;
}

/// As many products as `batch`, of which matrix i is the i-th of a list in device memory, read when it runs.
template <typename T>
cublasStatus_t gemm_of_lists(cublasHandle_t handle, const Gemm& g, const T* alpha, const T* const a[],
                             const T* const b[], const T* beta, T* const c[], int batch, const char* call,
                             const void* site) {
  Scalars<T> scalars;
  if (const cublasStatus_t status = begin_gemm(handle, g, batch, alpha, beta, scalars, call, site))
    return status;
  if (g.m == 0 || g.n == 0 || batch == 0) return CUBLAS_STATUS_SUCCESS;
  const size_t bytes = static_cast<size_t>(batch) * sizeof(void*);
  const Operand lists[] = {{a, bytes, bytes, 1}, {b, bytes, bytes, 1}, {c, bytes, bytes, 1}};
  for (const Operand& list : lists) {
    if (!is_usable(list, call, site)) return CUBLAS_STATUS_EXECUTION_FAILED;
  }
  issue(handle->stream, [=] {
    const OpenDeviceMemory open(kToBlas);
    for (const Operand& list : lists) check_written(list, call, site);
    const T alpha_now = scalars.alpha.get(), beta_now = scalars.beta.get();
    for (int i = 0; i < batch; ++i) {
      const Product<T> product{g, a[i], b[i], c[i]};
      if (!product.is_usable(call, site)) return leave_fault(cudaErrorIllegalAddress);
      product.run(alpha_now, beta_now, call, site);
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
  Scalars<float> scalars;
  if (const cublasStatus_t status = set_scalars(handle, alpha, beta, scalars, kCall, site)) return status;
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
    if (scalars.beta.get() != 0) check_written(c, kCall, site);
    run_mixed(mixed, scalars.alpha.get(), scalars.beta.get());
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
  Scalars<T> scalars;
  if (const cublasStatus_t status = set_scalars(handle, alpha, beta, scalars, call, site)) return status;
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
    if (scalars.beta.get() != 0) {
      for (int j = 0; j < n; ++j) check_written(column(j), call, site);
    }
    rank_k(fill == CUBLAS_FILL_MODE_LOWER ? CblasLower : CblasUpper, cblas(trans), n, k, scalars.alpha.get(),
           a, lda, scalars.beta.get(), c, ldc);
    for (int j = 0; j < n; ++j) set_written(column(j));
  });
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
  return gemm_of_lists(handle, Gemm{transa, transb, m, n, k, lda, ldb, ldc}, alpha, a, b, beta, c, batch,
                       "cublasSgemmBatched", __builtin_return_address(0));
}

cublasStatus_t cublasDgemmBatched(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                                  int m, int n, int k, const double* alpha, const double* const a[], int lda,
                                  const double* const b[], int ldb, const double* beta, double* const c[],
                                  int ldc, int batch) {
  return gemm_of_lists(handle, Gemm{transa, transb, m, n, k, lda, ldb, ldc}, alpha, a, b, beta, c, batch,
                       "cublasDgemmBatched", __builtin_return_address(0));
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
