#include "src/backend/arena.h"

#include <algorithm>
#include <numeric>

namespace swag {

namespace {
constexpr int64_t kAlignment = 256;
}

int ArenaPlan::add(int64_t bytes, int first, int last) {
  pieces_.push_back({(bytes + kAlignment - 1) / kAlignment * kAlignment, 0, first, last});
  return static_cast<int>(pieces_.size()) - 1;
}

void ArenaPlan::extend(int id, int last) { pieces_[id].last = std::max(pieces_[id].last, last); }

int64_t ArenaPlan::place() {
  std::vector<int> order(pieces_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return pieces_[a].bytes > pieces_[b].bytes; });

  int64_t total = 0;
  std::vector<const Piece*> placed;  // sorted by offset
  for (int id : order) {
    Piece& piece = pieces_[id];
    int64_t offset = 0;
    for (const Piece* other : placed) {
      if (other->last < piece.first || piece.last < other->first) continue;
      if (other->offset >= offset + piece.bytes) break;  // it fits into the gap below
      offset = std::max(offset, other->offset + other->bytes);
    }
    piece.offset = offset;
    total = std::max(total, offset + piece.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &piece,
                                   [](const Piece* a, const Piece* b) { return a->offset < b->offset; }),
                  &piece);
  }
  return total;
}

}  // namespace swag
