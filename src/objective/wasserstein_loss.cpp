#include "src/objective/wasserstein_loss.h"

#include <algorithm>

#include "src/backend/wasserstein_target.h"

namespace swag {
namespace {

/// sum += weight * values, from nothing.
void add(std::vector<double>& sum, const std::vector<double>& values, double weight) {
  sum.resize(values.size(), 0.0);
  for (size_t i = 0; i < values.size(); ++i) sum[i] += weight * values[i];
}

}  // namespace

void WassersteinLoss::add_target(const Tensor& s, double weight) {
  const int64_t d = s.shape.c;
  const Buffer workspace(*backend_, workspace_bytes(s.shape)), gram(*backend_, d * d * 8),
      mean(*backend_, d * 8);
  backend_->moments_forward(static_cast<double*>(gram.data()), static_cast<double*>(mean.data()), s,
                            workspace.data());
  add(gram_s_, downloaded(*backend_, gram.data(), d * d), weight);
  add(mean_s_, downloaded(*backend_, mean.data(), d), weight);
  scale_ = 0;  // |mu|^2 + tr C is the trace of the second moments
  for (int64_t i = 0; i < d; ++i) scale_ += gram_s_[i * d + i];
  scale_ = std::max(scale_, kDenominatorFloor);
}

void WassersteinLoss::plan(ArenaPlan& plan, Shape shape) {
  shape_ = shape;
  const int64_t d = shape.c;
  gram_ = plan.add_permanent(d * d * 8);
  mean_ = plan.add_permanent(d * 8);
  difference_ = plan.add_permanent(d * d * size_of(dtype_));
  offset_ = plan.add_permanent(d * 8);
  scratch_ = plan.add_permanent(backend_->wasserstein_workspace_bytes(shape.c));
  if (!gram_s_.empty()) target_ = uploaded(*backend_, wasserstein_target(gram_s_, mean_s_, least_epsilon_));
}

int64_t WassersteinLoss::workspace_bytes(Shape shape) const {
  return std::max(backend_->moments_workspace_bytes(shape, dtype_),
                  backend_->gram_workspace_bytes(shape, dtype_));  // of the way back
}

void WassersteinLoss::forward(const Tensor& s, double* /*sum*/, double* /*inner*/, const Arena& arena,
                              void* workspace) const {
  backend_->moments_forward(arena.at<double>(gram_), arena.at<double>(mean_), s, workspace);
}

void WassersteinLoss::defer(std::vector<WassersteinProblem>& problems, double* sum, double* inner,
                            const Arena& arena) const {
  WassersteinProblem problem;
  problem.loss = sum;
  problem.inner = inner;
  problem.difference = arena.at(difference_);
  problem.offset = arena.at<double>(offset_);
  problem.gram = arena.at<double>(gram_);
  problem.mean = arena.at<double>(mean_);
  problem.target = static_cast<const double*>(target_.data());
  problem.workspace = arena.at(scratch_);
  problem.d = shape_.c;
  problems.push_back(problem);
}

double WassersteinLoss::backward(const Tensor& ds, const Tensor& s, double scale, bool accumulate,
                                 const Arena& arena, void* workspace) const {
  const double positions = static_cast<double>(s.pixels()), factor = 2 * scale / positions;
  backend_->gram_backward(ds, s, arena.at(difference_), arena.at<double>(offset_), factor, accumulate,
                          workspace);
  return factor * positions;
}

double WassersteinLoss::factor(LossMode mode, double weight, double k) const {
  switch (mode) {
    case LossMode::kPaper:
    case LossMode::kAuthors: return weight * k * k / shape_.c;
    case LossMode::kMse: return weight / shape_.c;
    case LossMode::kBalanced: break;
  }
  return weight / scale_;
}

}  // namespace swag
