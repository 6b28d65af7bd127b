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

  std::vector<double> sum(entries, 0.0), gram(entries);
  backend_->download(gram.data(), a.data(), a.bytes());
  if (target_) {
    backend_->download(sum.data(), target_.data(), target_.bytes());
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
  backend_->gram_backward(ds, s, arena.at(difference_), factor, accumulate, workspace);
  return factor * positions;
}

double GramLoss::factor(LossMode mode, double weight, double k) const {
  const double d = shape_.c, k4 = std::pow(k, 4);
  switch (mode) {
    case LossMode::kPaper: return weight * k4 / (4 * d * d);
    case LossMode::kAuthors: return weight * k4 / (d * d * d * d);
    case LossMode::kBalanced: break;
  }
  return weight / (d * d * target_mean_square_);
}

GramLoss::Statistics GramLoss::statistics(const Arena& arena) const {
  const int d = shape_.c;
  const double m = static_cast<double>(shape_.pixels());
  std::vector<double> a(int64_t{d} * d);
  backend_->download(a.data(), arena.at(gram_), static_cast<int64_t>(a.size()) * 8);
  Statistics result;
  result.max = a[0] * m;
  double squares = 0;
  for (double value : a) {
    result.max = std::max(result.max, value * m);
    squares += value * value;
  }
  result.norm = std::sqrt(squares) * m;
  for (int i = 0; i < d; ++i) result.trace += a[int64_t{i} * d + i] * m;
  return result;
}

}  // namespace swag
