// Convolution of a (h, w, c_in) map, forward and backward to the map. torch: F.conv2d(x, weight, bias,
// stride, padding).
//
//   z(r, q, o) = bias(o) + sum_{i, j, k} x(r * stride_h + i - pad_h, q * stride_w + j - pad_w, k) * weight(o,
//   i, j, k) y          = relu ? max(z + residual, 0) : z + residual
//
// Outside the map x is 0. Dilation and groups are 1. There is no weight gradient: pixels are the only
// parameters. A convolution is prepared once per network: `conv2d_pack` turns the weight into the form its
// algorithm reads.
#pragma once
#include <cstdint>

#include "kernels/dtype.h"
#include "kernels/stream.h"
#include "kernels/tensor_units.h"

namespace swag {

enum class Conv2dAlgorithm : uint8_t {
  kAuto,      // the rule of conv2d_choose
  kDirect,    // the definition's sum: implicit GEMM on the map as it lies in memory, no im2col buffer
  kWinograd,  // F(4x4, 3x3): a quarter of the products, three to four times the rounding error (docs/cpu.md).
              // A layer that is not 3x3 with stride 1, and double precision, are computed as with kDirect.
  kPlain,     // on a GPU: one thread per output, for readers and tests. On the CPU it means kDirect.
  kTensorCores,  // on a GPU that has them, of maps stored as they read them: an implicit GEMM too. Only
                 // where conv2d_choose says so: channels are multiples of 64.
};

enum class Conv2dDirection : uint8_t { kForward, kBackwardData };

/// A convolution whatever the size of the map. Kernels may be oblong (Inception's 1x7).
struct Conv2dLayer {
  int c_in = 0, c_out = 0;
  int kh = 1, kw = 1;
  int stride_h = 1, stride_w = 1;
  int pad_h = 0, pad_w = 0;

  int64_t weight_count() const { return int64_t{c_out} * kh * kw * c_in; }
};

/// The layer on a map of h x w pixels. Pitches are elements from one pixel to the next (>= channels), so that
/// a tensor can be a slice of channels of a wider one.
struct Conv2dParams {
  Conv2dLayer layer;
  Conv2dAlgorithm algorithm = Conv2dAlgorithm::kDirect;
  int h = 0, w = 0;
  int64_t x_pitch = 0, y_pitch = 0;                          // also of dx and dy
  DType x_type = DType::kFloat32, y_type = DType::kFloat32;  // on a GPU, also of dx and dy

  int h_out() const { return (h + 2 * layer.pad_h - layer.kh) / layer.stride_h + 1; }
  int w_out() const { return (w + 2 * layer.pad_w - layer.kw) / layer.stride_w + 1; }
};

/// What happens to a forward result on its way to memory. Null pointers are left out. T is void on a GPU:
/// there the bias is float, and the residual is stored as y is.
template <typename T>
struct Conv2dForwardEpilogue {
  const T* bias = nullptr;        // (c_out)
  const T* residual = nullptr;    // (h_out, w_out, c_out), pitch y_pitch; may equal y
  bool relu = false;              // lets NaN through
  uint32_t* mask = nullptr;       // (h_out, w_out, mask_words(c_out)), see kernels/mask.h; only with relu
  const float* factor = nullptr;  // (1), of the sum before anything is added; on a GPU
};

/// dx = (W^T dy + addend) * mask, in this order.
template <typename T>
struct Conv2dBackwardEpilogue {
  const T* addend = nullptr;  // (h, w, c_in), pitch x_pitch; may equal dx: other gradients of the same map
  const uint32_t* mask = nullptr;  // (h, w, mask_words(c_in)): the signs of the ReLU that made x
};

namespace cpu {

/// The algorithm that kAuto means for this layer, by its shape alone.
Conv2dAlgorithm conv2d_choose(const Conv2dLayer& layer, Conv2dDirection direction, bool double_precision);

/// Elements of T that the packed weight takes. `algorithm` is not kAuto, here and below.
template <typename T>
int64_t conv2d_packed_count(const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction);

template <typename T>
void conv2d_pack(T* packed,        // (conv2d_packed_count), aligned to 64 bytes
                 const T* weight,  // (c_out, kh, kw, c_in)
                 const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction,
                 Stream stream);

/// Bytes of scratch for one call, for the threads of `stream`.
template <typename T>
int64_t conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction, Stream stream);

template <typename T>
void conv2d_forward(T* y,             // (h_out, w_out, c_out), pitch y_pitch
                    const T* x,       // (h, w, c_in), pitch x_pitch; y may not overlap x
                    const T* packed,  // conv2d_pack(..., kForward)
                    const Conv2dForwardEpilogue<T>& epilogue, const Conv2dParams& params,
                    void* workspace,  // (conv2d_workspace_bytes), aligned to 64 bytes
                    Stream stream);

template <typename T>
void conv2d_backward_data(T* dx,            // (h, w, c_in), pitch x_pitch; pixels that no window reads get 0
                          const T* dy,      // (h_out, w_out, c_out), pitch y_pitch
                          const T* packed,  // conv2d_pack(..., kBackwardData)
                          const Conv2dBackwardEpilogue<T>& epilogue, const Conv2dParams& params,
                          void* workspace,  // (conv2d_workspace_bytes), aligned to 64 bytes
                          Stream stream);

}  // namespace cpu

// The same on a GPU, of maps stored as x_type and y_type: pointers are device memory, aligned to 16 bytes for
// speed, and nothing waits. kDirect is an implicit GEMM; kPlain one thread per output, for readers and tests:
// both compute in float. Which kernel and which tiles a shape gets does not depend on the GPU, so neither do
// the results; kTensorCores takes its tiles by the GPU, and those of different generations add differently.
// kWinograd means kDirect here.
namespace cuda {

/// `operand`: what the map that is read is stored as, here and below.
Conv2dAlgorithm conv2d_choose(const Conv2dLayer& layer, DType operand, const TensorUnits& units);
/// kTensorCores has weights of the operand's type, the others float.
int64_t conv2d_packed_bytes(const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction,
                            DType operand);
/// Every weight times `factor` and, for kTensorCores, the number at `range` in device memory.
void conv2d_pack(void* packed, const float* weight, const Conv2dLayer& layer, Conv2dAlgorithm algorithm,
                 Conv2dDirection direction, DType operand, Stream stream, float factor = 1,
                 const float* range = nullptr);
int64_t conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction,
                               const TensorUnits& units = {});
void conv2d_forward(void* y, const void* x, const void* packed, const Conv2dForwardEpilogue<void>& epilogue,
                    const Conv2dParams& params, void* workspace, Stream stream,
                    const TensorUnits& units = {});
void conv2d_backward_data(void* dx, const void* dy, const void* packed,
                          const Conv2dBackwardEpilogue<void>& epilogue, const Conv2dParams& params,
                          void* workspace, Stream stream, const TensorUnits& units = {});

}  // namespace cuda
}  // namespace swag
