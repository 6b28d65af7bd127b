#include <algorithm>
#include <cassert>
#include <cmath>

#include "kernels/cpu/reduce.h"
#include "kernels/lbfgs/lbfgs.h"

namespace swag::cpu {
namespace {

// A range is what one task works on. Sums of ranges are added in order: the number of threads does not show.
constexpr int64_t kRange = 1 << 14;
// Elements taken at once: s, y and g', widened to double, stay in the first-level cache.
constexpr int kBlock = 512;
// Independent partial sums of one dot product: the compiler may not reorder a sum itself.
constexpr int kLanes = 4;
// Vectors that meet one load and store of a direction's sum.
constexpr int kVectorGroup = 4;

// Rows of a trial's dot products.
enum Row { kS, kY, kG, kRows };

using Block = double[kRows][kBlock];

/// What a range adds up besides the dot products: they lie behind its rows.
enum RangeSum { kSumAbs, kMaxAbs, kSlope, kLongest, kRangeSums };

/// Doubles that a range leaves: rows as in LbfgsScalars, then its RangeSums.
int64_t range_doubles(const HistoryRing& ring) { return kRows * int64_t{ring.positions()} + kRangeSums; }

/// Two lanes side by side in one register, which GCC does not find on its own here.
using Pair = double __attribute__((vector_size(2 * sizeof(double))));

template <typename T>
Pair load_pair(const T* values) {
  return Pair{static_cast<double>(values[0]), static_cast<double>(values[1])};
}

/// sums(row * stride) += <left(row), right> over `count` <= kBlock elements, for rows from kFirst on.
template <int kFirst, typename T>
void add_block_dots(double* sums, int64_t stride, const Block& left, const T* right, int count) {
  Pair even[kRows] = {}, odd[kRows] = {};
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Pair first = load_pair(right + i), second = load_pair(right + i + 2);
    for (int row = kFirst; row < kRows; ++row) {
      even[row] += load_pair(left[row] + i) * first;
      odd[row] += load_pair(left[row] + i + 2) * second;
    }
  }
  for (; i < count; ++i) {
    for (int row = kFirst; row < kRows; ++row) even[row][0] += left[row][i] * static_cast<double>(right[i]);
  }
  for (int row = kFirst; row < kRows; ++row) {
    const Pair both = even[row] + odd[row];
    sums[row * stride] += both[0] + both[1];
  }
}

/// Fills the block's s and y as the history will hold them, and g'; adds what needs no history.
template <typename T>
void load_block(Block& block, double* sums, const T* gradient, const LbfgsState<T>& state,
                const LbfgsMeasureParams& params, int64_t start, int count) {
  for (int i = 0; i < count; ++i) block[kG][i] = static_cast<double>(gradient[start + i]);
  const VectorNorms norms = range_norms(block[kG], 0, count);
  sums[kSumAbs] += norms.sum_abs;
  sums[kMaxAbs] = larger(sums[kMaxAbs], norms.max_abs);
  if (params.is_first) {
    std::fill_n(block[kS], count, 0.0);
    std::fill_n(block[kY], count, 0.0);
    return;
  }
  const T *d = state.direction + start, *old = state.gradient + start;
  for (int i = 0; i < count; ++i) {
    block[kS][i] = static_cast<double>(static_cast<T>(params.step * static_cast<double>(d[i])));
    block[kY][i] = static_cast<double>(static_cast<T>(block[kG][i] - static_cast<double>(old[i])));
  }
  add_block_dots<kG>(sums + kSlope, 0, block, d, count);
  sums[kLongest] = larger(sums[kLongest], range_norms(d, 0, count).max_abs);
}

/// One range of the measurement, block by block.
template <typename T>
void measure_range(double* rows, const T* gradient, const LbfgsState<T>& state,
                   const LbfgsMeasureParams& params, int64_t begin, int64_t end) {
  const HistoryRing& ring = params.ring;
  const int64_t stride = ring.positions();
  double* sums = rows + kRows * stride;
  Block block;
  for (int64_t start = begin; start < end; start += kBlock) {
    const int count = static_cast<int>(std::min<int64_t>(kBlock, end - start));
    load_block(block, sums, gradient, state, params, start, count);
    for (int slot = 0; slot < ring.size(); ++slot) {
      const T* s = state.history + ring.s(slot) * state.stride + start;
      const T* y = state.history + ring.y(slot) * state.stride + start;
      add_block_dots<kY>(rows + ring.s(slot), stride, block, s, count);  // nobody asks for <s, s>
      add_block_dots<kS>(rows + ring.y(slot), stride, block, y, count);
    }
    for (int row = 0; row < kRows; ++row) {
      add_block_dots<kS>(rows + ring.trial_s() + row, stride, block, block[row], count);
    }
  }
}

/// sum += `kVectors` vectors, side by side in memory or not, times their coefficients.
template <int kVectors, typename T>
void add_combination(double* sum, const double* coefficients, const T* const* vectors, int count) {
  for (int i = 0; i < count; ++i) {
    double value = sum[i];
    for (int k = 0; k < kVectors; ++k) value += coefficients[k] * static_cast<double>(vectors[k][i]);
    sum[i] = value;
  }
}

/// Collects vectors and adds them to a block's sum a group at a time.
template <typename T>
class Combination {
 public:
  Combination(double* sum, int count) : sum_(sum), count_(count) {}
  void add(double coefficient, const T* vector) {
    coefficients_[waiting_] = coefficient;
    vectors_[waiting_] = vector;
    if (++waiting_ < kVectorGroup) return;
    add_combination<kVectorGroup>(sum_, coefficients_, vectors_, count_);
    waiting_ = 0;
  }
  void finish() {
    for (int k = 0; k < waiting_; ++k) add_combination<1>(sum_, coefficients_ + k, vectors_ + k, count_);
    waiting_ = 0;
  }

 private:
  double* sum_;
  int count_;
  int waiting_ = 0;
  double coefficients_[kVectorGroup] = {};
  const T* vectors_[kVectorGroup] = {};
};

/// sum = the direction that follows the accepted trial; the pair, where it is kept, goes into its slot.
template <typename T>
void direction_block(double* sum, const LbfgsState<T>& state, const T* gradient,
                     const LbfgsStepParams& params, int64_t start, int count) {
  const HistoryRing& ring = params.ring;
  std::fill_n(sum, count, 0.0);
  Combination<T> combination(sum, count);
  if (params.trial < 0) {
    combination.add(-1, gradient + start);
    combination.finish();
    return;
  }
  const double* coefficients = LbfgsScalars(state.scalars, ring, params.trial).coefficients;
  const int replaced = params.keeps_pair ? ring.next() : -1;
  for (int slot = 0; slot < ring.size(); ++slot) {
    if (slot == replaced) continue;
    combination.add(coefficients[ring.s(slot)], state.history + ring.s(slot) * state.stride + start);
    combination.add(coefficients[ring.y(slot)], state.history + ring.y(slot) * state.stride + start);
  }
  if (params.keeps_pair) {
    T* s = state.history + ring.s(replaced) * state.stride + start;
    T* y = state.history + ring.y(replaced) * state.stride + start;
    for (int i = 0; i < count; ++i) {
      s[i] = static_cast<T>(params.accepted * static_cast<double>(state.direction[start + i]));
      y[i] = static_cast<T>(static_cast<double>(gradient[start + i]) -
                            static_cast<double>(state.gradient[start + i]));
    }
    combination.add(coefficients[ring.trial_s()], s);
    combination.add(coefficients[ring.trial_y()], y);
  }
  combination.add(coefficients[ring.g()], gradient + start);
  combination.finish();
}

template <typename T>
T moved(T from, double step, T direction) {
  return static_cast<T>(static_cast<double>(from) + step * static_cast<double>(direction));
}

}  // namespace

template <typename T>
int64_t lbfgs_workspace_bytes(int capacity, int64_t count) {
  const int64_t ranges = (count + kRange - 1) / kRange;
  const int64_t doubles = ranges * range_doubles(HistoryRing(capacity)) + lbfgs_recursion_scratch(capacity);
  return doubles * int64_t{sizeof(double)};
}

template <typename T>
void lbfgs_measure(GradientReport* report, const T* gradient, const LbfgsState<T>& state,
                   const LbfgsMeasureParams& params, void* workspace, Stream stream) {
  const HistoryRing& ring = params.ring;
  assert(!params.is_first || ring.size() == 0);
  const LbfgsScalars scalars(state.scalars, ring, params.trial);
  const int64_t rows = int64_t{kRows} * ring.positions(), stride = range_doubles(ring);
  double* scratch = static_cast<double*>(workspace);
  double* ranges = scratch + lbfgs_recursion_scratch(ring.capacity());
  parallel_ranges(stream, state.count, kRange, [&](int64_t begin, int64_t end) {
    double* range = ranges + begin / kRange * stride;
    std::fill_n(range, stride, 0.0);
    measure_range(range, gradient, state, params, begin, end);
  });

  std::fill_n(scalars.trial, rows, 0.0);
  *report = GradientReport{};
  for (int64_t begin = 0; begin < state.count; begin += kRange) {
    const double* range = ranges + begin / kRange * stride;
    for (int64_t k = 0; k < rows; ++k) scalars.trial[k] += range[k];
    const double* sums = range + rows;
    report->norms.sum_abs += sums[kSumAbs];
    report->norms.max_abs = larger(report->norms.max_abs, sums[kMaxAbs]);
    report->slope += sums[kSlope];
    report->longest = larger(report->longest, sums[kLongest]);
  }
  report->square = scalars.trial[kG * ring.positions() + ring.g()];
  report->curvature = scalars.trial[kS * ring.positions() + ring.trial_y()];
  report->next_slope =
      lbfgs_recursion(scalars.coefficients, scratch, LbfgsDots{scalars.dots, scalars.trial, ring.capacity()},
                      LbfgsPairs{ring, report->curvature > kLbfgsLeastCurvature}, OneLane());
}

template <typename T>
void lbfgs_step(const LbfgsState<T>& state, const T* gradient, const LbfgsStepParams& params, Stream stream) {
  assert(!params.keeps_pair || params.trial >= 0);
  if (params.keeps_pair) {
    const LbfgsScalars scalars(state.scalars, params.ring, params.trial);
    lbfgs_remember_dots(scalars.dots, scalars.trial, params.ring, OneLane());
  }
  parallel_ranges(stream, state.count, kRange, [&](int64_t begin, int64_t end) {
    double sum[kBlock];
    for (int64_t start = begin; start < end; start += kBlock) {
      const int count = static_cast<int>(std::min<int64_t>(kBlock, end - start));
      direction_block(sum, state, gradient, params, start, count);
      for (int64_t i = start; i < start + count; ++i) {
        if (state.start && params.accepted != 0) {
          state.start[i] = moved(state.start[i], params.accepted, state.direction[i]);
        }
        state.direction[i] = static_cast<T>(sum[i - start]);
        state.gradient[i] = gradient[i];
        state.x[i] = moved(state.start ? state.start[i] : state.x[i], params.step, state.direction[i]);
      }
    }
  });
}

template <typename T>
void lbfgs_move(const LbfgsState<T>& state, double step, Stream stream) {
  parallel_ranges(stream, state.count, kRange, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) state.x[i] = moved(state.start[i], step, state.direction[i]);
  });
}

template int64_t lbfgs_workspace_bytes<float>(int, int64_t);
template int64_t lbfgs_workspace_bytes<double>(int, int64_t);
template void lbfgs_measure(GradientReport*, const float*, const LbfgsState<float>&,
                            const LbfgsMeasureParams&, void*, Stream);
template void lbfgs_measure(GradientReport*, const double*, const LbfgsState<double>&,
                            const LbfgsMeasureParams&, void*, Stream);
template void lbfgs_step(const LbfgsState<float>&, const float*, const LbfgsStepParams&, Stream);
template void lbfgs_step(const LbfgsState<double>&, const double*, const LbfgsStepParams&, Stream);
template void lbfgs_move(const LbfgsState<float>&, double, Stream);
template void lbfgs_move(const LbfgsState<double>&, double, Stream);

}  // namespace swag::cpu
