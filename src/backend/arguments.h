// What every backend makes of tensors before it calls a kernel: what must hold of them (for asserts), and the
// kernels' parameter structs.
#pragma once
#include <cassert>

#include "kernels/add.h"
#include "kernels/batch_norm.h"
#include "kernels/concat.h"
#include "kernels/gather.h"
#include "kernels/gram.h"
#include "kernels/lbfgs/lbfgs.h"
#include "kernels/normalize.h"
#include "kernels/pad.h"
#include "kernels/pool2d.h"
#include "kernels/relu.h"
#include "kernels/resize.h"
#include "kernels/softmax.h"
#include "kernels/total_variation.h"
#include "src/backend/backend.h"

namespace swag {

inline bool same_arithmetic(const Tensor& a, const Tensor& b) {
  return arithmetic_of(a.dtype) == arithmetic_of(b.dtype);
}
inline bool same_map(const Tensor& a, const Tensor& b) {
  return same_arithmetic(a, b) && a.shape == b.shape && a.pitch >= a.shape.c && b.pitch >= b.shape.c;
}
inline bool same_dense(const Tensor& a, const Tensor& b) { return same_map(a, b) && a.dense() && b.dense(); }
inline bool is_picture(const Tensor& x) { return x.dense() && x.shape.c == 3; }
inline bool fits(const Tensor& y, const Tensor& x, const ResizeParams& params) {
  return x.dtype == y.dtype && x.dense() && y.dense() && x.count() == params.lines * params.in * params.c &&
         y.count() == params.lines * params.out * params.c;
}
inline bool fits(const Tensor& y, const Tensor& x, const Conv2dParams& params) {
  return same_arithmetic(x, y) && x.shape == Shape{params.h, params.w, params.layer.c_in} &&
         x.pitch == params.x_pitch && y.shape == Shape{params.h_out(), params.w_out(), params.layer.c_out} &&
         y.pitch == params.y_pitch;
}
inline bool fits(const Tensor& y, const Tensor& x, const Pool2dParams& params) {
  return same_arithmetic(x, y) && x.shape == Shape{params.h, params.w, params.c} &&
         x.pitch == params.x_pitch && y.shape == Shape{params.h_out(), params.w_out(), params.c} &&
         y.pitch == params.y_pitch && 2 * params.pad_h <= params.kh && 2 * params.pad_w <= params.kw &&
         params.kh * params.kw <= (params.behind_relu ? kNoPosition : 256);
}

inline ReluParams relu_params(const Tensor& x, const Tensor& y) {
  return {x.pixels(), x.shape.c, x.pitch, y.pitch};
}
inline BatchNormParams batch_norm_params(const Tensor& x, const Tensor& y) {
  return {x.pixels(), x.shape.c, x.pitch, y.pitch};
}
inline SoftmaxParams softmax_params(const Tensor& f, double temperature) {
  assert(f.dense() && f.count() > 0 && temperature > 0);
  return {f.pixels(), f.shape.c, temperature / f.scale};
}
inline GramParams gram_params(const Shape& shape, double scale = 1) {
  return {shape.pixels(), shape.c, scale};
}

inline AddParams add_params(const Tensor& y, const Tensor& a, const Tensor& b) {
  return {y.pixels(), y.shape.c, a.pitch, b.pitch, y.pitch};
}
inline CopyChannelsParams copy_channels_params(const Tensor& x, const Tensor& y) {
  return {y.pixels(), y.shape.c, x.pitch, y.pitch};
}
/// `some` has positions of `map`.
inline GatherParams gather_params(const Tensor& some, [[maybe_unused]] const Tensor& map) {
  assert(same_arithmetic(some, map) && some.dense() && map.dense());
  assert(some.shape.c == map.shape.c && some.pixels() <= map.pixels());
  return {some.pixels(), some.shape.c};
}
template <typename T>
LbfgsState<T> lbfgs_state(const LbfgsMemory& memory) {
  [[maybe_unused]] const Tensor& x = memory.x;
  assert(same_dense(x, memory.direction) && same_dense(x, memory.gradient) && same_dense(x, memory.history));
  assert(!memory.start.data || same_dense(x, memory.start));
  LbfgsState<T> state;
  state.x = memory.x.as<T>();
  state.start = memory.start.data ? memory.start.as<T>() : nullptr;
  state.direction = memory.direction.as<T>();
  state.gradient = memory.gradient.as<T>();
  state.history = memory.history.as<T>();
  state.stride = memory.stride;
  state.scalars = memory.scalars;
  state.count = memory.x.count();
  return state;
}

/// y is x with the same number of rows and columns on every side.
inline PadParams pad_params(const Tensor& y, const Tensor& x) {
  const PadParams params{x.shape.h, x.shape.w, x.shape.c, (y.shape.h - x.shape.h) / 2};
  assert(y.dtype == x.dtype && y.dense() && x.dense() && params.pad >= 0);
  assert((y.shape == Shape{params.h_out(), params.w_out(), x.shape.c}));
  return params;
}

inline TotalVariationParams total_variation_params(const Tensor& x) {
  return {x.shape.h, x.shape.w, x.shape.c};
}

}  // namespace swag
