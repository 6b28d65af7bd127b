// The two-loop recursion of L-BFGS (Nocedal & Wright, algorithm 7.4) on coefficients.
//
// Every vector of the recursion is a combination of the basis b = (s_0 ... s_{h-1}, y_0 ... y_{h-1}, g), so
// it runs on the coefficients of that combination with the dot products of the basis alone, and the history
// need be read only twice per iteration: once for the new dot products, once to form the direction.
#pragma once
#include <vector>

namespace swag {

/// Which slots of the history are in use, and in what order.
class HistoryRing {
 public:
  explicit HistoryRing(int capacity) : capacity_(capacity) {}

  int capacity() const { return capacity_; }
  int size() const { return size_; }

  /// The slot of the pair with `age` pairs older than it, age < size(). The slots in use are 0 ... size() -
  /// 1.
  int slot(int age) const { return (oldest_ + age) % capacity_; }

  /// Takes a slot for a new pair, the oldest one's when the ring is full.
  int push();
  void clear() { size_ = oldest_ = 0; }

  // Positions in the basis.
  int s(int slot) const { return slot; }
  int y(int slot) const { return capacity_ + slot; }
  int g() const { return 2 * capacity_; }
  int basis() const { return 2 * capacity_ + 1; }

 private:
  int capacity_;
  int size_ = 0, oldest_ = 0;
};

/// Coefficients of the direction -H g; 0 for slots not in use. H starts from <s, y> / <y, y> of the newest
/// pair, from 1 without history: then the direction is -g. Every <s_i, y_i> must be positive.
void two_loop(double* coefficients,  // (basis)
              const double* dots,    // (basis, basis), symmetric; read where slots are in use
              const HistoryRing& ring);

}  // namespace swag
