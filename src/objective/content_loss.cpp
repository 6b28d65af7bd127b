#include "src/objective/content_loss.h"

#include <algorithm>
#include <vector>

namespace swag {
namespace {

/// On the host, once per scale, in two passes: the variance must not lose its digits to the mean.
template <typename T>
double variance(Backend& backend, const Tensor& s) {
  std::vector<T> values(s.count());
  backend.download(values.data(), s.data, s.count() * size_of(s.dtype));
  double mean = 0, sum = 0;
  for (const T value : values) mean += value;
  mean /= static_cast<double>(values.size());
  for (const T value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size());
}

}  // namespace

void ContentLoss::set_target(OwnedTensor s, LossMode mode) {
  target_ = std::move(s);
  if (mode != LossMode::kBalanced) return;
  const Tensor& map = target_.tensor;
  const double value =
      map.dtype == DType::kFloat64 ? variance<double>(*backend_, map) : variance<float>(*backend_, map);
  variance_ = std::max(value, kDenominatorFloor);
}

double ContentLoss::factor(LossMode mode, double weight, double k) const {
  const double count = static_cast<double>(target_.tensor.count()), k2 = k * k;
  switch (mode) {
    case LossMode::kPaper: return weight * k2 / 2;
    case LossMode::kAuthors: return weight * k2 / count;
    case LossMode::kBalanced: break;
  }
  return weight / (count * variance_);
}

}  // namespace swag
