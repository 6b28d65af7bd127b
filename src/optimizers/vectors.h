// The memory of an optimiser: dense tensors of one shape and dtype, side by side in one allocation, and
// whatever scratch comes behind them.
#pragma once
#include <cassert>
#include <cstdint>

#include "src/backend/backend.h"

namespace swag {

inline int64_t vector_bytes(const Tensor& tensor) { return tensor.count() * size_of(tensor.dtype); }

inline bool same_kind(const Tensor& a, const Tensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.dense() && b.dense();
}

inline void copy_vector(Backend& backend, const Tensor& destination, const Tensor& source) {
  assert(same_kind(destination, source));
  if (destination.data != source.data) backend.copy(destination.data, source.data, vector_bytes(source));
}

class VectorStore {
 public:
  /// Bytes of a store of `count` vectors and scratch.
  static int64_t bytes(DType dtype, Shape shape, int count, int64_t scratch_bytes = 0) {
    return aligned(shape.count() * size_of(dtype)) * count + aligned(scratch_bytes);
  }

  /// Room for `count` vectors like `like`, and scratch. Throws Error(kMemory).
  VectorStore(Backend& backend, const Tensor& like, int count, int64_t scratch_bytes = 0)
      : like_(like),
        left_(count),
        buffer_(backend, bytes(like.dtype, like.shape, count, scratch_bytes)),
        next_(static_cast<char*>(buffer_.data())),
        scratch_(next_ + aligned(vector_bytes(like)) * count) {}

  /// The next one, not cleared.
  Tensor take() { return take_rows(1); }
  /// The next `rows` ones: the first of them, each stride() elements after the one before.
  Tensor take_rows(int rows) {
    assert(left_ >= rows);
    left_ -= rows;
    const Tensor vector(next_, like_.dtype, like_.shape);
    next_ += aligned(vector_bytes(like_)) * rows;
    return vector;
  }
  int64_t stride() const { return aligned(vector_bytes(like_)) / size_of(like_.dtype); }

  char* scratch() const { return scratch_; }

 private:
  static constexpr int64_t kAlignment = 64;
  static int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
  Tensor like_;
  int left_;
  Buffer buffer_;
  char *next_, *scratch_;
};

}  // namespace swag
