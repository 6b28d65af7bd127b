// The squared Wasserstein-2 distance between two Gaussians that have the mean and the covariance of the
// features of an image and of a style, over positions:
//
//   W = |mu_x - mu_s|^2 + tr C_x + tr C_s - 2 tr (C_s^1/2 C_x C_s^1/2)^1/2
//
// with C = S^T S / m - mu mu^T, and epsilon, 1e-6 tr(C_s) / d or more, added to the diagonals of both: a map
// of fewer positions than channels then has a gradient. With the factor C_s = L L^T and the eigenvalues l and
// vectors U of L^T C_x L the last trace is the sum of sqrt(l), and P = L U l^-1/2 U^T L^T, the transport,
// carries one Gaussian into the other: P C_x P = C_s. So
//
//   dW / dS = 2 / m (S (I - P) + 1 offset^T),   offset = (mu_x - mu_s) - (I - P) mu_x
//
// which gram_backward of kernels/gram.h computes. See "Wasserstein Style Transfer" (Mroueh, 2019).
#pragma once
#include <cstdint>

#include "kernels/cpu/blas.h"
#include "kernels/gram.h"
#include "kernels/host_device.h"
#include "kernels/stream.h"

namespace swag {

/// More channels than this take seconds.
constexpr int kMostWassersteinChannels = 2048;

/// Whether moments_forward multiplies floats in float64: where there are fewer than four positions to a
/// channel, the rounding of float products would be larger than epsilon, and the gradient's directions along
/// which the features hardly vary would come from it.
inline bool has_few_positions(const GramParams& params) { return params.m < 4 * int64_t{params.d}; }

/// Of a style: doubles in the backend's memory, in this order.
struct WassersteinTarget {
  SWAG_HOST_DEVICE static int64_t factor(int /*d*/) {
    return 0;
  }  // (d, d): L, column by column; what is above it is 0
  SWAG_HOST_DEVICE static int64_t mean(int d) { return int64_t{d} * d; }
  SWAG_HOST_DEVICE static int64_t epsilon(int d) { return mean(d) + d; }
  SWAG_HOST_DEVICE static int64_t trace(int d) { return epsilon(d) + 1; }  // of C_s with epsilon
  SWAG_HOST_DEVICE static int64_t count(int d) { return trace(d) + 1; }
};

/// One tap's, of maps of T.
struct WassersteinProblem {
  double* loss = nullptr;          // (1): W
  double* inner = nullptr;         // (1): m / 2 <dW / dS, S>, see SoftmaxInner of kernels/softmax.h
  void* difference = nullptr;      // (d, d), of T: I - P
  double* offset = nullptr;        // (d)
  const double* gram = nullptr;    // (d, d): S^T S / m of the image
  const double* mean = nullptr;    // (d)
  const double* target = nullptr;  // (WassersteinTarget::count)
  void* workspace = nullptr;       // (wasserstein_workspace_bytes), aligned to 64 bytes
  int d = 0;
};

namespace cpu {

/// Bytes of scratch for moments_forward.
template <typename T>
int64_t moments_workspace_bytes(const GramParams& params, Stream stream);

/// The second moments S^T S / m and the means over positions; of few positions in float64 throughout.
template <typename T>
void moments_forward(double* gram,     // (d, d), full and symmetric
                     double* mean,     // (d)
                     const T* s,       // (m, d), dense
                     void* workspace,  // (moments_workspace_bytes), aligned to 64 bytes
                     const GramParams& params, Stream stream);

/// A style's target, once. Not for every evaluation: it takes memory of its own.
void wasserstein_prepare(double* target,      // (WassersteinTarget::count)
                         const double* gram,  // (d, d): S^T S / m of the style, or the mean of several
                         const double* mean,  // (d)
                         double least_epsilon, int d, const Blas& blas);

/// Bytes of scratch for a tap of d channels.
int64_t wasserstein_workspace_bytes(int d);

/// Loss and way back of several taps, each of which one thread computes. With float the eigenvalues of L^T C
/// L, of which half of the digits go, with double the singular values of L^T L_x, which take three times as
/// long. What is not finite gives a loss that is NaN.
template <typename T>
void wasserstein_forward(const WassersteinProblem* problems, int count, const Blas& blas, Stream stream);

}  // namespace cpu

namespace cuda {

/// Bytes of scratch for moments_forward.
int64_t moments_workspace_bytes(const GramParams& params);

template <typename S>
void moments_forward(double* gram,     // (d, d), full and symmetric, device
                     double* mean,     // (d)
                     const S* s,       // (m, d), dense; float or Float16
                     void* workspace,  // (moments_workspace_bytes), aligned to 256 bytes
                     const GramParams& params, Blas blas, Stream stream);

/// Bytes of scratch for a tap of d channels.
int64_t wasserstein_workspace_bytes(int d);

/// A stream, and the cuBLAS handle that works on it.
struct Lane {
  Blas blas;
  Stream stream;
};

/// By products of matrices alone. What is not finite makes all results NaN. Problems of one size are solved
/// together, the largest size on the first lane and the others on the lanes beside it, which wait neither for
/// what the first has queued nor the first for them: whoever calls sees to both. Two calls with the same
/// problems and as many lanes give the same bytes.
void wasserstein_forward(const WassersteinProblem* problems, int count, const Lane* lanes, int lane_count);

}  // namespace cuda
}  // namespace swag
