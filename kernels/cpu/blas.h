// What CPU twins use of a BLAS and LAPACK, as functions that their caller has found (src/support/blas.h).
// Fortran's: matrices lie column by column, and the last arguments are the lengths of the strings.
#pragma once
#include <cstddef>

namespace swag {

struct Blas {
  /// c = alpha op(a) op(b) + beta c, (m, n).
  void (*sgemm)(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
                const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                const float* beta, float* c, const int* ldc, size_t, size_t);
  /// b = alpha op(a) b or alpha b op(a), (m, n), with a triangular a.
  void (*dtrmm)(const char* side, const char* uplo, const char* trans_a, const char* diag, const int* m,
                const int* n, const double* alpha, const double* a, const int* lda, double* b, const int* ldb,
                size_t, size_t, size_t, size_t);
  /// c = alpha a a^T + beta c, one triangle, (n, n), a (n, k).
  void (*dsyrk)(const char* uplo, const char* trans, const int* n, const int* k, const double* alpha,
                const double* a, const int* lda, const double* beta, double* c, const int* ldc, size_t,
                size_t);
  /// QR decomposition, and its Q.
  void (*sgeqrf)(const int* m, const int* n, float* a, const int* lda, float* tau, float* work,
                 const int* lwork, int* info);
  void (*sorgqr)(const int* m, const int* n, const int* k, float* a, const int* lda, const float* tau,
                 float* work, const int* lwork, int* info);
  void (*dgeqrf)(const int* m, const int* n, double* a, const int* lda, double* tau, double* work,
                 const int* lwork, int* info);
  /// Cholesky's factor of a symmetric positive definite matrix.
  void (*dpotrf)(const char* uplo, const int* n, double* a, const int* lda, int* info, size_t);
  /// Eigenvalues, ascending, and vectors of a symmetric matrix.
  void (*dsyevd)(const char* jobz, const char* uplo, const int* n, double* a, const int* lda, double* w,
                 double* work, const int* lwork, int* iwork, const int* liwork, int* info, size_t, size_t);
  /// Singular values, descending, and vectors.
  void (*dgesdd)(const char* jobz, const int* m, const int* n, double* a, const int* lda, double* s,
                 double* u, const int* ldu, double* vt, const int* ldvt, double* work, const int* lwork,
                 int* iwork, int* info, size_t);
};

}  // namespace swag
