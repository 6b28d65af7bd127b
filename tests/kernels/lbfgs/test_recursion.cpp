#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "kernels/lbfgs/recursion.h"
#include "tests/helpers.h"
#include "tests/kernels/lbfgs/cases.h"

namespace swag {
namespace {

using Vector = std::vector<double>;

/// A recursion's vectors by position, random and of positive curvature, and their dot products.
class Vectors {
 public:
  explicit Vectors(int capacity)
      : ring_(capacity), basis_(static_cast<size_t>(ring_.positions()), Vector(kCount, NAN)) {}
  HistoryRing& ring() { return ring_; }
  Vector& at(int position) { return basis_[static_cast<size_t>(position)]; }

  /// A trial: its pair and its gradient.
  void draw_trial(int round) {
    at(ring_.g()) = test::random_vector<double>(kCount, 1000 + round);
    at(ring_.trial_s()) = test::random_vector<double>(kCount, 2 * round);
    at(ring_.trial_y()) = test::random_vector<double>(kCount, 2 * round + 1);
    for (int i = 0; i < kCount; ++i) {
      at(ring_.trial_y())[i] = 0.2 * at(ring_.trial_y())[i] + at(ring_.trial_s())[i];
    }
  }
  /// Dot products of s, y and g' with every position, NaN where there is no vector.
  Vector trial_dots() {
    Vector dots;
    for (const int row : {ring_.trial_s(), ring_.trial_y(), ring_.g()}) {
      for (const Vector& b : basis_) {
        double sum = 0;
        for (int i = 0; i < kCount; ++i) sum += at(row)[i] * b[i];
        dots.push_back(sum);
      }
    }
    return dots;
  }
  /// The trial's pair becomes the history's newest.
  void remember() {
    const int slot = ring_.push();
    at(ring_.s(slot)) = at(ring_.trial_s());
    at(ring_.y(slot)) = at(ring_.trial_y());
  }

  static constexpr int kCount = 40;

 private:
  HistoryRing ring_;
  std::vector<Vector> basis_;
};

}  // namespace

TEST_CASE("HistoryRing fills its slots in order, then goes round") {
  HistoryRing ring(2);
  CHECK(ring.next() == 0);
  CHECK(ring.push() == 0);
  CHECK(ring.push() == 1);
  CHECK(ring.full());
  CHECK(ring.next() == 0);  // the oldest
  CHECK(ring.push() == 0);
  CHECK(ring.slot(0) == 1);
  CHECK(ring.slot(1) == 0);
  ring.clear();
  CHECK(ring.size() == 0);
  CHECK(ring.push() == 0);
}

TEST_CASE("lbfgs_recursion of a hand-sized case") {
  // One number is the whole image: s = 2, y = 4, so H = s / y = 1/2, and d = -g' / 2 = -3.
  const HistoryRing ring(1);
  const Vector history(4, NAN);
  const Vector trial = {NAN, NAN, 4, 8, 12, NAN, NAN, 8, 16, 24, NAN, NAN, 12, 24, 36};
  Vector coefficients(5, NAN), scratch(4, NAN);
  const LbfgsDots dots{history.data(), trial.data(), 1};
  const double slope =
      lbfgs_recursion(coefficients.data(), scratch.data(), dots, LbfgsPairs{ring, true}, OneLane());
  // alpha = <s, -g'> / <s, y> = -3/2, q = -g' + 3/2 y = 0; times 1/2; beta = 0; d = -3/2 s.
  CHECK(coefficients[2] == -1.5);
  CHECK(coefficients[3] == 0.75);
  CHECK(coefficients[4] == -0.5);
  CHECK(slope == -18);

  // Without a pair: steepest descent.
  CHECK(lbfgs_recursion(coefficients.data(), scratch.data(), dots, LbfgsPairs{ring, false}, OneLane()) ==
        -36);
  CHECK(coefficients[4] == -1);
}

TEST_CASE("lbfgs_recursion gives the textbook's direction, for every filling of the ring") {
  constexpr int kCount = Vectors::kCount;
  for (const int capacity : {1, 2, 5}) {
    Vectors vectors(capacity);
    HistoryRing& ring = vectors.ring();
    std::vector<Vector> s, y;  // oldest first
    Vector history(static_cast<size_t>(4 * capacity * capacity), NAN);
    for (int round = 0; round <= 2 * capacity + 1; ++round) {
      vectors.draw_trial(round);
      const Vector trial = vectors.trial_dots();
      for (const bool keeps : {false, true}) {
        const LbfgsPairs pairs{ring, keeps};
        Vector coefficients(static_cast<size_t>(ring.positions()), 0.0);
        Vector scratch(static_cast<size_t>(lbfgs_recursion_scratch(capacity)), NAN);
        const LbfgsDots dots{history.data(), trial.data(), capacity};
        const double slope = lbfgs_recursion(coefficients.data(), scratch.data(), dots, pairs, OneLane());
        Vector direction(kCount, 0.0);
        double expected_slope = 0;
        for (int position = 0; position < ring.positions(); ++position) {
          const double coefficient = coefficients[static_cast<size_t>(position)];
          for (int i = 0; i < kCount && coefficient != 0; ++i) {
            direction[i] += coefficient * vectors.at(position)[i];
          }
        }
        if (keeps) {
          s.push_back(vectors.at(ring.trial_s()));
          y.push_back(vectors.at(ring.trial_y()));
          if (static_cast<int>(s.size()) > capacity) {
            s.erase(s.begin());
            y.erase(y.begin());
          }
        }
        CAPTURE(capacity);
        CAPTURE(round);
        CAPTURE(keeps);
        CHECK(pairs.count() == static_cast<int>(s.size()));
        const Vector expected = test::textbook_direction(s, y, vectors.at(ring.g()));
        CHECK(test::relative_l2(direction, expected) <= 1e-12);
        for (int i = 0; i < kCount; ++i) expected_slope += expected[i] * vectors.at(ring.g())[i];
        CHECK(slope == doctest::Approx(expected_slope).epsilon(1e-11));
      }
      lbfgs_remember_dots(history.data(), trial.data(), ring, OneLane());
      vectors.remember();
    }
  }
}

}  // namespace swag
