// Gram matrix per position A = S^T S / m, eq. (1), and the style loss's way back through it.
// Products accumulate in the precision of S over at most a few thousand positions, their sums in float64.
#pragma once
#include <cstdint>

#include "kernels/dtype.h"
#include "kernels/stream.h"
#include "kernels/tensor_units.h"

namespace swag {

struct GramParams {
  int64_t m = 0;     // positions
  int d = 0;         // channels
  double scale = 1;  // of S on a GPU: what a stored 1 stands for, a power of two
};

namespace cpu {

/// Bytes of scratch for gram_forward and gram_backward.
template <typename T>
int64_t gram_workspace_bytes(const GramParams& params, Stream stream);

template <typename T>
void gram_forward(double* a,        // (d, d), full and symmetric
                  const T* s,       // (m, d), dense
                  void* workspace,  // (gram_workspace_bytes), aligned to 64 bytes
                  const GramParams& params, Stream stream);

/// loss = sum (a - target)^2 and difference = a - target.
template <typename T>
void gram_difference(double* loss,     // (1)
                     double* inner,    // (1): sum (a - target) * a, see SoftmaxInner of kernels/softmax.h
                     T* difference,    // (d, d)
                     const double* a,  // (d, d)
                     const double* target,  // (d, d)
                     int d, Stream stream);

/// ds = factor * (S * difference + 1 offset^T) (+ ds, when accumulate). With factor = 4 k / m and no offset
/// it is the gradient of k * ||A - target||_F^2, because A - target is symmetric.
template <typename T>
void gram_backward(T* ds,                 // (m, d), dense
                   const T* s,            // (m, d), dense; ds may not overlap it
                   const T* difference,   // (d, d)
                   const double* offset,  // (d), or null
                   double factor, bool accumulate, void* workspace, const GramParams& params, Stream stream);

}  // namespace cpu

namespace cuda {

/// A cublasHandle_t, without naming the toolkit. Whoever made it has set its stream to the one given beside
/// it (setting a stream resets cuBLAS's workspace, so it is not done here) and left its math mode alone,
/// which is float32 without TF32.
struct Blas {
  void* handle = nullptr;
};

/// Bytes of scratch for gram_forward: bounded, whatever m is.
int64_t gram_workspace_bytes(const GramParams& params);

template <typename S>
void gram_forward(double* a,        // (d, d), device
                  const S* s,       // (m, d), dense; float or Float16
                  void* workspace,  // (gram_workspace_bytes), aligned to 256 bytes
                  const GramParams& params, Blas blas, Stream stream);

/// Bytes of scratch for gram_difference, whatever d is.
int64_t gram_difference_workspace_bytes();

void gram_difference(double* loss,          // (1), device
                     double* inner,         // (1), device: sum (a - target) * a
                     float* difference,     // (d, d)
                     const double* a,       // (d, d)
                     const double* target,  // (d, d)
                     void* workspace,       // (gram_difference_workspace_bytes), aligned to 16 bytes
                     int d, Stream stream);

void gram_backward(float* ds, const float* s, const float* difference, const double* offset, double factor,
                   bool accumulate, const GramParams& params, Blas blas, Stream stream);

// On tensor cores, of maps in TF32 or Float16: sums of exact products. Splits are those of the GPU. The way
// back is a convolution of 1 x 1 (src/backend/cuda_gram.h).

/// Whether they can: d is a multiple of 64.
bool gram_tensor_suits(int d, const TensorUnits& units);

/// Bytes of scratch for gram_forward.
int64_t gram_workspace_bytes(const GramParams& params, const TensorUnits& units);
template <typename S>
void gram_forward(double* a, const S* s, void* workspace, const GramParams& params, const TensorUnits& units,
                  Stream stream);

/// bias = factor * offset, which is what the way back adds to every position.
void gram_bias(float* bias,           // (d)
               const double* offset,  // (d)
               double factor, int d, Stream stream);

/// Makes a difference fit for 16 bits: the power of two that brings its largest element just below 2^10, and
/// `factor` over it, which then belongs to the sums.
int64_t gram_range_count();
void gram_range(float* range,             // (gram_range_count): the power of two, factor / it, scratch
                const float* difference,  // (d, d)
                double factor, int d, const TensorUnits& units, Stream stream);

}  // namespace cuda
}  // namespace swag
