// The temperature that gives a layer the wanted entropy: a root of entropy(T) - target in log T.
#include <algorithm>
#include <cmath>

#include "src/backend/host_values.h"
#include "src/objective/smoothing.h"

namespace swag {
namespace {

const double kLowest = std::log(1e-6), kHighest = std::log(1e9);

double range_of(Backend& backend, const Tensor& map) {
  double low = INFINITY, high = -INFINITY;
  for_each_value(backend, map, [&](double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  });
  return high - low;
}

double largest_range(Backend& backend, const std::vector<Tensor>& maps) {
  double range = 0;
  for (const Tensor& map : maps) {
    range = std::max(range, range_of(backend, map));
  }
  return range;
}

}  // namespace

double find_temperature(Backend& backend, const std::vector<Tensor>& maps, Smoothing mode, double target) {
  const double range = largest_range(backend, maps);
  if (!(range >= 1e-12)) return 0;
  const auto excess = [&](double log_t) {
    double sum = 0;
    for (const Tensor& map : maps) {
      sum += mode == Smoothing::kChannel ? backend.softmax_channel_entropy(map, std::exp(log_t))
                                         : backend.softmax_entropy(map, std::exp(log_t));
    }
    return sum / static_cast<double>(maps.size()) - target;
  };

  // Entropy grows with T. Bracket the root from the map's range outwards ...
  const double start = std::min(std::max(std::log(range), kLowest), kHighest);
  double low = start, high = start, f_low = excess(start), f_high = f_low;
  while (f_low >= 0 && low > kLowest) {
    high = low;
    f_high = f_low;
    low = std::max(kLowest, low - 1.5);
    f_low = excess(low);
  }
  while (f_high < 0 && high < kHighest) {
    low = high;
    f_low = f_high;
    high = std::min(kHighest, high + 1.5);
    f_high = excess(high);
  }
  if (f_low >= 0) return std::exp(low);
  if (f_high < 0) return std::exp(high);

  // ... then close in by the Illinois form of false position: superlinear, and it never leaves the bracket.
  int side = 0;
  double previous = high;
  for (int i = 0; i < 100; ++i) {
    double middle = (low * f_high - high * f_low) / (f_high - f_low);
    if (!(middle > low && middle < high)) middle = 0.5 * (low + high);
    if (std::abs(middle - previous) < 1e-12) break;
    previous = middle;
    const double f = excess(middle);
    if (f < 0) {
      low = middle;
      f_low = f;
      if (side == -1) f_high /= 2;
      side = -1;
    } else {
      high = middle;
      f_high = f;
      if (side == 1) f_low /= 2;
      side = 1;
    }
  }
  return std::exp(previous);
}

}  // namespace swag
