// Vector algebra of the optimisers. L-BFGS reads its history twice per iteration, whatever its length: one
// pass of dot products (multi_dot), one linear combination; the two-loop recursion itself runs on the
// coefficients. Sums are float64 over fixed ranges: the same bytes whatever the number of threads.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

/// The sum and the largest of the magnitudes.
struct VectorNorms {
  double sum_abs = 0, max_abs = 0;
};

namespace cpu {

/// results(i, j) = <left(i), right(j)>, one pass over memory.
template <typename T>
void multi_dot(double* results,       // (lefts, rights)
               const T* const* left,  // `lefts` vectors of (count)
               int lefts,
               const T* const* right,  // `rights` vectors of (count)
               int rights, int64_t count, Stream stream);

/// y = sum over i of coefficients(i) * vectors(i). y may equal any of the vectors.
template <typename T>
void linear_combination(T* y,                        // (count)
                        const double* coefficients,  // (vectors_count)
                        const T* const* vectors,     // `vectors_count` vectors of (count)
                        int vectors_count, int64_t count, Stream stream);

/// Both are NaN as soon as one element is not finite.
template <typename T>
VectorNorms vector_norms(const T* x,  // (count)
                         int64_t count, Stream stream);

}  // namespace cpu
}  // namespace swag
