// What the elements of a map are stored as.
#pragma once
#include <cstdint>

namespace swag {

enum class DType : uint8_t {
  kFloat64,
  kFloat32,
  kTf32,  // float32 whose low 13 bits are 0: what a tensor core reads of it is all there is
  kFloat16,
  kBFloat16
};

inline int64_t size_of(DType dtype) {
  return dtype == DType::kFloat64 ? 8 : dtype == DType::kFloat32 || dtype == DType::kTf32 ? 4 : 2;
}

/// What such elements are computed with, and stored as where digits count: pixels, losses, smoothed maps.
inline DType arithmetic_of(DType dtype) {
  return dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
}

/// An element of DType::kTf32. The CUDA twins of what computes are templates over T, the type that they
/// store: float, or this, which is rounded to (to nearest, ties away from zero). Whoever reads it reads a
/// float.
struct Tf32 {
  float value;
};

/// Elements of DType::kFloat16 and DType::kBFloat16, as their bits: read as floats, rounded to nearest even
/// when they are stored.
struct Float16 {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

}  // namespace swag
