// BLAS and LAPACK, loaded when they are first asked for: fitted weights need LAPACK, a benchmark's yardstick
// BLAS, and no other run should pay for what OpenBLAS does as soon as it is loaded: start a thread for each
// core, and map 128 MiB for each.
#pragma once
#include <cstddef>

namespace swag {

/// Fortran's functions: matrices lie column by column, the last arguments are lengths of the strings.
struct Blas {
  /// c = alpha op(a) op(b) + beta c, (m, n).
  void (*sgemm)(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
                const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                const float* beta, float* c, const int* ldc, size_t, size_t);
  /// QR decomposition, and its Q.
  void (*sgeqrf)(const int* m, const int* n, float* a, const int* lda, float* tau, float* work,
                 const int* lwork, int* info);
  void (*sorgqr)(const int* m, const int* n, const int* k, float* a, const int* lda, const float* tau,
                 float* work, const int* lwork, int* info);
  /// Eigenvalues, ascending, and vectors of a symmetric matrix.
  void (*dsyevd)(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w,
                 double* work, const int* lwork, int* iwork, const int* liwork, int* info, size_t, size_t);
};

/// For calls in `threads` threads at a time, each of which computes alone. Ask before every such call:
/// OpenBLAS waits for ever for address space that a limit denies, so it is looked for here. Throws
/// Error(kMemory), and Error(kDevice) where no library is found.
const Blas& blas(int threads = 1);

}  // namespace swag
