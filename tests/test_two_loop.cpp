#include <doctest/doctest.h>

#include <vector>

#include "src/optimizers/two_loop.h"
#include "tests/helpers.h"

namespace swag {
namespace {

using Vector = std::vector<double>;

/// The two-loop recursion as the textbook has it, on the vectors.
Vector textbook_direction(const std::vector<Vector>& s, const std::vector<Vector>& y, const Vector& g) {
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

}  // namespace

TEST_CASE("two_loop on coefficients gives the textbook's direction, for every filling of the ring") {
  constexpr int kCapacity = 5, kCount = 40;
  HistoryRing ring(kCapacity);
  std::vector<Vector> basis(static_cast<size_t>(ring.basis()), Vector(kCount, 0.0));
  std::vector<Vector> s, y;  // oldest first
  for (int round = 0; round <= 2 * kCapacity + 1; ++round) {
    basis[static_cast<size_t>(ring.g())] = test::random_vector<double>(kCount, 1000 + round);
    Vector dots, coefficients(basis.size(), 7.0);
    for (const Vector& a : basis) {
      for (const Vector& b : basis) {
        double sum = 0;
        for (int i = 0; i < kCount; ++i) sum += a[i] * b[i];
        dots.push_back(sum);
      }
    }
    two_loop(coefficients.data(), dots.data(), ring);
    Vector direction(kCount, 0.0);
    for (size_t k = 0; k < basis.size(); ++k) {
      for (int i = 0; i < kCount; ++i) direction[i] += coefficients[k] * basis[k][i];
    }
    CAPTURE(round);
    const Vector expected = textbook_direction(s, y, basis[static_cast<size_t>(ring.g())]);
    CHECK(test::relative_l2(direction, expected) <= 1e-12);

    // The next pair, of positive curvature.
    const Vector step = test::random_vector<double>(kCount, 2 * round);
    Vector change = test::random_vector<double>(kCount, 2 * round + 1);
    for (int i = 0; i < kCount; ++i) change[i] = 0.2 * change[i] + step[i];
    const int slot = ring.push();
    basis[static_cast<size_t>(ring.s(slot))] = step;
    basis[static_cast<size_t>(ring.y(slot))] = change;
    s.push_back(step);
    y.push_back(change);
    if (s.size() > kCapacity) {
      s.erase(s.begin());
      y.erase(y.begin());
    }
    CHECK(ring.size() == static_cast<int>(s.size()));
    CHECK(ring.slot(ring.size() - 1) == slot);
  }
}

}  // namespace swag
