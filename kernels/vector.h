// The norms of a vector by which an optimiser tells whether it has converged or diverged. Sums are float64
// over fixed ranges: the same bytes whatever the number of threads.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

/// The sum and the largest of the magnitudes.
struct VectorNorms {
  double sum_abs = 0, max_abs = 0;
};

namespace cpu {

/// Both are NaN as soon as one element is not finite.
template <typename T>
void vector_norms(VectorNorms* norms,  // (1)
                  const T* x,          // (count)
                  int64_t count, Stream stream);

}  // namespace cpu

namespace cuda {

/// Bytes of scratch for vector_norms, whatever the count.
int64_t vector_norms_workspace_bytes();

void vector_norms(VectorNorms* norms,  // (1), device
                  const float* x,      // (count)
                  void* workspace,     // (vector_norms_workspace_bytes), aligned to 16 bytes
                  int64_t count, Stream stream);

}  // namespace cuda
}  // namespace swag
