#include "src/objective/content_loss.h"

#include <algorithm>

#include "src/backend/host_values.h"

namespace swag {
namespace {

/// On the host, once per scale, in two passes: the variance must not lose its digits to the mean.
double variance(Backend& backend, const Tensor& s) {
  const auto count = static_cast<double>(s.count());
  double mean = 0, sum = 0;
  for_each_value(backend, s, [&](double value) { mean += value; });
  mean /= count;
  for_each_value(backend, s, [&](double value) { sum += (value - mean) * (value - mean); });
  return sum / count;
}

}  // namespace

void ContentLoss::set_target(OwnedTensor s, LossMode mode) {
  target_ = std::move(s);
  if (mode != LossMode::kBalanced) return;
  variance_ = std::max(variance(*backend_, target_.tensor), kDenominatorFloor);
}

double ContentLoss::factor(LossMode mode, double weight, double k) const {
  const double count = static_cast<double>(target_.tensor.count()), k2 = k * k;
  switch (mode) {
    case LossMode::kPaper: return weight * k2 / 2;
    case LossMode::kAuthors: return weight * k2 / count;
    case LossMode::kMse: return weight / count;
    case LossMode::kBalanced: break;
  }
  return weight / (count * variance_);
}

}  // namespace swag
