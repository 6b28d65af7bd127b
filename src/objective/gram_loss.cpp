#include "src/objective/gram_loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace swag {

void GramLoss::add_target(const Tensor& s, double weight) {
  const int64_t entries = int64_t{s.shape.c} * s.shape.c;
  const Buffer workspace(*backend_, workspace_bytes(s.shape));
  const Buffer a(*backend_, entries * 8);
  backend_->gram_forward(static_cast<double*>(a.data()), s, workspace.data());

  std::vector<double> sum(entries, 0.0);
  const std::vector<double> gram = downloaded(*backend_, a.data(), entries);
  if (target_) {
    sum = downloaded(*backend_, target_.data(), entries);
  } else {
    target_ = Buffer(*backend_, entries * 8);
  }
  double squares = 0;
  for (int64_t i = 0; i < entries; ++i) {
    sum[i] += weight * gram[i];
    squares += sum[i] * sum[i];
  }
  backend_->upload(target_.data(), sum.data(), target_.bytes());
  target_mean_square_ = std::max(squares / static_cast<double>(entries), kDenominatorFloor);
}

void GramLoss::plan(ArenaPlan& plan, Shape shape) {
  shape_ = shape;
  const int64_t entries = int64_t{shape.c} * shape.c;
  gram_ = plan.add_permanent(entries * 8);
  difference_ = plan.add_permanent(entries * size_of(dtype_));
}

void GramLoss::forward(const Tensor& s, double* sum, double* inner, const Arena& arena,
                       void* workspace) const {
  double* gram = arena.at<double>(gram_);
  backend_->gram_forward(gram, s, workspace);
  backend_->gram_difference(sum, inner, arena.at(difference_), gram,
                            static_cast<const double*>(target_.data()), s.shape.c, dtype_);
}

double GramLoss::backward(const Tensor& ds, const Tensor& s, double scale, bool accumulate,
                          const Arena& arena, void* workspace) const {
  const double positions = static_cast<double>(s.pixels()), factor = 4 * scale / positions;
  backend_->gram_backward(ds, s, arena.at(difference_), nullptr, factor, accumulate, workspace);
  return factor * positions;
}

double GramLoss::factor(LossMode mode, double weight, double k) const {
  const double d = shape_.c, k4 = std::pow(k, 4);
  switch (mode) {
    case LossMode::kPaper: return weight * k4 / (4 * d * d);
    case LossMode::kAuthors: return weight * k4 / (d * d * d * d);
    case LossMode::kMse: return weight / (d * d);
    case LossMode::kBalanced: break;
  }
  return weight / (d * d * target_mean_square_);
}

StyleLoss::Statistics GramLoss::statistics(const Arena& arena) const {
  return gram_statistics(*backend_, arena.at<double>(gram_), shape_);
}

}  // namespace swag
