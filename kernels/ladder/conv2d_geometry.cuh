// What all convolutions of the ladder share: the layer's sizes as a kernel wants them, and where an element
// lies.
//
// A convolution is a matrix product, y = A W^T. Row p of A is what output pixel p sees: k = (i * kw + j) *
// c_in + c runs over kernel rows, kernel columns and channels. A is never stored: patch_offset finds A(p, k)
// in x. Both operands are contiguous in k.
#pragma once
#include "kernels/cuda/launch.cuh"
#include "kernels/ladder/ladder.h"

namespace swag::ladder {

// A float that sums thousands of products loses digits: every addition rounds to the size that the sum has by
// then. All steps sum pieces of about 32 products, and then the pieces.
constexpr int kPiece = 32;

struct Geometry {
  int h, w, c_in, h_out, w_out, c_out;
  int kh, kw, stride_h, stride_w, pad_h, pad_w;
  int pixels;  // h_out * w_out: rows of A
  int depth;   // kh * kw * c_in: columns of A
  int64_t x_pitch, y_pitch;
};

inline Geometry geometry_of(const Conv2dParams& p) {
  const Conv2dLayer& l = p.layer;
  const int h_out = p.h_out(), w_out = p.w_out();
  return {p.h,       p.w,        l.c_in,     h_out,   w_out,   l.c_out,       l.kh,
          l.kw,      l.stride_h, l.stride_w, l.pad_h, l.pad_w, h_out * w_out, l.kh * l.kw * l.c_in,
          p.x_pitch, p.y_pitch};
}

inline unsigned ceil_div(int64_t a, int64_t b) { return static_cast<unsigned>((a + b - 1) / b); }

/// No output pixel: the kernel is larger than the padded map.
inline bool is_empty(const Conv2dParams& p) {
  const Conv2dLayer& l = p.layer;
  return p.h <= 0 || p.w <= 0 || p.h + 2 * l.pad_h < l.kh || p.w + 2 * l.pad_w < l.kw;
}

/// Four channels from k on are one tap's and lie on 16 bytes, in x, weight and y.
inline bool takes_vectors(const float* y, const float* x, const float* weight, const Geometry& g) {
  const auto aligned = [](const float* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; };
  return g.c_in % 4 == 0 && g.x_pitch % 4 == 0 && g.y_pitch % 4 == 0 && aligned(y) && aligned(x) &&
         aligned(weight);
}

/// The upper left corner of the window of a pixel. Of no pixel: so far outside that nothing is read.
struct Window {
  int row, col;
};
__device__ __forceinline__ Window window_of(const Geometry& g, int pixel) {
  if (pixel >= g.pixels) return {-(1 << 29), 0};
  return {pixel / g.w_out * g.stride_h - g.pad_h, pixel % g.w_out * g.stride_w - g.pad_w};
}

/// Column k of A, taken apart.
struct Tap {
  int row, col, channel;
};
__device__ __forceinline__ Tap tap_of(const Geometry& g, int k) {
  const int tap = k / g.c_in;
  return {tap / g.kw, tap % g.kw, k - tap * g.c_in};
}

/// Where A(window, tap) lies in x, or -1 in the padding.
__device__ __forceinline__ int64_t patch_offset(const Geometry& g, const Window& window, const Tap& tap) {
  const int row = window.row + tap.row, col = window.col + tap.col;
  if (row < 0 || row >= g.h || col < 0 || col >= g.w) return -1;
  return (static_cast<int64_t>(row) * g.w + col) * g.x_pitch + tap.channel;
}

/// Ends a piece of a thread's sums.
template <int kRows, int kCols>
__device__ __forceinline__ void add_piece(float (&sum)[kRows][kCols], float (&piece)[kRows][kCols]) {
#pragma unroll
  for (int i = 0; i < kRows * kCols; ++i) {
    sum[i / kCols][i % kCols] += piece[i / kCols][i % kCols];
    piece[i / kCols][i % kCols] = 0;
  }
}

__device__ __forceinline__ float finish(float value, const Epilogue& epilogue, int channel) {
  if (epilogue.bias != nullptr) value += epilogue.bias[channel];
  return epilogue.relu && value < 0 ? 0.f : value;
}

}  // namespace swag::ladder
