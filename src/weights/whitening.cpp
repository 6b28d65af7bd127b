#include "src/weights/whitening.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "src/support/blas.h"
#include "src/support/error.h"

namespace swag {
namespace {

constexpr int64_t kRangeSamples = 2048;  // at most, to find the range; all samples are projected on it

void check(const char* routine, int info) {
  if (info != 0) {
    throw Error(Status::kInternal, std::string("LAPACK's ") + routine + " failed with info " +
                                       std::to_string(info) + " while fitting weights");
  }
}

/// Replaces the rows of a by orthonormal ones that span the same.
void orthonormalise_rows(std::vector<float>& a,  // (rows, cols), rows <= cols
                         int rows, int cols) {
  std::vector<float> tau(static_cast<size_t>(rows)), work(1);
  const Blas& lapack = blas();
  const int query = -1;
  int info = 0;
  // Our rows are LAPACK's columns.
  lapack.sgeqrf(&cols, &rows, a.data(), &cols, tau.data(), work.data(), &query, &info);
  int size = static_cast<int>(work[0]);
  lapack.sorgqr(&cols, &rows, &rows, a.data(), &cols, tau.data(), work.data(), &query, &info);
  size = std::max(size, static_cast<int>(work[0]));
  work.resize(static_cast<size_t>(size));
  lapack.sgeqrf(&cols, &rows, a.data(), &cols, tau.data(), work.data(), &size, &info);
  check("sgeqrf", info);
  lapack.sorgqr(&cols, &rows, &rows, a.data(), &cols, tau.data(), work.data(), &size, &info);
  check("sorgqr", info);
}

struct Eigen {
  std::vector<double> values;   // (n), ascending
  std::vector<double> vectors;  // (n, n), one a row
};

Eigen symmetric_eigen(std::vector<double> a, int n) {
  Eigen eigen{std::vector<double>(static_cast<size_t>(n)), std::move(a)};
  double work_size = 0;
  int iwork_size = 0, info = 0;
  const Blas& lapack = blas();
  const int query = -1;
  lapack.dsyevd("V", "L", &n, eigen.vectors.data(), &n, eigen.values.data(), &work_size, &query, &iwork_size,
                &query, &info, 1, 1);
  const int lwork = static_cast<int>(work_size);
  std::vector<double> work(static_cast<size_t>(lwork));
  std::vector<int> iwork(static_cast<size_t>(iwork_size));
  lapack.dsyevd("V", "L", &n, eigen.vectors.data(), &n, eigen.values.data(), work.data(), &lwork,
                iwork.data(), &iwork_size, &info, 1, 1);
  check("dsyevd", info);
  return eigen;
}

/// Takes the mean away and returns it.
std::vector<float> centre(std::vector<float>& samples, int64_t n, int d) {
  std::vector<double> sum(static_cast<size_t>(d), 0.0);
  for (int64_t i = 0; i < n; ++i) {
    for (int k = 0; k < d; ++k) sum[k] += samples[i * d + k];
  }
  std::vector<float> mean(static_cast<size_t>(d));
  for (int k = 0; k < d; ++k) mean[k] = static_cast<float>(sum[k] / static_cast<double>(n));
  for (int64_t i = 0; i < n; ++i) {
    for (int k = 0; k < d; ++k) samples[i * d + k] -= mean[k];
  }
  return mean;
}

/// Rows of the samples, spread evenly.
std::vector<float> spread_rows(const std::vector<float>& samples, int64_t n, int d, int64_t count) {
  std::vector<float> rows(static_cast<size_t>(count * d));
  for (int64_t i = 0; i < count; ++i) std::copy_n(samples.data() + i * n / count * d, d, rows.data() + i * d);
  return rows;
}

/// Orthonormal rows that span, nearly, the leading directions of the centred samples: those of X^T X Omega,
/// where X are some of the samples and Omega random signs, which do as well as normal values here.
std::vector<float> leading_directions(Backend& backend, const std::vector<float>& samples, int64_t n, int d,
                                      int rank, uint64_t seed) {
  const int64_t used = std::min(n, std::max<int64_t>(kRangeSamples, rank));
  const std::vector<float> rows = spread_rows(samples, n, d, used);
  std::mt19937_64 random(seed);
  std::vector<float> omega(static_cast<size_t>(rank) * d);
  for (float& value : omega) value = random() >> 63 ? 1.f : -1.f;

  const Matrix sketch =
      multiply_transposed(backend, Matrix(backend, used, d, rows), Matrix(backend, rank, d, omega));
  const Matrix sketch_transposed(backend, rank, used, transposed(sketch.values(), used, rank));
  const Matrix rows_transposed(backend, d, used, transposed(rows, used, d));
  const Matrix range = multiply_transposed(backend, rows_transposed, sketch_transposed);  // (d, rank)
  std::vector<float> directions = transposed(range.values(), d, rank);
  orthonormalise_rows(directions, rank, d);
  return directions;
}

/// The kept eigenvectors, the largest first, each over the root of its regularised eigenvalue: (kept, rank).
std::vector<float> scaled_directions(const Eigen& eigen, const WhiteningOptions& options) {
  const int rank = static_cast<int>(eigen.values.size());
  const double least = options.least * std::max(eigen.values[rank - 1], 0.0);
  int kept = 0;
  double sum = 0;
  while (kept < rank && eigen.values[rank - 1 - kept] > least) sum += eigen.values[rank - 1 - kept++];
  const double added = kept > 0 ? options.regularisation * sum / kept : 0;

  std::vector<float> directions(static_cast<size_t>(kept) * rank);
  for (int j = 0; j < kept; ++j) {
    const double factor = 1 / std::sqrt(eigen.values[rank - 1 - j] + added);
    const double* vector = eigen.vectors.data() + int64_t{rank - 1 - j} * rank;
    for (int k = 0; k < rank; ++k) directions[int64_t{j} * rank + k] = static_cast<float>(vector[k] * factor);
  }
  return directions;
}

}  // namespace

Whitening whiten(Backend& backend, std::vector<float> samples, int64_t n, int d, uint64_t seed,
                 const WhiteningOptions& options) {
  Whitening result;
  result.mean = centre(samples, n, d);
  Matrix projected(backend, n, d, samples);
  std::vector<float> basis;  // (rank, d); empty: the identity
  int rank = d;
  if (d > options.max_rank) {
    rank = static_cast<int>(std::min<int64_t>(options.max_rank, n));
    basis = leading_directions(backend, samples, n, d, rank, seed);
    projected = multiply_transposed(backend, projected, Matrix(backend, rank, d, basis));
  }
  samples = {};  // their memory is wanted for what follows

  const std::vector<float> scaled =
      scaled_directions(symmetric_eigen(second_moments(backend, projected), rank), options);
  result.rank = static_cast<int>(scaled.size()) / rank;
  if (result.rank == 0) return result;
  const Matrix directions(backend, result.rank, rank, scaled);
  result.whitened = multiply_transposed(backend, projected, directions).values();
  if (basis.empty()) {
    result.transform = transposed(scaled, result.rank, rank);
  } else {
    const Matrix basis_transposed(backend, d, rank, transposed(basis, rank, d));
    result.transform = multiply_transposed(backend, basis_transposed, directions).values();
  }
  return result;
}

}  // namespace swag
