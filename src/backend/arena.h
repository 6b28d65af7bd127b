// One block of memory for everything an evaluation needs, its size known before it is allocated: first every
// piece is declared with the time it lives, then the pieces are placed, those that never live together on the
// same bytes.
#pragma once
#include <cstdint>
#include <vector>

#include "src/backend/backend.h"

namespace swag {

class ArenaPlan {
 public:
  static constexpr int kForever = 1 << 30;

  /// Declares a piece that is written first at step `first` and read last at step `last` (inclusive). Returns
  /// its id.
  int add(int64_t bytes, int first, int last);
  /// A piece that lives for the whole evaluation and from one to the next.
  int add_permanent(int64_t bytes) { return add(bytes, -1, kForever); }

  /// Makes a piece live until `last` at least.
  void extend(int id, int last);

  /// Places every piece, the largest first, each at the lowest free offset. Returns the bytes needed.
  int64_t place();

  int64_t offset(int id) const { return pieces_[id].offset; }
  int pieces() const { return static_cast<int>(pieces_.size()); }

 private:
  struct Piece {
    int64_t bytes, offset;
    int first, last;
  };
  std::vector<Piece> pieces_;
};

/// The placed memory.
class Arena {
 public:
  Arena() = default;
  Arena(Backend& backend, ArenaPlan& plan) : buffer_(backend, plan.place()) {
    for (int id = 0; id < plan.pieces(); ++id) offsets_.push_back(plan.offset(id));
  }
  template <typename T = void>
  T* at(int id) const {
    return reinterpret_cast<T*>(static_cast<char*>(buffer_.data()) + offsets_[id]);
  }
  int64_t bytes() const { return buffer_.bytes(); }

 private:
  Buffer buffer_;
  std::vector<int64_t> offsets_;  // by piece
};

}  // namespace swag
