// Padding by repeating the edge. torch: F.pad(x, (pad,) * 4, mode="replicate"), and its backward.
#pragma once
#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/stream.h"

namespace swag {

struct PadParams {
  int h = 0, w = 0, c = 0;  // of x
  int pad = 0;              // rows and columns on every side

  SWAG_HOST_DEVICE int h_out() const { return h + 2 * pad; }
  SWAG_HOST_DEVICE int w_out() const { return w + 2 * pad; }
};

/// The rows or columns [begin, end) of y that are copies of row or column `in` of x.
struct PadCopies {
  SWAG_HOST_DEVICE PadCopies(int in, int size, int pad)
      : begin(in == 0 ? 0 : in + pad), end(in + 1 == size ? size + 2 * pad : in + pad + 1) {}
  int begin, end;
};

namespace cpu {

template <typename T>
void pad_replicate_forward(T* y,        // (h_out, w_out, c), dense
                           const T* x,  // (h, w, c), dense
                           const PadParams& params, Stream stream);

/// An element at the edge takes the sum over all its copies.
template <typename T>
void pad_replicate_backward(T* dx,        // (h, w, c), dense; every element is written
                            const T* dy,  // (h_out, w_out, c), dense
                            const PadParams& params, Stream stream);

}  // namespace cpu

namespace cuda {

void pad_replicate_forward(float* y, const float* x, const PadParams& params, Stream stream);
void pad_replicate_backward(float* dx, const float* dy, const PadParams& params, Stream stream);

}  // namespace cuda
}  // namespace swag
