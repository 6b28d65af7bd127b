#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>
#include <vector>

#include "kernels/cpu/thread_pool.h"
#include "kernels/cpu/vector_clones.h"
#include "kernels/wasserstein.h"

namespace swag::cpu {
namespace {

constexpr double kEpsilon = 1e-6;  // of the mean variance of the style
constexpr double kLeast = 1e-30;   // epsilon of a style without variance
constexpr int64_t kMeanRanges = 64;

using Target = WassersteinTarget;

int64_t square(int d) { return int64_t{d} * d; }

// ---------------------------------------------------------------- moments

template <typename T>
bool widens(const GramParams& params) {
  return std::is_same_v<T, float> && has_few_positions(params);
}

int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

int64_t mean_grain(int64_t m) { return std::max<int64_t>(256, (m + kMeanRanges - 1) / kMeanRanges); }

/// sums += every row. Written out for float and double: copies per instruction set cannot be made of a
/// template.
template <typename T>
__attribute__((always_inline)) inline void add_rows_of(double* __restrict sums, const T* __restrict s,
                                                       int64_t rows, int d) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int i = 0; i < d; ++i) sums[i] += static_cast<double>(s[row * d + i]);
  }
}
VECTOR_CLONES void add_rows(double* sums, const float* s, int64_t rows, int d) {
  add_rows_of(sums, s, rows, d);
}
void add_rows(double* sums, const double* s, int64_t rows, int d) { add_rows_of(sums, s, rows, d); }

template <typename T>
void channel_means(double* mean, const T* s, double* sums, const GramParams& params, Stream stream) {
  const int64_t grain = mean_grain(params.m);
  const int d = params.d;
  parallel_ranges(stream, params.m, grain, [&](int64_t begin, int64_t end) {
    double* own = sums + begin / grain * d;
    std::fill_n(own, d, 0.0);
    add_rows(own, s + begin * d, end - begin, d);
  });
  std::fill_n(mean, d, 0.0);
  for (int64_t begin = 0; begin < params.m; begin += grain) {
    for (int i = 0; i < d; ++i) mean[i] += sums[begin / grain * d + i];
  }
  for (int i = 0; i < d; ++i) mean[i] /= static_cast<double>(params.m);
}

// ---------------------------------------------------------------- LAPACK

/// Doubles of scratch that are enough for each of its functions here; int holds it, see
/// kMostWassersteinChannels.
int work_count(int d) { return 4 * d * d + 10 * d + 64; }

/// The eigenvectors of the symmetric `a` replace it, values ascending. False where LAPACK gives up.
bool eigen(double* a, double* values, int d, double* work, int* integers, const Blas& blas) {
  const int lwork = work_count(d), liwork = 3 + 5 * d;
  int info = 0;
  blas.dsyevd("V", "L", &d, a, &d, values, work, &lwork, integers, &liwork, &info, 1, 1);
  return info == 0;
}

/// What one problem needs, within its workspace.
struct Scratch {
  // Doubles.
  static int64_t doubles(int d) { return 3 * square(d) + int64_t{d} + work_count(d); }
  static int64_t integers(int d) { return 8 * int64_t{d} + 3; }
  static int64_t bytes(int d) { return doubles(d) * 8 + integers(d) * static_cast<int64_t>(sizeof(int)); }

  Scratch(void* memory, int d)
      : a(static_cast<double*>(memory)),
        b(a + square(d)),
        c(b + square(d)),
        roots(c + square(d)),
        work(roots + d),
        indices(reinterpret_cast<int*>(work + work_count(d))) {}

  double *a, *b, *c;  // (d, d)
  double* roots;      // (d)
  double* work;
  int* indices;
};

/// C + epsilon = gram - mean mean^T + epsilon, symmetric.
void covariance(double* c, const double* gram, const double* mean, double epsilon, int d) {
  for (int64_t i = 0; i < d; ++i) {
    for (int64_t j = 0; j < d; ++j) c[i * d + j] = gram[i * d + j] - mean[i] * mean[j];
    c[i * d + i] += epsilon;
  }
}

double trace(const double* a, int d) {
  double sum = 0;
  for (int64_t i = 0; i < d; ++i) sum += a[i * d + i];
  return sum;
}

/// From C_x in `scratch.a`: the roots of the eigenvalues of L^T C_x L, and its vectors in `scratch.b`.
bool roots_by_eigenvalues(Scratch& scratch, const double* factor, double epsilon, int d, const Blas& blas) {
  const double one = 1;
  std::copy_n(scratch.a, square(d), scratch.b);
  blas.dtrmm("L", "L", "T", "N", &d, &d, &one, factor, &d, scratch.b, &d, 1, 1, 1, 1);
  blas.dtrmm("R", "L", "N", "N", &d, &d, &one, factor, &d, scratch.b, &d, 1, 1, 1, 1);
  if (!eigen(scratch.b, scratch.roots, d, scratch.work, scratch.indices, blas)) return false;
  // None is smaller than epsilon squared but by rounding.
  for (int i = 0; i < d; ++i) scratch.roots[i] = std::sqrt(std::max(scratch.roots[i], epsilon * epsilon));
  return true;
}

/// The same as the singular values and left vectors of L^T L_x.
bool roots_by_singular_values(Scratch& scratch, const double* factor, double epsilon, int d,
                              const Blas& blas) {
  const double one = 1;
  int info = 0;
  double* const x = scratch.b;
  std::copy_n(scratch.a, square(d), x);
  blas.dpotrf("L", &d, x, &d, &info, 1);
  if (info != 0) return false;
  for (int64_t col = 1; col < d; ++col) std::fill_n(x + col * d, col, 0.0);
  blas.dtrmm("L", "L", "T", "N", &d, &d, &one, factor, &d, x, &d, 1, 1, 1, 1);
  const int lwork = work_count(d);
  blas.dgesdd("O", &d, &d, x, &d, scratch.roots, nullptr, &d, scratch.c, &d, scratch.work, &lwork,
              scratch.indices, &info, 1);
  for (int i = 0; i < d; ++i) scratch.roots[i] = std::max(scratch.roots[i], epsilon);
  return info == 0;
}

template <typename T>
void solve(const WassersteinProblem& problem, const Blas& blas) {
  auto* const difference = static_cast<T*>(problem.difference);
  const int d = problem.d;
  const double* const target = problem.target;
  const double* const factor = target + Target::factor(d);
  const double* const mean = problem.mean;
  const double* const style_mean = target + Target::mean(d);
  const double epsilon = target[Target::epsilon(d)];
  Scratch scratch(problem.workspace, d);

  covariance(scratch.a, problem.gram, mean, epsilon, d);
  const double trace_x = trace(scratch.a, d);
  bool solved = std::isfinite(trace_x);
  if (solved) {
    solved = std::is_same_v<T, double> && roots_by_singular_values(scratch, factor, epsilon, d, blas);
    if (!solved) solved = roots_by_eigenvalues(scratch, factor, epsilon, d, blas);
  }
  if (!solved) {
    *problem.loss = *problem.inner = std::numeric_limits<double>::quiet_NaN();
    std::fill_n(difference, square(d), T(0));
    std::fill_n(problem.offset, d, 0.0);
    return;
  }

  // P = W W^T with W = L U / roots^1/2.
  const double one = 1, zero = 0;
  double* const w = scratch.b;
  double* const p = scratch.a;  // its lower triangle
  blas.dtrmm("L", "L", "N", "N", &d, &d, &one, factor, &d, w, &d, 1, 1, 1, 1);
  for (int64_t col = 0; col < d; ++col) {
    const double scale = 1 / std::sqrt(scratch.roots[col]);
    for (int64_t row = 0; row < d; ++row) w[col * d + row] *= scale;
  }
  blas.dsyrk("L", "N", &d, &d, &one, w, &d, &zero, p, &d, 1, 1);

  const double cross = std::accumulate(scratch.roots, scratch.roots + d, 0.0), trace_p = trace(p, d);
  double distance = 0, along = 0;  // |mu_x - mu_s|^2, (mu_x - mu_s) mu_x
  for (int i = 0; i < d; ++i) {
    problem.offset[i] = mean[i] - style_mean[i];
    distance += problem.offset[i] * problem.offset[i];
    along += problem.offset[i] * mean[i];
  }
  for (int64_t col = 0; col < d; ++col) {
    for (int64_t row = col; row < d; ++row) {
      const double value = (row == col ? 1 : 0) - p[col * d + row];
      difference[row * d + col] = difference[col * d + row] = static_cast<T>(value);
      problem.offset[row] -= value * mean[col];
      if (row != col) problem.offset[col] -= value * mean[row];
    }
  }
  *problem.loss = distance + trace_x + target[Target::trace(d)] - 2 * cross;
  // tr(P (C_x + epsilon)) is the sum of the roots.
  *problem.inner = (trace_x - epsilon * d) - (cross - epsilon * trace_p) + along;
}

}  // namespace

template <typename T>
int64_t moments_workspace_bytes(const GramParams& params, Stream stream) {
  const int64_t means = kMeanRanges * params.d * 8;
  if (!widens<T>(params)) return std::max(gram_workspace_bytes<T>(params, stream), means);
  return aligned(params.m * params.d * 8) + std::max(gram_workspace_bytes<double>(params, stream), means);
}

template <typename T>
void moments_forward(double* gram, double* mean, const T* s, void* workspace, const GramParams& params,
                     Stream stream) {
  if (widens<T>(params)) {
    auto* wide = static_cast<double*>(workspace);
    parallel_ranges(stream, params.m * params.d, 1 << 14,
                    [&](int64_t begin, int64_t end) { std::copy(s + begin, s + end, wide + begin); });
    void* rest = static_cast<char*>(workspace) + aligned(params.m * params.d * 8);
    return moments_forward<double>(gram, mean, wide, rest, params, stream);
  }
  gram_forward(gram, s, workspace, params, stream);
  channel_means(mean, s, static_cast<double*>(workspace), params, stream);
}

void wasserstein_prepare(double* target, const double* gram, const double* mean, double least_epsilon, int d,
                         const Blas& blas) {
  double* const factor = target + Target::factor(d);
  covariance(factor, gram, mean, 0, d);
  const double epsilon = std::max({kEpsilon * trace(factor, d) / d, least_epsilon, kLeast});
  for (int64_t i = 0; i < d; ++i) factor[i * d + i] += epsilon;
  target[Target::epsilon(d)] = epsilon;
  target[Target::trace(d)] = trace(factor, d);
  std::copy_n(mean, d, target + Target::mean(d));

  // With the eigenvalues v and vectors V of C_s and v^1/2 V^T = Q R: C_s = R^T R. Cholesky's own algorithm
  // would stop at an eigenvalue that rounding has made negative.
  std::vector<double> values(d), work(static_cast<size_t>(work_count(d))), roots(square(d));
  std::vector<int> integers(Scratch::integers(d));
  if (!std::isfinite(target[Target::trace(d)]) ||
      !eigen(factor, values.data(), d, work.data(), integers.data(), blas)) {
    target[Target::trace(d)] = std::numeric_limits<double>::quiet_NaN();
    std::fill_n(factor, square(d), 0.0);
    return;
  }
  for (int64_t i = 0; i < d; ++i) {
    const double root = std::sqrt(std::max(values[i], epsilon));
    for (int64_t j = 0; j < d; ++j) roots[j * d + i] = root * factor[i * d + j];
  }
  int info = 0;
  const int lwork = work_count(d);
  blas.dgeqrf(&d, &d, roots.data(), &d, values.data(), work.data(), &lwork, &info);
  for (int64_t col = 0; col < d; ++col) {
    for (int64_t row = 0; row < d; ++row) factor[col * d + row] = row < col ? 0 : roots[row * d + col];
  }
}

int64_t wasserstein_workspace_bytes(int d) { return Scratch::bytes(d); }

template <typename T>
void wasserstein_forward(const WassersteinProblem* problems, int count, const Blas& blas, Stream stream) {
  std::vector<int> order(static_cast<size_t>(count));  // the longest first
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) { return problems[a].d > problems[b].d; });
  parallel_tasks(stream, count, [&](int64_t task, int) { solve<T>(problems[order[task]], blas); });
}

template int64_t moments_workspace_bytes<float>(const GramParams&, Stream);
template int64_t moments_workspace_bytes<double>(const GramParams&, Stream);
template void moments_forward(double*, double*, const float*, void*, const GramParams&, Stream);
template void moments_forward(double*, double*, const double*, void*, const GramParams&, Stream);
template void wasserstein_forward<float>(const WassersteinProblem*, int, const Blas&, Stream);
template void wasserstein_forward<double>(const WassersteinProblem*, int, const Blas&, Stream);

}  // namespace swag::cpu
