#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cuda/blas.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/wasserstein.h"

// With B = L^T C_x L the roots are those of its eigenvalues, and the transport is L B^-1/2 L^T. B^1/2 and
// B^-1/2 come from products alone, in float64: with y = B / |B| and z = I,
//
//   q = a I + b zy + c (zy)^2,   y <- y q,   z <- q z
//
// leaves y z^-1 as it is, and makes zy, whose eigenvalues are those of B / |B| at first, the identity: each
// root x of an eigenvalue becomes x (a + b x^2 + c x^4), until all are 1. Then y = (B / |B|)^1/2 and z its
// inverse. A constant polynomial (Newton and Schulz's has 15/8, -10/8, 3/8) would need some 30 steps for
// roots as small as kSmallestRoot; here each has the coefficients that leave the smallest error where the one
// before has left the roots, by Remez's algorithm (as "Polar Express" does, Amsel et al., 2025). The small
// directions do not suffer as they do from an eigenvalue solver: nothing rounds to the size of the largest.

namespace swag::cuda {
namespace {

using Target = WassersteinTarget;

constexpr int kTile = 32;         // channels of a block of channel_sums_kernel
constexpr int kTileRows = 8;      // its threads for each
constexpr int kMeanSlices = 128;  // of the positions, at most
constexpr int64_t kSlice = 512;   // positions, at least
constexpr int64_t kAlignment = 256;
constexpr double kSmallestRoot = 1e-8;  // of B / |B|; smaller ones count for less than float's rounding

int64_t aligned(int64_t bytes) { return ceil_divide(bytes, kAlignment) * kAlignment; }

// ---------------------------------------------------------------- moments

/// A block adds up 32 channels over one slice of the positions; a thread every eighth position of one.
/// Grid: channels / 32 x slices; block 32 x 8. Shared: 2 KiB. Bound by bytes: 4 per element.
template <typename S>
__global__ void __launch_bounds__(kTile* kTileRows)
    channel_sums_kernel(double* sums, const S* s, int64_t m, int d) {
  __shared__ double rows[kTileRows][kTile];
  const int channel = blockIdx.x * kTile + threadIdx.x;
  const int64_t begin = m * blockIdx.y / gridDim.y, end = m * (blockIdx.y + 1) / gridDim.y;
  double sum = 0;
  if (channel < d) {
    for (int64_t i = begin + threadIdx.y; i < end; i += kTileRows)
      sum += static_cast<double>(load<1>(s + i * d + channel).at[0]);
  }
  rows[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || channel >= d) return;
  sum = 0;
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) sum += rows[row][threadIdx.x];
  sums[blockIdx.y * d + channel] = sum;
}

/// A thread adds up the slices of one channel.
/// Grid: channels / 256; block 256. No shared memory. Bound by latency.
__global__ void __launch_bounds__(kElementThreads)
    finish_means_kernel(double* mean, const double* sums, int slices, double m, int d) {
  const int channel = blockIdx.x * kElementThreads + threadIdx.x;
  if (channel >= d) return;
  double sum = 0;
  for (int slice = 0; slice < slices; ++slice) sum += sums[slice * d + channel];
  mean[channel] = sum / m;
}

/// Grid: dense; block 256. No shared memory. Bound by bytes: 12 per element.
template <typename S>
__global__ void __launch_bounds__(kElementThreads) widen_kernel(double* wide, const S* s, int64_t count) {
  for_each_group<1>(count, [&](int64_t i) { wide[i] = static_cast<double>(load<1>(s + i).at[0]); });
}

int mean_slices(int64_t m) { return static_cast<int>(std::clamp<int64_t>(m / kSlice, 1, kMeanSlices)); }

// ---------------------------------------------------------------- square roots

struct Polynomial {
  double a, b, c;  // a x + b x^3 + c x^5
};

/// The one nearest to 1 on [low, high], 0 < low < high < sqrt(3), with its greatest distance from 1: it has
/// that with changing signs at low, at both of its extrema between, and at high.
Polynomial nearest_to_one(double low, double high, double& error) {
  double x[4] = {low, (3 * low + high) / 4, (low + 3 * high) / 4, high};
  Polynomial p = {15. / 8, -10. / 8, 3. / 8};
  for (int round = 0; round < 100; ++round) {
    // a x + b x^3 + c x^5 + sign e = 1 at each, by elimination.
    double rows[4][5];
    for (int i = 0; i < 4; ++i) {
      const double cube = x[i] * x[i] * x[i];
      const double row[5] = {x[i], cube, cube * x[i] * x[i], i % 2 == 0 ? 1. : -1., 1.};
      std::copy(row, row + 5, rows[i]);
    }
    for (int i = 0; i < 4; ++i) {
      int pivot = i;
      for (int k = i; k < 4; ++k) {
        if (std::abs(rows[k][i]) > std::abs(rows[pivot][i])) pivot = k;
      }
      std::swap(rows[i], rows[pivot]);
      for (int k = 0; k < 4; ++k) {
        if (k == i) continue;
        const double factor = rows[k][i] / rows[i][i];
        for (int j = i; j < 5; ++j) rows[k][j] -= factor * rows[i][j];
      }
    }
    p = {rows[0][4] / rows[0][0], rows[1][4] / rows[1][1], rows[2][4] / rows[2][2]};
    error = std::abs(rows[3][4] / rows[3][3]);
    // The extrema: a + 3 b x^2 + 5 c x^4 = 0.
    const double root = std::sqrt(std::max(9 * p.b * p.b - 20 * p.a * p.c, 0.0));
    const double first = std::sqrt((-3 * p.b - root) / (10 * p.c)),
                 second = std::sqrt((-3 * p.b + root) / (10 * p.c));
    const double moved = std::abs(first - x[1]) + std::abs(second - x[2]);
    x[1] = first;
    x[2] = second;
    if (!(moved > 1e-15)) break;
  }
  return p;
}

/// One after the other they bring all of [kSmallestRoot, 1] to 1.
std::vector<Polynomial> polynomials() {
  std::vector<Polynomial> all;
  double low = kSmallestRoot, high = 1, error = 1;
  // Where little is missing the equations above are nearly singular, and Newton and Schulz's polynomial,
  // whose error is 5/2 of the cube, is as good.
  for (constexpr double kNear = 1e-4; error > kNear;) {
    all.push_back(nearest_to_one(low, high, error));
    low = 1 - error;
    high = 1 + error;
  }
  for (; error > 1e-17; error = 2.5 * error * error * error) all.push_back({15. / 8, -10. / 8, 3. / 8});
  return all;
}

/// C_x with epsilon, which is the target's.
/// Grid: dense; block 256. No shared memory. Bound by bytes: 16 per element.
__global__ void __launch_bounds__(kElementThreads)
    covariance_kernel(double* c, const double* gram, const double* mean, const double* epsilon, int d) {
  for_each_group<1>(int64_t{d} * d, [&](int64_t i) {
    const int64_t row = i / d, col = i % d;
    c[i] = gram[i] - mean[row] * mean[col] + (row == col ? *epsilon : 0);
  });
}

/// Grid: at most 1024; block 256. Shared: 64 bytes. Bound by bytes: 8 per element.
__global__ void __launch_bounds__(kReduceThreads)
    sum_of_squares_kernel(double* partials, const double* b, int64_t count) {
  double sums[1] = {0};
  for_each_group<1>(count, [&](int64_t i) { sums[0] += b[i] * b[i]; });
  store_partial_sums(partials, sums);
}

/// y = B / |B|, in its place, and z = I.
/// Grid: dense; block 256. No shared memory. Bound by bytes: 24 per element.
__global__ void __launch_bounds__(kElementThreads)
    begin_kernel(double* y, double* z, const double* sum_of_squares, int d) {
  const double norm = sqrt(*sum_of_squares);
  for_each_group<1>(int64_t{d} * d, [&](int64_t i) {
    y[i] /= norm;
    z[i] = i / d == i % d ? 1 : 0;
  });
}

/// q = a I + b p + c q, where q holds the square of p, of every problem of a group.
/// Grid: dense x problems; block 256. No shared memory. Bound by bytes: 24 per element.
__global__ void __launch_bounds__(kElementThreads)
    polynomial_kernel(double* const* all_q, double* const* all_p, Polynomial polynomial, int d) {
  double* const q = all_q[blockIdx.y];
  const double* const p = all_p[blockIdx.y];
  for_each_group<1>(int64_t{d} * d, [&](int64_t i) {
    q[i] = polynomial.c * q[i] + polynomial.b * p[i] + (i / d == i % d ? polynomial.a : 0);
  });
}

// Of each channel, for the sums that the loss is made of.
enum Sum { kDistance, kAlong, kTrace, kRoots, kTransport, kSums };

struct Ends {
  const double *c, *y, *transport;  // (d, d): C_x with epsilon, the roots / |B|^1/2, the transport * |B|^1/2
  const double* sum_of_squares;     // |B|^2
  const double* mean;               // (d)
  const double* target;
};

/// A block makes one row of I - P, its channel's offset, and the row's part of the sums.
/// Grid: channels; block 256. Shared: 64 bytes. Bound by bytes: 12 per element.
__global__ void __launch_bounds__(kReduceThreads)
    difference_kernel(float* difference, double* offset, double* sums, Ends ends, int d) {
  const int row = blockIdx.x;
  const int64_t begin = int64_t{row} * d;
  const double scale = 1 / sqrt(sqrt(*ends.sum_of_squares));
  double moved = 0;
  for (int col = threadIdx.x; col < d; col += kReduceThreads) {
    const double value = (col == row ? 1 : 0) - scale * ends.transport[begin + col];
    difference[begin + col] = static_cast<float>(value);
    moved += value * ends.mean[col];
  }
  moved = block_sum(moved);
  if (threadIdx.x != 0) return;
  const double mean = ends.mean[row], apart = mean - ends.target[Target::mean(d) + row];
  offset[row] = apart - moved;
  sums[kDistance * d + row] = apart * apart;
  sums[kAlong * d + row] = apart * mean;
  sums[kTrace * d + row] = ends.c[begin + row];
  sums[kRoots * d + row] = ends.y[begin + row] / scale;
  sums[kTransport * d + row] = scale * ends.transport[begin + row];
}

/// One block adds up what the rows have left.
/// Grid 1 x block 256. Shared: 64 bytes. Bound by latency.
__global__ void __launch_bounds__(kReduceThreads)
    loss_kernel(double* loss, double* inner, const double* sums, const double* target, int d) {
  double total[kSums];
#pragma unroll
  for (int k = 0; k < kSums; ++k) {
    double sum = 0;
    for (int i = threadIdx.x; i < d; i += kReduceThreads) sum += sums[k * d + i];
    total[k] = block_sum(sum);
  }
  if (threadIdx.x != 0) return;
  const double epsilon = target[Target::epsilon(d)];
  *loss = total[kDistance] + total[kTrace] + target[Target::trace(d)] - 2 * total[kRoots];
  *inner = (total[kTrace] - epsilon * d) - (total[kRoots] - epsilon * total[kTransport]) + total[kAlong];
}

// A group's matrices: lists of one pointer for each problem. A step's two last products are one batch, of the
// lists y and q by the lists q and z to the lists y' and z', so these stand side by side.
enum List { kC, kP, kFactor, kY0, kQ0, kZ0, kY1, kQ1, kZ1, kNextY0, kNextZ0, kNextY1, kNextZ1, kLists };

/// Where a step finds its matrices, and where it leaves the next y and z: by turns.
struct Turn {
  List y, q, z, next;
};
constexpr Turn kTurns[2] = {{kY0, kQ0, kZ0, kNextY1}, {kY1, kQ1, kZ1, kNextY0}};

constexpr int kMostProblems = 16;  // of a group: its lists are a kernel's parameters
constexpr int kMostPointers = kLists * kMostProblems;
static_assert(kMostPointers <= kElementThreads, "a thread for each");

struct Pointers {
  double* at[kMostPointers];
};

/// Grid 1 x block 256. No shared memory. Bound by latency.
__global__ void __launch_bounds__(kElementThreads)
    lists_kernel(double** lists, const Pointers pointers, int count) {
  if (static_cast<int>(threadIdx.x) < count) lists[threadIdx.x] = pointers.at[threadIdx.x];
}

/// Where a problem's matrices are.
struct Scratch {
  static constexpr int kMatrices = 7;
  static int64_t bytes(int d) {
    return aligned(kMatrices * int64_t{d} * d * 8) + aligned(int64_t{kSums} * d * 8) + aligned(8) +
           aligned(sums_workspace_bytes(1)) + kMostPointers * 8;
  }
  Scratch(void* workspace, int d) {
    auto* at = static_cast<char*>(workspace);
    for (double** matrix : {&c, &p, &q, &y[0], &y[1], &z[0], &z[1]}) {
      *matrix = reinterpret_cast<double*>(at);
      at += int64_t{d} * d * 8;
    }
    at = static_cast<char*>(workspace) + aligned(kMatrices * int64_t{d} * d * 8);
    sums = reinterpret_cast<double*>(at);
    sum_of_squares = reinterpret_cast<double*>(at += aligned(int64_t{kSums} * d * 8));
    partials = reinterpret_cast<double*>(at += aligned(8));
    lists = reinterpret_cast<double**>(at + aligned(sums_workspace_bytes(1)));
  }
  double *c, *p, *q, *y[2], *z[2];
  double* sums;            // (kSums, d)
  double* sum_of_squares;  // (1)
  double* partials;
  double** lists;  // (kMostPointers): the group's, where the problem is its first
};

/// Problems of one size: each of their products is a part of one batch.
class Group {
 public:
  Group(const WassersteinProblem* const* problems, int count, Lane lane)
      : problems_(problems),
        count_(count),
        d_(problems[0]->d),
        lane_(lane),
        lists_(Scratch(problems[0]->workspace, d_).lists) {}

  void solve(const std::vector<Polynomial>& steps) const {
    make_lists();
    for_each([&](const WassersteinProblem& problem, const Scratch& scratch) {
      launch(covariance_kernel, grid(), dim3(kElementThreads), 0, lane_.stream, scratch.c, problem.gram,
             problem.mean, problem.target + Target::epsilon(d_), d_);
    });
    multiply(kP, kFactor, CUBLAS_OP_T, kC, CUBLAS_OP_N);
    multiply(kY0, kP, CUBLAS_OP_N, kFactor, CUBLAS_OP_N);
    for_each([&](const WassersteinProblem& /*problem*/, const Scratch& scratch) { begin(scratch); });
    int now = 0;
    for (const Polynomial& step : steps) {
      const Turn& turn = kTurns[now];
      multiply(kP, turn.z, CUBLAS_OP_N, turn.y, CUBLAS_OP_N);
      multiply(turn.q, kP, CUBLAS_OP_N, kP, CUBLAS_OP_N);
      dim3 all = grid();
      all.y = static_cast<unsigned>(count_);
      launch(polynomial_kernel, all, dim3(kElementThreads), 0, lane_.stream, list(turn.q), list(kP), step,
             d_);
      multiply(turn.next, turn.y, CUBLAS_OP_N, turn.q, CUBLAS_OP_N, 2);
      now = 1 - now;
    }
    multiply(kP, kFactor, CUBLAS_OP_N, kTurns[now].z, CUBLAS_OP_N);
    multiply(kQ0, kP, CUBLAS_OP_N, kFactor, CUBLAS_OP_T);
    for_each([&](const WassersteinProblem& problem, const Scratch& scratch) {
      end(problem, scratch, scratch.y[now]);
    });
  }

 private:
  /// Of one matrix's elements.
  dim3 grid() const { return dense_grid(int64_t{d_} * d_, 1); }
  double** list(List list) const { return lists_ + list * count_; }

  template <typename Body>
  void for_each(const Body& body) const {
    for (int i = 0; i < count_; ++i) body(*problems_[i], Scratch(problems_[i]->workspace, d_));
  }

  void make_lists() const {
    Pointers pointers = {};
    int i = 0;
    for_each([&](const WassersteinProblem& problem, const Scratch& scratch) {
      double* const y0 = scratch.y[0];
      double* const y1 = scratch.y[1];
      double* const z0 = scratch.z[0];
      double* const z1 = scratch.z[1];
      double* const factor = const_cast<double*>(problem.target) + Target::factor(d_);  // read alone
      int list = 0;
      for (double* matrix :
           {scratch.c, scratch.p, factor, y0, scratch.q, z0, y1, scratch.q, z1, y0, z0, y1, z1})
        pointers.at[list++ * count_ + i] = matrix;
      ++i;
    });
    launch(lists_kernel, dim3(1), dim3(kElementThreads), 0, lane_.stream, lists_, pointers, kLists * count_);
  }

  /// to = op(a) op(b), each (d, d) column by column, of `lists` lists side by side.
  void multiply(List to, List a, cublasOperation_t op_a, List b, cublasOperation_t op_b,
                int lists = 1) const {
    const double one = 1, zero = 0;
    check_blas(cublasDgemmBatched(static_cast<cublasHandle_t>(lane_.blas.handle), op_a, op_b, d_, d_, d_,
                                  &one, list(a), d_, list(b), d_, &zero, list(to), d_, lists * count_),
               "cublasDgemmBatched");
  }

  void begin(const Scratch& scratch) const {
    const int64_t square = int64_t{d_} * d_;
    const int blocks = reduce_blocks(square);
    launch(sum_of_squares_kernel, dim3(blocks), dim3(kReduceThreads), 0, lane_.stream, scratch.partials,
           scratch.y[0], square);
    finish_sums(SumResults<1>{{scratch.sum_of_squares}, 1}, scratch.partials, blocks, lane_.stream);
    launch(begin_kernel, grid(), dim3(kElementThreads), 0, lane_.stream, scratch.y[0], scratch.z[0],
           scratch.sum_of_squares, d_);
  }

  void end(const WassersteinProblem& problem, const Scratch& scratch, const double* y) const {
    const Ends ends = {scratch.c, y, scratch.q, scratch.sum_of_squares, problem.mean, problem.target};
    launch(difference_kernel, dim3(static_cast<unsigned>(d_)), dim3(kReduceThreads), 0, lane_.stream,
           static_cast<float*>(problem.difference), problem.offset, scratch.sums, ends, d_);
    launch(loss_kernel, dim3(1), dim3(kReduceThreads), 0, lane_.stream, problem.loss, problem.inner,
           scratch.sums, problem.target, d_);
  }

  const WassersteinProblem* const* problems_;
  int count_, d_;
  Lane lane_;
  double** lists_;
};

}  // namespace

// ---------------------------------------------------------------- launchers

int64_t moments_workspace_bytes(const GramParams& params) {
  const int64_t sums = int64_t{mean_slices(params.m)} * params.d * 8;
  return std::max(sums, has_few_positions(params) ? params.m * params.d * 8 : gram_workspace_bytes(params));
}

template <typename S>
void moments_forward(double* gram, double* mean, const S* s, void* workspace, const GramParams& params,
                     Blas blas, Stream stream) {
  const int d = params.d;
  if (d == 0 || params.m == 0) return;
  const double m = static_cast<double>(params.m);
  if (has_few_positions(params)) {
    auto* const wide = static_cast<double*>(workspace);
    const int64_t count = params.m * d;
    launch(widen_kernel<S>, dense_grid(count, 1), dim3(kElementThreads), 0, stream, wide, s, count);
    const double share = params.scale * params.scale / m, zero = 0;
    check_blas(cublasDgemm(static_cast<cublasHandle_t>(blas.handle), CUBLAS_OP_N, CUBLAS_OP_T, d, d,
                           static_cast<int>(params.m), &share, wide, d, wide, d, &zero, gram, d),
               "cublasDgemm");
  } else {
    gram_forward(gram, s, workspace, params, blas, stream);
  }
  auto* const sums = static_cast<double*>(workspace);
  const int slices = mean_slices(params.m);
  launch(channel_sums_kernel<S>,
         dim3(static_cast<unsigned>(ceil_divide(d, kTile)), static_cast<unsigned>(slices)),
         dim3(kTile, kTileRows), 0, stream, sums, s, params.m, d);
  launch(finish_means_kernel, dim3(static_cast<unsigned>(ceil_divide(d, kElementThreads))),
         dim3(kElementThreads), 0, stream, mean, sums, slices, m / params.scale, d);
}
template void moments_forward(double*, double*, const float*, void*, const GramParams&, Blas, Stream);
template void moments_forward(double*, double*, const Float16*, void*, const GramParams&, Blas, Stream);

int64_t wasserstein_workspace_bytes(int d) { return Scratch::bytes(d); }

void wasserstein_forward(const WassersteinProblem* problems, int count, const Lane* lanes, int lane_count) {
  static const std::vector<Polynomial>& steps = *new std::vector<Polynomial>(polynomials());
  std::vector<const WassersteinProblem*> sorted;
  for (int i = 0; i < count; ++i) sorted.push_back(&problems[i]);
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->d > b->d; });
  int lane = 0;
  for (int begin = 0, end = 0; begin < count; begin = end) {
    while (end < count && sorted[end]->d == sorted[begin]->d && end - begin < kMostProblems) ++end;
    Group(&sorted[begin], end - begin, lanes[lane++ % lane_count]).solve(steps);
  }
}

}  // namespace swag::cuda
