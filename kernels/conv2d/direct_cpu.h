// Conv2dAlgorithm::kDirect on the CPU: implicit GEMM on the map as it lies in memory. Internal to
// kernels/conv2d/: callers use kernels/conv2d/conv2d.h, where arguments and formulas are explained.
#pragma once
#include "kernels/conv2d/conv2d.h"

namespace swag::cpu {

/// Forward, and backward by the same routine: the gradient of a convolution with stride s is s * s
/// convolutions of dy with stride 1, each with the taps that reach its share of the pixels of dx.
template <typename T>
int64_t direct_packed_count(const Conv2dLayer& layer, Conv2dDirection direction);
template <typename T>
void direct_pack(T* packed, const T* weight, const Conv2dLayer& layer, Conv2dDirection direction,
                 Stream stream);
template <typename T>
int64_t direct_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction, Stream stream);
template <typename T>
void direct_forward(T* y, const T* x, const T* packed, const Conv2dForwardEpilogue<T>& epilogue,
                    const Conv2dParams& params, void* workspace, Stream stream);
template <typename T>
void direct_backward_data(T* dx, const T* dy, const T* packed, const Conv2dBackwardEpilogue<T>& epilogue,
                          const Conv2dParams& params, void* workspace, Stream stream);

/// Backward of a layer that reads a few channels only, an image as a rule: a panel of the micro-kernel would
/// be mostly empty, so the products of all taps are columns of one GEMM, and each pixel of dx gathers its
/// own.
bool gather_suits(const Conv2dLayer& layer);
template <typename T>
int64_t gather_packed_count(const Conv2dLayer& layer);
template <typename T>
void gather_pack(T* packed, const T* weight, const Conv2dLayer& layer, Stream stream);
template <typename T>
int64_t gather_workspace_bytes(const Conv2dParams& params, Stream stream);
template <typename T>
void gather_backward_data(T* dx, const T* dy, const T* packed, const Conv2dBackwardEpilogue<T>& epilogue,
                          const Conv2dParams& params, void* workspace, Stream stream);

}  // namespace swag::cpu
