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

namespace cuda {

// Arrays of pointers and coefficients are in host memory and are read before a call returns; the vectors, and
// results unless it says otherwise, are on the device. Pointers travel with the launch, so there is a most.
constexpr int kMaxDotVectors = 3840;          // lefts + rights of multi_dot
constexpr int kMaxCombinationVectors = 2020;  // of linear_combination

int64_t multi_dot_workspace_bytes(int lefts, int rights, int64_t count);

/// One launch over memory, one that adds up. Throws std::length_error beyond kMaxDotVectors.
void multi_dot(double* results,  // (lefts, rights), device
               const float* const* left, int lefts, const float* const* right, int rights,
               void* workspace,  // (multi_dot_workspace_bytes), aligned to 16 bytes
               int64_t count, Stream stream);
/// The same with results in host memory: waits for the stream.
void multi_dot_to_host(double* results, const float* const* left, int lefts, const float* const* right,
                       int rights, void* workspace, int64_t count, Stream stream);

/// One launch. Throws std::length_error beyond kMaxCombinationVectors.
void linear_combination(float* y, const double* coefficients, const float* const* vectors, int vectors_count,
                        int64_t count, Stream stream);
/// The same with coefficients on the device, where another kernel has left them.
void linear_combination_of_device_coefficients(float* y, const double* coefficients,
                                               const float* const* vectors, int vectors_count, int64_t count,
                                               Stream stream);

/// Bytes of scratch for vector_norms, whatever the count.
int64_t vector_norms_workspace_bytes();

void vector_norms(VectorNorms* norms,  // (1), device
                  const float* x,      // (count)
                  void* workspace,     // (vector_norms_workspace_bytes), aligned to 16 bytes
                  int64_t count, Stream stream);
/// The same with the result in host memory: waits for the stream.
VectorNorms vector_norms_to_host(const float* x, void* workspace, int64_t count, Stream stream);

}  // namespace cuda
}  // namespace swag
