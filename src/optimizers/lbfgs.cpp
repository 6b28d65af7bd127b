#include "src/optimizers/lbfgs.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string>

#include "src/support/error.h"

namespace swag {
namespace {

const LbfgsOptions& validated(const LbfgsOptions& options) {
  if (options.history < 1) {
    throw Error(Status::kUsage,
                "L-BFGS history is " + std::to_string(options.history) + ", it must be 1 or more");
  }
  if (!(options.learning_rate > 0) || !std::isfinite(options.learning_rate)) {
    throw Error(Status::kUsage, "L-BFGS learning rate is " + std::to_string(options.learning_rate) +
                                    ", it must be positive and finite");
  }
  return options;
}

int64_t scalars_bytes(const LbfgsOptions& options) {
  return lbfgs_scalars(options.history) * int64_t{sizeof(double)};
}

int64_t scratch_bytes(const LbfgsOptions& options, Backend& backend, DType dtype, Shape shape) {
  return scalars_bytes(options) + backend.lbfgs_workspace_bytes(options.history, shape, dtype);
}

}  // namespace

int Lbfgs::vectors(const LbfgsOptions& options) {
  return 2 * options.history + (options.step == LbfgsOptions::Step::kStrongWolfe ? 5 : 3);
}

int64_t Lbfgs::bytes(const LbfgsOptions& options, Backend& backend, DType dtype, Shape shape) {
  return VectorStore::bytes(dtype, shape, vectors(options), scratch_bytes(options, backend, dtype, shape));
}

Lbfgs::Lbfgs(const LbfgsOptions& options, Backend& backend, const Tensor& x)
    : options_(validated(options)),
      backend_(backend),
      store_(backend, x, vectors(options), scratch_bytes(options, backend, x.dtype, x.shape)),
      ring_(options.history) {
  memory_.history = store_.take_rows(2 * options.history);
  memory_.stride = store_.stride();
  for (Tensor* tensor : {&memory_.x, &memory_.gradient, &memory_.direction}) *tensor = store_.take();
  if (searches()) {
    for (Tensor* tensor : {&memory_.start, &best_gradient_}) *tensor = store_.take();
  }
  memory_.scalars = reinterpret_cast<double*>(store_.scratch());
  memory_.workspace = store_.scratch() + scalars_bytes(options);
  restart(x);
}

void Lbfgs::restart(const Tensor& x) {
  copy_vector(backend_, memory_.x, x);
  if (searches()) copy_vector(backend_, memory_.start, x);
  forget_history();
  phase_ = Phase::kStart;
  in_line_search_ = false;
  step_ = 0;
}

void Lbfgs::forget_history() {
  ring_.clear();
  fresh_ = true;
}

void Lbfgs::measure(GradientReport* report, const Tensor& gradient) {
  LbfgsMeasureParams params;
  params.ring = ring_;
  params.is_first = phase_ == Phase::kStart;
  params.step = step_;
  params.trial = next_index_;
  backend_.lbfgs_measure(report, gradient, memory_, params);
}

void Lbfgs::tell(double loss, const GradientReport& report, const Tensor& gradient) {
  assert(same_kind(gradient, memory_.x));
  ++evaluations_;
  const Trial trial{step_, loss, report, next_index_};
  switch (phase_) {
    case Phase::kStart: return go_on_from(trial, gradient);
    case Phase::kFixedStep: return tell_fixed_step(trial, gradient);
    case Phase::kSearch: return tell_search(trial, gradient);
    case Phase::kConverged: return;
  }
}

void Lbfgs::tell_fixed_step(const Trial& trial, const Tensor& gradient) {
  const double longest = trial.step * trial.report.longest;
  const double change = std::abs(trial.loss - current_.loss);
  ++iterations_;
  phase_ = Phase::kConverged;
  if (longest > options_.tolerance_change && change >= options_.tolerance_change) {
    go_on_from(trial, gradient);
  }
}

void Lbfgs::tell_search(const Trial& trial, const Tensor& gradient) {
  if (search_begins_) {
    search_.start(current_.loss, slope_, step_, options_.tolerance_change / trial.report.longest);
    search_begins_ = false;
  }
  const LineSearch::State state = search_.tell(trial.loss, trial.report.slope);
  const bool best = search_.told_is_best();
  if (best) best_ = trial;
  switch (state) {
    case LineSearch::State::kSearching:
      if (best) {
        copy_vector(backend_, best_gradient_, gradient);
        next_index_ = 1 - best_.index;
      }
      step_ = search_.step();
      backend_.lbfgs_move(memory_, step_);
      break;
    case LineSearch::State::kDone:
      ++iterations_;
      go_on_from(best_, best ? gradient : best_gradient_);
      break;
    case LineSearch::State::kFailed: retry_from_start(); break;
  }
  in_line_search_ = state != LineSearch::State::kDone && phase_ == Phase::kSearch;
}

/// The trial becomes the current point: takes its pair, finds a direction and moves along it, or converges.
/// Where the history's direction is no good, the history goes, and steepest descent has its turn.
void Lbfgs::go_on_from(const Trial& trial, const Tensor& gradient) {
  current_ = trial;
  const GradientReport& report = trial.report;
  LbfgsStepParams params;
  params.ring = ring_;
  params.trial = trial.index;
  params.keeps_pair = report.curvature > kLbfgsLeastCurvature;
  params.accepted = trial.step;
  double slope = report.next_slope;
  if (!descends(slope)) {
    const bool misled = ring_.size() > 0 || params.keeps_pair;
    forget_history();
    params.ring = ring_;
    params.trial = -1;
    params.keeps_pair = false;
    slope = misled ? -report.square : 0;
  }
  const bool flat = !searches() && !(report.norms.max_abs > options_.tolerance_grad);
  if (std::isfinite(trial.loss) && !flat && descends(slope)) return take_step(params, gradient, slope);
  phase_ = Phase::kConverged;
  if (searches() && trial.step != step_) backend_.lbfgs_move(memory_, trial.step);
}

/// No lower loss was found along the direction.
void Lbfgs::retry_from_start() {
  const bool misled = ring_.size() > 0;
  forget_history();
  const double slope = misled ? -current_.report.square : 0;
  if (descends(slope)) {
    LbfgsStepParams params;
    params.ring = ring_;
    params.trial = -1;
    take_step(params, memory_.gradient, slope);
  } else {
    phase_ = Phase::kConverged;
    copy_vector(backend_, memory_.x, memory_.start);
  }
}

/// Along a direction of this slope at the current point.
void Lbfgs::take_step(LbfgsStepParams params, const Tensor& gradient, double slope) {
  step_ = options_.learning_rate;
  if (fresh_) step_ *= std::min(1.0, 1 / current_.report.norms.sum_abs);
  fresh_ = false;
  slope_ = slope;
  params.step = step_;
  backend_.lbfgs_step(memory_, gradient, params);
  if (params.keeps_pair) ring_.push();
  phase_ = searches() ? Phase::kSearch : Phase::kFixedStep;
  search_begins_ = searches();
}

bool Lbfgs::descends(double slope) const {
  const double least = searches() ? 0 : options_.tolerance_change;
  return slope < -least && std::isfinite(slope);
}

}  // namespace swag
