// A view of a map (h, w, c) in a backend's memory. It owns nothing: memory is the backend's or the arena's.
#pragma once
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "kernels/dtype.h"

namespace swag {

template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kFloat64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kFloat32;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::kFloat16;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::kBFloat16;
};

struct Shape {
  int h = 0, w = 0, c = 0;
  int64_t pixels() const { return int64_t{h} * w; }
  int64_t count() const { return pixels() * c; }
  bool operator==(const Shape& o) const { return h == o.h && w == o.w && c == o.c; }
  bool operator!=(const Shape& o) const { return !(*this == o); }
};

struct Tensor {
  void* data = nullptr;
  DType dtype = DType::kFloat32;
  Shape shape;
  int64_t pitch = 0;  // elements from one pixel to the next, >= c: a slice of channels is a tensor too
  double scale = 1;   // what a stored 1 stands for, a power of two; 1 but for maps in DType::kFloat16

  Tensor() = default;
  Tensor(void* data, DType dtype, Shape shape) : data(data), dtype(dtype), shape(shape), pitch(shape.c) {}

  int64_t pixels() const { return shape.pixels(); }
  int64_t count() const { return shape.count(); }
  bool dense() const { return pitch == shape.c; }
  /// Another map of the same kind.
  Tensor like(void* memory, Shape other) const {
    Tensor result(memory, dtype, other);
    result.scale = scale;
    return result;
  }
  /// A map in TF32 is read as floats.
  template <typename T>
  T* as() const {
    assert(dtype == DTypeOf<T>::value || (dtype == DType::kTf32 && DTypeOf<T>::value == DType::kFloat32));
    return static_cast<T*>(data);
  }
};

}  // namespace swag
