#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/thread_pool.h"
#include "kernels/vector.h"

namespace swag::cpu {
namespace {

// A range is what one task works on. Sums of ranges are added in order: the number of threads does not show.
constexpr int64_t kRange = 1 << 14;
// Elements taken at once: a block of every left vector, widened to double, stays in the first-level cache.
constexpr int kBlock = 512;
// Independent partial sums of one dot product: the compiler may not reorder a sum itself.
constexpr int kLanes = 4;
// Left vectors that meet one load of a right vector; L-BFGS brings three (s, y and the gradient).
constexpr int kLeftGroup = 3;
// Vectors that meet one load and store of a linear combination's sum.
constexpr int kVectorGroup = 4;

using LeftBlock = double[kLeftGroup][kBlock];

/// Two lanes side by side in one register, which GCC does not find on its own here.
using Pair = double __attribute__((vector_size(2 * sizeof(double))));

template <typename T>
Pair load_pair(const T* values) {
  return Pair{static_cast<double>(values[0]), static_cast<double>(values[1])};
}

/// sums(l * stride) += <left(l), right> over `count` <= kBlock elements.
template <int kLefts, typename T>
void add_block_dots(double* sums, int64_t stride, const LeftBlock& left, const T* right, int count) {
  Pair even[kLefts] = {}, odd[kLefts] = {};
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Pair first = load_pair(right + i), second = load_pair(right + i + 2);
    for (int l = 0; l < kLefts; ++l) {
      even[l] += load_pair(left[l] + i) * first;
      odd[l] += load_pair(left[l] + i + 2) * second;
    }
  }
  for (; i < count; ++i) {
    for (int l = 0; l < kLefts; ++l) even[l][0] += left[l][i] * static_cast<double>(right[i]);
  }
  for (int l = 0; l < kLefts; ++l) {
    const Pair both = even[l] + odd[l];
    sums[l * stride] += both[0] + both[1];
  }
}

/// The dot products over elements [begin, end), block by block: a block of right vectors is read from memory
/// once and stays in the cache for the other groups of left vectors.
template <typename T>
void range_dots(double* sums, const T* const* left, int lefts, const T* const* right, int rights,
                int64_t begin, int64_t end) {
  LeftBlock widened;
  for (int64_t start = begin; start < end; start += kBlock) {
    const int count = static_cast<int>(std::min<int64_t>(kBlock, end - start));
    for (int first = 0; first < lefts; first += kLeftGroup) {
      const int group = std::min(kLeftGroup, lefts - first);
      for (int l = 0; l < group; ++l) std::copy_n(left[first + l] + start, count, widened[l]);
      for (int j = 0; j < rights; ++j) {
        double* sum = sums + int64_t{first} * rights + j;
        const T* block = right[j] + start;
        if (group == 3) add_block_dots<3>(sum, rights, widened, block, count);
        if (group == 2) add_block_dots<2>(sum, rights, widened, block, count);
        if (group == 1) add_block_dots<1>(sum, rights, widened, block, count);
      }
    }
  }
}

/// sum += the `kVectors` vectors times their coefficients.
template <int kVectors, typename T>
void add_combination(double* sum, const double* coefficients, const T* const* vectors, int64_t start,
                     int count) {
  for (int i = 0; i < count; ++i) {
    double value = sum[i];
    for (int k = 0; k < kVectors; ++k) value += coefficients[k] * static_cast<double>(vectors[k][start + i]);
    sum[i] = value;
  }
}

template <typename T>
void combine_block(T* y, const double* coefficients, const T* const* vectors, int vectors_count,
                   int64_t start, int count) {
  double sum[kBlock] = {};  // y is written last, so it may be one of the vectors
  int k = 0;
  for (; k + kVectorGroup <= vectors_count; k += kVectorGroup) {
    add_combination<kVectorGroup>(sum, coefficients + k, vectors + k, start, count);
  }
  for (; k < vectors_count; ++k) add_combination<1>(sum, coefficients + k, vectors + k, start, count);
  for (int i = 0; i < count; ++i) y[start + i] = static_cast<T>(sum[i]);
}

/// Sum and largest magnitude of elements [begin, end); NaN in both if one is not finite.
template <typename T>
VectorNorms range_norms(const T* x, int64_t begin, int64_t end) {
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

}  // namespace

template <typename T>
void multi_dot(double* results, const T* const* left, int lefts, const T* const* right, int rights,
               int64_t count, Stream stream) {
  const int64_t pairs = int64_t{lefts} * rights;
  std::fill_n(results, pairs, 0.0);
  const int64_t ranges = (count + kRange - 1) / kRange;
  std::vector<double> partial(static_cast<size_t>(ranges * pairs), 0.0);
  parallel_ranges(stream, count, kRange, [&](int64_t begin, int64_t end) {
    range_dots(partial.data() + begin / kRange * pairs, left, lefts, right, rights, begin, end);
  });
  for (int64_t range = 0; range < ranges; ++range) {
    for (int64_t k = 0; k < pairs; ++k) results[k] += partial[static_cast<size_t>(range * pairs + k)];
  }
}

template <typename T>
void linear_combination(T* y, const double* coefficients, const T* const* vectors, int vectors_count,
                        int64_t count, Stream stream) {
  parallel_ranges(stream, count, kRange, [&](int64_t begin, int64_t end) {
    for (int64_t start = begin; start < end; start += kBlock) {
      const int block = static_cast<int>(std::min<int64_t>(kBlock, end - start));
      combine_block(y, coefficients, vectors, vectors_count, start, block);
    }
  });
}

template <typename T>
VectorNorms vector_norms(const T* x, int64_t count, Stream stream) {
  std::vector<VectorNorms> partial(static_cast<size_t>((count + kRange - 1) / kRange));
  parallel_ranges(stream, count, kRange, [&](int64_t begin, int64_t end) {
    partial[static_cast<size_t>(begin / kRange)] = range_norms(x, begin, end);
  });
  VectorNorms norms;
  for (const VectorNorms& range : partial) {
    norms.sum_abs += range.sum_abs;
    norms.max_abs = range.max_abs < norms.max_abs ? norms.max_abs : range.max_abs;
    if (std::isnan(range.max_abs)) return range;
  }
  return norms;
}

template void multi_dot(double*, const float* const*, int, const float* const*, int, int64_t, Stream);
template void multi_dot(double*, const double* const*, int, const double* const*, int, int64_t, Stream);
template void linear_combination(float*, const double*, const float* const*, int, int64_t, Stream);
template void linear_combination(double*, const double*, const double* const*, int, int64_t, Stream);
template VectorNorms vector_norms(const float*, int64_t, Stream);
template VectorNorms vector_norms(const double*, int64_t, Stream);

}  // namespace swag::cpu
