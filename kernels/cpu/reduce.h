// Reductions for the CPU twins: the same bytes whatever the number of threads.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "kernels/cpu/thread_pool.h"
#include "kernels/vector.h"

namespace swag::cpu {

constexpr int64_t kReduceRanges = 256;     // at most: their results live on the stack
constexpr int64_t kReduceGrain = 1 << 13;  // at least, in elements

/// partial(begin, end) over ranges that depend on `count` alone, folded in their order:
/// combine(... combine(combine(identity, partial 0), partial 1) ...). An index stands for `weight` elements.
template <typename Result, typename Partial, typename Combine>
Result reduce_ranges(Stream stream, int64_t count, int64_t weight, Result identity, Partial&& partial,
                     Combine&& combine) {
  const int64_t least = std::max<int64_t>(1, kReduceGrain / std::max<int64_t>(1, weight));
  const int64_t grain = std::max(least, (count + kReduceRanges - 1) / kReduceRanges);
  std::array<Result, kReduceRanges> partials;
  parallel_ranges(stream, count, grain,
                  [&](int64_t begin, int64_t end) { partials[begin / grain] = partial(begin, end); });
  Result result = identity;
  for (int64_t begin = 0; begin < count; begin += grain) result = combine(result, partials[begin / grain]);
  return result;
}

/// The float64 sum of partial(begin, end).
template <typename Partial>
double reduce_sum(Stream stream, int64_t count, int64_t weight, Partial&& partial) {
  return reduce_ranges(stream, count, weight, 0.0, partial, [](double a, double b) { return a + b; });
}

/// The float64 sum of term(i) over [begin, end): eight interleaved sums, as one would wait for each addition.
template <typename Term>
inline double sum_terms(int64_t begin, int64_t end, Term&& term) {
  constexpr int kLanes = 8;
  double lanes[kLanes] = {};
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (int lane = 0; i < end; ++i, ++lane) lanes[lane] += term(i);
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

/// The float64 sum of term(i) over a dense [0, count).
template <typename Term>
double parallel_sum(Stream stream, int64_t count, Term&& term) {
  return reduce_sum(stream, count, 1,
                    [&](int64_t begin, int64_t end) { return sum_terms(begin, end, term); });
}

/// Two such sums in one pass.
template <typename First, typename Second>
std::array<double, 2> parallel_sums(Stream stream, int64_t count, First&& first, Second&& second) {
  using Pair = std::array<double, 2>;
  return reduce_ranges(
      stream, count, 1, Pair{},
      [&](int64_t begin, int64_t end) {
        // Piece by piece, so that the second sum finds in the cache what the first has read.
        constexpr int64_t kPiece = 1 << 11;
        Pair sums{};
        for (int64_t i = begin; i < end; i += kPiece) {
          const int64_t piece_end = std::min(end, i + kPiece);
          sums[0] += sum_terms(i, piece_end, first);
          sums[1] += sum_terms(i, piece_end, second);
        }
        return sums;
      },
      [](const Pair& a, const Pair& b) {
        return Pair{a[0] + b[0], a[1] + b[1]};
      });
}

/// The larger; NaN as soon as one of them is.
inline double larger(double a, double b) { return b > a || std::isnan(b) ? b : a; }

/// Sum and largest magnitude of elements [begin, end); NaN in both if one is not finite.
template <typename T>
VectorNorms range_norms(const T* x, int64_t begin, int64_t end) {
  constexpr int kLanes = 4;
  double sum[kLanes] = {}, largest[kLanes] = {}, probe[kLanes] = {};
  const auto add = [&](int64_t i, int lane) {
    const double value = static_cast<double>(x[i]), magnitude = std::abs(value);
    sum[lane] += magnitude;
    largest[lane] = largest[lane] < magnitude ? magnitude : largest[lane];
    probe[lane] += value - value;  // 0, or NaN for ever after an infinity or a NaN
  };
  int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
  }
  for (; i < end; ++i) add(i, 0);
  const double finite = (probe[0] + probe[1]) + (probe[2] + probe[3]);
  return {(sum[0] + sum[1]) + (sum[2] + sum[3]) + finite,
          std::max(std::max(largest[0], largest[1]), std::max(largest[2], largest[3])) + finite};
}

}  // namespace swag::cpu
