// The vectors of an optimiser: dense tensors of one shape and dtype, side by side in one allocation.
#pragma once
#include <cassert>
#include <cstdint>

#include "src/backend.h"

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
  /// Room for `count` vectors like `like`. Throws Error(kMemory).
  VectorStore(Backend& backend, const Tensor& like, int count)
      : like_(like),
        left_(count),
        stride_((vector_bytes(like) + kAlignment - 1) / kAlignment * kAlignment),
        buffer_(backend, stride_ * count),
        next_(static_cast<char*>(buffer_.data())) {}

  /// The next one, not cleared.
  Tensor take() {
    assert(left_ > 0);
    --left_;
    const Tensor vector(next_, like_.dtype, like_.shape);
    next_ += stride_;
    return vector;
  }

 private:
  static constexpr int64_t kAlignment = 64;
  Tensor like_;
  int left_;
  int64_t stride_;
  Buffer buffer_;
  char* next_;
};

}  // namespace swag
