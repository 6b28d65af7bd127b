#include "src/optimizers/two_loop.h"

#include <algorithm>
#include <vector>

namespace swag {

int HistoryRing::push() {
  if (size_ < capacity_) return size_++;
  const int slot = oldest_;
  oldest_ = (oldest_ + 1) % capacity_;
  return slot;
}

void two_loop(double* coefficients, const double* dots, const HistoryRing& ring) {
  const int basis = ring.basis();
  const auto dot = [&](int a, int b) { return dots[a * basis + b]; };
  // <b_a, the combination>, over what is in use.
  const auto dot_with_combination = [&](int a) {
    double sum = coefficients[ring.g()] * dot(a, ring.g());
    for (int slot = 0; slot < ring.size(); ++slot) {
      sum += coefficients[ring.s(slot)] * dot(a, ring.s(slot)) +
             coefficients[ring.y(slot)] * dot(a, ring.y(slot));
    }
    return sum;
  };

  std::fill_n(coefficients, basis, 0.0);
  coefficients[ring.g()] = -1;
  if (ring.size() == 0) return;

  std::vector<double> alpha(static_cast<size_t>(ring.capacity()));
  for (int age = ring.size() - 1; age >= 0; --age) {
    const int slot = ring.slot(age), s = ring.s(slot), y = ring.y(slot);
    alpha[slot] = dot_with_combination(s) / dot(s, y);
    coefficients[y] -= alpha[slot];
  }

  const int newest = ring.slot(ring.size() - 1);
  const double scale = dot(ring.s(newest), ring.y(newest)) / dot(ring.y(newest), ring.y(newest));
  std::for_each(coefficients, coefficients + basis, [&](double& coefficient) { coefficient *= scale; });

  for (int age = 0; age < ring.size(); ++age) {
    const int slot = ring.slot(age), s = ring.s(slot), y = ring.y(slot);
    const double beta = dot_with_combination(y) / dot(s, y);
    coefficients[s] += alpha[slot] - beta;
  }
}

}  // namespace swag
