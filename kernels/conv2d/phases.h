// The dense sums that a convolution is made of, along one axis: the same for every backend, sizes and indices
// only.
//
// Forward there is one. Backward-data with stride s is s sums, one per phase of the pixels of dx modulo s:
// nothing is multiplied by inserted zeros.
#pragma once
#include <algorithm>
#include <cstdint>

namespace swag::phases {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

/// One axis of a phase: output y_first + y_step * n, 0 <= n < count, is the sum over 0 <= t < taps of
/// input x_first + x_step * n + t times the kernel's element tap_first + tap_step * t.
struct Axis {
  int count = 0;
  int y_first = 0, y_step = 1;
  int x_first = 0, x_step = 1;
  int taps = 0, tap_first = 0, tap_step = 1;

  // Of a copy of the input, zero-padded: with one tap it leaves out what lies between two outputs.
  int strip_step() const { return taps == 1 ? 1 : x_step; }
  int copy_step() const { return taps == 1 ? x_step : 1; }
  int strip_extent(int outputs) const { return (outputs - 1) * strip_step() + std::max(taps, 1); }
  bool stays_inside(int extent) const {
    return x_first >= 0 && x_first + (count - 1) * x_step + taps <= extent;
  }
};

inline Axis forward_axis(int size, int kernel, int stride, int pad) {
  Axis axis;
  axis.count = (size + 2 * pad - kernel) / stride + 1;
  axis.x_first = -pad;
  axis.x_step = stride;
  axis.taps = kernel;
  return axis;
}

/// The pixels u = phase + stride * n of dx: those that the kernel's elements of one remainder modulo stride
/// reach, taken backwards. From u + pad = row * stride + element, element = remainder + stride * (taps - 1 -
/// t).
inline Axis backward_axis(int size, int kernel, int stride, int pad, int phase) {
  const int remainder = (phase + pad) % stride;
  Axis axis;
  axis.count = phase < size ? (size - 1 - phase) / stride + 1 : 0;
  axis.y_first = phase;
  axis.y_step = stride;
  axis.taps = remainder < kernel ? (kernel - 1 - remainder) / stride + 1 : 0;
  axis.x_first = (phase + pad) / stride - (axis.taps - 1);
  axis.tap_first = remainder + stride * (axis.taps - 1);
  axis.tap_step = -stride;
  return axis;
}

}  // namespace swag::phases
