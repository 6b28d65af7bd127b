// The two-loop recursion of L-BFGS (Nocedal & Wright, algorithm 7.4) on coefficients, for host and device.
//
// Every vector of the recursion is a combination of s_0 ... s_{m-1}, y_0 ... y_{m-1} (the history, m its
// capacity), s, y, g' (the trial: its pair and its gradient). So it runs on the coefficients with the dot
// products of these vectors alone, and the history need be read only twice per iteration: once for the
// trial's dot products, once to form the direction. A vector's number in that list is its position.
//
// Where the textbook takes dot products with the changing vector q, p(e) = <vector e, q> is kept up to date
// instead: a step is then one multiply-add for each e, side by side, and no sum.
#pragma once
#include "kernels/host_device.h"

namespace swag {

/// Which slots of the history are in use, and in what order.
class HistoryRing {
 public:
  HistoryRing() = default;
  explicit HistoryRing(int capacity) : capacity_(capacity) {}

  SWAG_HOST_DEVICE int capacity() const { return capacity_; }
  SWAG_HOST_DEVICE int size() const { return size_; }
  SWAG_HOST_DEVICE bool full() const { return size_ == capacity_; }

  /// The slot of the pair with `age` pairs older than it, age < size(). The slots in use are 0 ... size() -
  /// 1.
  SWAG_HOST_DEVICE int slot(int age) const { return (oldest_ + age) % capacity_; }

  /// The slot that push() takes for a new pair: the oldest one's when the ring is full.
  SWAG_HOST_DEVICE int next() const { return full() ? oldest_ : size_; }
  int push() {
    const int slot = next();
    if (full()) {
      oldest_ = (oldest_ + 1) % capacity_;
    } else {
      ++size_;
    }
    return slot;
  }
  void clear() { size_ = oldest_ = 0; }

  // Positions.
  SWAG_HOST_DEVICE int s(int slot) const { return slot; }
  SWAG_HOST_DEVICE int y(int slot) const { return capacity_ + slot; }
  SWAG_HOST_DEVICE int trial_s() const { return 2 * capacity_; }
  SWAG_HOST_DEVICE int trial_y() const { return 2 * capacity_ + 1; }
  SWAG_HOST_DEVICE int g() const { return 2 * capacity_ + 2; }
  SWAG_HOST_DEVICE int positions() const { return 2 * capacity_ + 3; }

 private:
  int capacity_ = 0;
  int size_ = 0, oldest_ = 0;
};

/// Dot products by position: lanes take them along a row, with `b` their own. Those of an s with an s are
/// never asked for.
struct LbfgsDots {
  const double* history;  // (2 capacity, 2 capacity), symmetric
  const double* trial;    // (3, 2 capacity + 3): of s, y and g' with every position
  int capacity;

  SWAG_HOST_DEVICE double operator()(int a, int b) const {
    const int first = 2 * capacity;
    if (a >= first) return trial[(a - first) * (first + 3) + b];
    if (b >= first) return trial[(b - first) * (first + 3) + a];
    return history[a * first + b];
  }
};

/// The pairs of one recursion, oldest first: the history's, and the trial's when it is kept, for which a full
/// history gives up its oldest.
struct LbfgsPairs {
  HistoryRing ring;
  bool keeps_trial = false;

  SWAG_HOST_DEVICE int dropped() const { return keeps_trial && ring.full() ? 1 : 0; }
  SWAG_HOST_DEVICE int count() const { return ring.size() - dropped() + (keeps_trial ? 1 : 0); }
  SWAG_HOST_DEVICE bool is_trial(int age) const { return keeps_trial && age == count() - 1; }
  SWAG_HOST_DEVICE int s(int age) const {
    return is_trial(age) ? ring.trial_s() : ring.s(ring.slot(dropped() + age));
  }
  SWAG_HOST_DEVICE int y(int age) const {
    return is_trial(age) ? ring.trial_y() : ring.y(ring.slot(dropped() + age));
  }
};

/// Workers of which there is one: the host. A device's warp has the same three functions.
struct OneLane {
  /// body(i) for i in [first, last), each by one lane.
  template <typename Body>
  SWAG_HOST_DEVICE void each(int first, int last, Body&& body) const {
    for (int i = first; i < last; ++i) body(i);
  }
  /// What a lane wrote before it, all lanes see after it.
  SWAG_HOST_DEVICE void meet() const {}
  SWAG_HOST_DEVICE bool leads() const { return true; }
};

/// Doubles of scratch for lbfgs_recursion.
SWAG_HOST_DEVICE inline int lbfgs_recursion_scratch(int capacity) { return 3 * capacity + 1; }

/// Coefficients of the direction d = -H g', of the pairs' positions and g's alone. H starts from <s, y> / <y,
/// y> of the newest pair, from 1 without pairs: then d = -g'. Every <s_i, y_i> must be positive. Returns <d,
/// g'>.
template <typename Lanes>
SWAG_HOST_DEVICE double lbfgs_recursion(double* coefficients,  // (2 capacity + 3)
                                        double* scratch,       // (lbfgs_recursion_scratch(capacity))
                                        const LbfgsDots& dots, const LbfgsPairs& pairs, const Lanes& lanes) {
  const int n = pairs.count(), g = pairs.ring.g();
  double* p = scratch;  // with s of age 0 ... n - 1, y of age 0 ... n - 1, g'
  double* alpha = scratch + 2 * n + 1;
  const auto position = [&](int e) { return e < n ? pairs.s(e) : e < 2 * n ? pairs.y(e - n) : g; };
  lanes.each(0, 2 * n + 1, [&](int e) { p[e] = -dots(g, position(e)); });
  lanes.meet();

  for (int age = n - 1; age >= 0; --age) {
    const int y = pairs.y(age);
    const double share = p[age] / dots(pairs.s(age), y);
    lanes.each(0, age, [&](int e) { p[e] -= share * dots(y, position(e)); });
    lanes.each(n, 2 * n + 1, [&](int e) { p[e] -= share * dots(y, position(e)); });
    if (lanes.leads()) alpha[age] = share;
    lanes.meet();
  }

  double scale = 1;
  if (n > 0) scale = dots(pairs.s(n - 1), pairs.y(n - 1)) / dots(pairs.y(n - 1), pairs.y(n - 1));
  lanes.each(n, 2 * n + 1, [&](int e) { p[e] *= scale; });
  if (lanes.leads()) coefficients[g] = -scale;
  lanes.meet();

  for (int age = 0; age < n; ++age) {
    const int s = pairs.s(age), y = pairs.y(age);
    const double share = alpha[age] - p[n + age] / dots(s, y);
    lanes.each(n + age + 1, 2 * n + 1, [&](int e) { p[e] += share * dots(s, position(e)); });
    if (lanes.leads()) {
      coefficients[s] = share;
      coefficients[y] = -alpha[age] * scale;
    }
    lanes.meet();
  }
  return p[2 * n];
}

/// Takes the trial's pair into the matrix of the history's dot products, as the pair of slot ring.next().
template <typename Lanes>
SWAG_HOST_DEVICE void lbfgs_remember_dots(double* history,      // (2 capacity, 2 capacity)
                                          const double* trial,  // (3, 2 capacity + 3)
                                          const HistoryRing& ring, const Lanes& lanes) {
  const int side = 2 * ring.capacity(), new_slot = ring.next();
  const int new_s = ring.s(new_slot), new_y = ring.y(new_slot);
  const double *with_s = trial, *with_y = trial + ring.positions();
  const auto set = [&](int a, int b, double dot) { history[a * side + b] = history[b * side + a] = dot; };
  lanes.each(0, ring.size(), [&](int slot) {
    if (slot == new_slot) return;
    const int s = ring.s(slot), y = ring.y(slot);
    set(new_s, y, with_s[y]);
    set(new_y, s, with_y[s]);
    set(new_y, y, with_y[y]);
  });
  if (!lanes.leads()) return;
  set(new_s, new_y, with_s[ring.trial_y()]);
  set(new_y, new_y, with_y[ring.trial_y()]);
}

}  // namespace swag
