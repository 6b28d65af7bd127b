// The states that L-BFGS's kernels are tested on, and the textbook's direction.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/lbfgs/lbfgs.h"
#include "tests/helpers.h"

namespace swag::test {

/// The two-loop recursion as the textbook has it, on the vectors, the oldest pair first.
inline std::vector<double> textbook_direction(const std::vector<std::vector<double>>& s,
                                              const std::vector<std::vector<double>>& y,
                                              const std::vector<double>& g) {
  using Vector = std::vector<double>;
  const auto dot = [](const Vector& a, const Vector& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  const auto add = [](Vector& a, double factor, const Vector& b) {
    for (size_t i = 0; i < a.size(); ++i) a[i] += factor * b[i];
  };
  Vector q = g;
  Vector alpha(s.size());
  for (size_t i = s.size(); i-- > 0;) {
    alpha[i] = dot(s[i], q) / dot(s[i], y[i]);
    add(q, -alpha[i], y[i]);
  }
  if (!s.empty()) {
    const double scale = dot(s.back(), y.back()) / dot(y.back(), y.back());
    for (double& value : q) value *= scale;
  }
  for (size_t i = 0; i < s.size(); ++i) add(q, alpha[i] - dot(y[i], q) / dot(s[i], y[i]), s[i]);
  for (double& value : q) value = -value;
  return q;
}

struct LbfgsCase {
  int64_t count;
  int capacity;
  int pushes;          // pairs that the history has seen
  bool curved = true;  // the trial's pair is one to keep
  bool search = true;  // with a start, not a fixed step
};

// One element, odd counts, around a tile of 1024, more tiles than blocks, histories empty, partly filled,
// full and gone round.
inline const LbfgsCase kLbfgsCases[] = {
    {1, 1, 0},
    {1, 1, 1},
    {3, 2, 1},
    {5, 1, 3},
    {1023, 3, 2},
    {1024, 3, 3},
    {1025, 3, 7},
    {1025, 3, 7, false},
    {4099, 10, 10},
    {4099, 10, 25},
    {4099, 10, 4, true, false},
    {70, 100, 37},
    {333, 100, 100},
    {333, 100, 170},
    {33, 100, 17, false, false},
    {16385, 4, 9},
    {50001, 2, 1},
    {1024 * 600 + 77, 1, 4},
};

/// The vectors and scalars of a state in host memory, and a trial's gradient. What a kernel may not read is
/// NaN.
template <typename T>
struct LbfgsHost {
  explicit LbfgsHost(const LbfgsCase& c, uint64_t seed = 1)
      : count(c.count), stride((c.count + 15) / 16 * 16 + 16), ring(c.capacity) {
    for (int k = 0; k < c.pushes; ++k) ring.push();
    start = random_vector<T>(count, seed);
    x = start;
    direction = random_vector<T>(count, seed + 1);
    gradient = random_vector<T>(count, seed + 2);
    trial_gradient = random_vector<T>(count, seed + 3, -0.1, 0.1);
    for (int64_t i = 0; i < count; ++i) {
      const double bend = (c.curved ? 0.7 : -0.7) * kStep * static_cast<double>(direction[i]);
      trial_gradient[i] += gradient[i] + static_cast<T>(bend);
    }
    if (!c.search) start.clear();
    history.assign(static_cast<size_t>(2 * c.capacity * stride), kNone<T>);
    for (int slot = 0; slot < ring.size(); ++slot) {
      const std::vector<T> s = random_vector<T>(count, seed + 10 + slot),
                           noise = random_vector<T>(count, seed + 500 + slot, -0.3, 0.3);
      for (int64_t i = 0; i < count; ++i) {
        history[static_cast<size_t>(ring.s(slot) * stride + i)] = s[i];
        history[static_cast<size_t>(ring.y(slot) * stride + i)] = s[i] + noise[i] * std::abs(s[i]);
      }
    }
    scalars.assign(static_cast<size_t>(lbfgs_scalars(c.capacity)), kNone<double>);
    for (const int a : used_positions()) {
      for (const int b : used_positions()) scalars[dot_index(a, b)] = dot(vector(a), vector(b));
    }
  }

  static constexpr double kStep = 0.5;  // t of the trial

  template <typename Value>
  static constexpr Value kNone = std::numeric_limits<Value>::quiet_NaN();

  LbfgsState<T> state() {
    LbfgsState<T> state;
    state.x = x.data();
    state.start = start.empty() ? nullptr : start.data();
    state.direction = direction.data();
    state.gradient = gradient.data();
    state.history = history.data();
    state.stride = stride;
    state.scalars = scalars.data();
    state.count = count;
    return state;
  }
  LbfgsMeasureParams measure_params() const {
    LbfgsMeasureParams params;
    params.ring = ring;
    params.step = kStep;
    params.trial = 1;
    return params;
  }
  LbfgsStepParams step_params(const GradientReport& report) const {
    LbfgsStepParams params;
    params.ring = ring;
    params.trial = 1;
    params.keeps_pair = report.curvature > kLbfgsLeastCurvature;
    params.accepted = kStep;
    params.step = 0.25;
    return params;
  }

  /// Positions of the history that are in use.
  std::vector<int> used_positions() const {
    std::vector<int> positions;
    for (int slot = 0; slot < ring.size(); ++slot) positions.push_back(ring.s(slot));
    for (int slot = 0; slot < ring.size(); ++slot) positions.push_back(ring.y(slot));
    return positions;
  }
  size_t dot_index(int a, int b) const { return static_cast<size_t>(a * 2 * ring.capacity() + b); }

  /// The vector of a position, of the history or the trial's, as it is rounded.
  std::vector<double> vector(int position) const {
    std::vector<double> values(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      T value = trial_gradient[i];
      if (position < 2 * ring.capacity()) value = history[static_cast<size_t>(position * stride + i)];
      if (position == ring.trial_s()) value = static_cast<T>(kStep * static_cast<double>(direction[i]));
      if (position == ring.trial_y()) value = trial_gradient[i] - gradient[i];
      values[static_cast<size_t>(i)] = static_cast<double>(value);
    }
    return values;
  }
  static double dot(const std::vector<double>& a, const std::vector<double>& b) {
    long double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += static_cast<long double>(a[i]) * b[i];
    return static_cast<double>(sum);
  }

  int64_t count, stride;
  HistoryRing ring;
  std::vector<T> x, start, direction, gradient, trial_gradient, history;
  std::vector<double> scalars;
};

}  // namespace swag::test
