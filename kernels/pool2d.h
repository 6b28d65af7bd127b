// Max and average pooling. torch: F.max_pool2d, F.avg_pool2d (count_include_pad as given, no divisor
// override).
//
// Max: padding never wins; of equal values the first in scan order (row, then column) is the maximum; NaN
// wins. Its position is one byte, row * kw + col in the unclipped window, at output pixel * c + channel; or,
// of what is behind a ReLU, kNoPosition where the maximum is not positive: the ReLU lets no gradient through
// there, and with this needs no mask of its own.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

constexpr uint8_t kNoPosition = 0xff;

struct Pool2dParams {
  int h = 0, w = 0, c = 0;
  int kh = 2, kw = 2;
  int stride_h = 2, stride_w = 2;
  int pad_h = 0, pad_w = 0;
  bool ceil_mode = false;  // torch's: the last window may stick out, but must start inside map or padding
  bool count_include_pad = true;  // average only
  bool behind_relu = false;       // max only, forward; for windows of at most 255
  int64_t x_pitch = 0, y_pitch = 0;

  int h_out() const { return extent(h, kh, stride_h, pad_h); }
  int w_out() const { return extent(w, kw, stride_w, pad_w); }

 private:
  int extent(int size, int kernel, int stride, int pad) const {
    const int span = size + 2 * pad - kernel;
    int out = (ceil_mode ? (span + stride - 1) / stride : span / stride) + 1;
    if (ceil_mode && (out - 1) * stride >= size + pad) --out;
    return out;
  }
};

namespace cpu {

template <typename T>
void max_pool2d_forward(T* y,               // (h_out, w_out, c), pitch y_pitch
                        uint8_t* position,  // (h_out, w_out, c), or null
                        const T* x,         // (h, w, c), pitch x_pitch
                        const Pool2dParams& params, Stream stream);

/// Every dx is written: the sum of the dy whose maximum it was, 0 where there is none.
template <typename T>
void max_pool2d_backward(T* dx,                    // (h, w, c), pitch x_pitch
                         const T* dy,              // (h_out, w_out, c), pitch y_pitch
                         const uint8_t* position,  // (h_out, w_out, c)
                         const Pool2dParams& params, Stream stream);

template <typename T>
void avg_pool2d_forward(T* y,        // (h_out, w_out, c), pitch y_pitch
                        const T* x,  // (h, w, c), pitch x_pitch
                        const Pool2dParams& params, Stream stream);

template <typename T>
void avg_pool2d_backward(T* dx,        // (h, w, c), pitch x_pitch; every element is written
                         const T* dy,  // (h_out, w_out, c), pitch y_pitch
                         const Pool2dParams& params, Stream stream);

}  // namespace cpu

namespace cuda {

template <typename T>
void max_pool2d_forward(T* y, uint8_t* position, const T* x, const Pool2dParams& params, Stream stream);
template <typename T>
void max_pool2d_backward(T* dx, const T* dy, const uint8_t* position, const Pool2dParams& params,
                         Stream stream);
template <typename T>
void avg_pool2d_forward(T* y, const T* x, const Pool2dParams& params, Stream stream);
template <typename T>
void avg_pool2d_backward(T* dx, const T* dy, const Pool2dParams& params, Stream stream);

}  // namespace cuda
}  // namespace swag
