#include "src/optimizers/lbfgs.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string>
#include <utility>

#include "src/error.h"

namespace swag {
namespace {

constexpr double kLeastCurvature = 1e-10;  // of a pair's <y, s>; torch's

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

}  // namespace

int Lbfgs::vectors(const LbfgsOptions& options) {
  return 2 * options.history + (options.step == LbfgsOptions::Step::kStrongWolfe ? 5 : 3);
}

Lbfgs::Lbfgs(const LbfgsOptions& options, Backend& backend, const Tensor& x)
    : options_(validated(options)),
      backend_(backend),
      store_(backend, x, vectors(options)),
      ring_(options.history) {
  for (int slot = 0; slot < options.history; ++slot) {
    s_.push_back(store_.take());
    y_.push_back(store_.take());
  }
  for (Tensor* tensor : {&point_, &gradient_, &direction_}) *tensor = store_.take();
  if (searches()) {
    for (Tensor* tensor : {&start_, &best_gradient_}) *tensor = store_.take();
  }
  const size_t basis = static_cast<size_t>(ring_.basis());
  dots_.assign(basis * basis, 0);
  coefficients_.assign(basis, 0);
  restart(x);
}

void Lbfgs::restart(const Tensor& x) {
  copy_vector(backend_, point_, x);
  forget_history();
  phase_ = Phase::kStart;
  in_line_search_ = false;
}

void Lbfgs::forget_history() {
  ring_.clear();
  fresh_ = true;
}

void Lbfgs::tell(double loss, const Tensor& gradient) {
  assert(same_kind(gradient, point_));
  ++evaluations_;
  switch (phase_) {
    case Phase::kStart: return tell_start(loss, gradient);
    case Phase::kFixedStep: return tell_fixed_step(loss, gradient);
    case Phase::kSearch: return tell_search(loss, gradient);
    case Phase::kConverged: return;
  }
}

void Lbfgs::tell_start(double loss, const Tensor& gradient) {
  copy_vector(backend_, gradient_, gradient);
  loss_ = loss;
  dot(ring_.g(), ring_.g()) = backend_.multi_dot({&gradient_}, {&gradient_})[0];
  next_step();
}

void Lbfgs::tell_fixed_step(double loss, const Tensor& gradient) {
  const double longest = fixed_step_ * backend_.vector_norms(direction_).max_abs;
  const double change = std::abs(loss - loss_);
  accept(fixed_step_, loss, gradient);
  phase_ = Phase::kConverged;
  if (longest > options_.tolerance_change && change >= options_.tolerance_change) next_step();
}

void Lbfgs::tell_search(double loss, const Tensor& gradient) {
  const double slope = backend_.multi_dot({&gradient}, {&direction_})[0];
  const LineSearch::State state = search_.tell(loss, slope);
  const bool best = search_.told_is_best();
  switch (state) {
    case LineSearch::State::kSearching:
      if (best) copy_vector(backend_, best_gradient_, gradient);
      move_to_step();
      break;
    case LineSearch::State::kDone:
      if (!best) move_to_step();
      accept(search_.step(), search_.best_loss(), best ? gradient : best_gradient_);
      next_step();
      break;
    case LineSearch::State::kFailed:
      copy_vector(backend_, point_, start_);
      retry_without_history();
      break;
  }
  in_line_search_ = state != LineSearch::State::kDone && phase_ == Phase::kSearch;
}

/// point_ lies `step` along the direction and becomes the current point, with its loss and gradient.
void Lbfgs::accept(double step, double loss, const Tensor& gradient) {
  backend_.linear_combination(direction_, {step}, {&direction_});            // s
  backend_.linear_combination(gradient_, {1, -1}, {&gradient, &gradient_});  // y
  remember_pair(gradient);
  copy_vector(backend_, gradient_, gradient);
  loss_ = loss;
  ++iterations_;
}

/// Takes s and y, which lie in direction_ and gradient_, into the history, and updates the dot products.
void Lbfgs::remember_pair(const Tensor& gradient) {
  const Tensor &s = direction_, &y = gradient_;
  std::vector<const Tensor*> basis;
  std::vector<int> position;  // of each of them in the matrix
  for (int slot = 0; slot < ring_.size(); ++slot) {
    basis.insert(basis.end(), {&s_[slot], &y_[slot]});
    position.insert(position.end(), {ring_.s(slot), ring_.y(slot)});
  }
  const size_t old = basis.size(), columns = old + 3;
  basis.insert(basis.end(), {&s, &y, &gradient});
  const std::vector<double> products = backend_.multi_dot({&s, &y, &gradient}, basis);
  const auto store = [&](size_t row, int a, size_t column, int b) {
    dot(a, b) = dot(b, a) = products[row * columns + column];
  };

  for (size_t column = 0; column < old; ++column) store(2, ring_.g(), column, position[column]);
  store(2, ring_.g(), old + 2, ring_.g());
  if (!(products[old + 1] > kLeastCurvature)) return;

  const int slot = ring_.push();
  position.insert(position.end(), {ring_.s(slot), ring_.y(slot), ring_.g()});
  for (size_t column = 0; column < columns; ++column) {  // the new pair comes last, over its slot's old one
    store(0, ring_.s(slot), column, position[column]);
    store(1, ring_.y(slot), column, position[column]);
  }
  std::swap(s_[slot], direction_);
  std::swap(y_[slot], gradient_);
}

/// From the current point: finds a direction and moves along it, or converges.
void Lbfgs::next_step() {
  phase_ = Phase::kConverged;
  if (!std::isfinite(loss_)) return;
  double step = options_.learning_rate;
  if (fresh_ || !searches()) {
    const VectorNorms norms = backend_.vector_norms(gradient_);
    if (!searches() && !(norms.max_abs > options_.tolerance_grad)) return;
    if (fresh_) step *= std::min(1.0, 1 / norms.sum_abs);
  }
  if (!find_direction()) {
    retry_without_history();
    return;
  }
  fresh_ = false;
  if (searches()) {
    phase_ = Phase::kSearch;
    copy_vector(backend_, start_, point_);
    search_.start(loss_, slope_, step, options_.tolerance_change / backend_.vector_norms(direction_).max_abs);
    move_to_step();
  } else {
    phase_ = Phase::kFixedStep;
    fixed_step_ = step;
    backend_.linear_combination(point_, {1, step}, {&point_, &direction_});
  }
}

/// The current direction is no good: once more with steepest descent, unless that is what it was.
void Lbfgs::retry_without_history() {
  const bool history_misled = ring_.size() > 0;
  forget_history();
  phase_ = Phase::kConverged;
  if (history_misled) next_step();
}

/// Forms the direction and its slope; false when the loss does not fall along it.
bool Lbfgs::find_direction() {
  two_loop(coefficients_.data(), dots_.data(), ring_);
  std::vector<double> used;
  std::vector<const Tensor*> basis;
  slope_ = 0;
  const auto use = [&](int position, const Tensor& vector) {
    used.push_back(coefficients_[static_cast<size_t>(position)]);
    basis.push_back(&vector);
    slope_ += used.back() * dot(position, ring_.g());
  };
  for (int slot = 0; slot < ring_.size(); ++slot) {
    use(ring_.s(slot), s_[slot]);
    use(ring_.y(slot), y_[slot]);
  }
  use(ring_.g(), gradient_);
  const double least = searches() ? 0 : options_.tolerance_change;
  if (!(slope_ < -least) || !std::isfinite(slope_)) return false;
  backend_.linear_combination(direction_, used, basis);
  return true;
}

/// To the search's trial step, or the one it accepted.
void Lbfgs::move_to_step() {
  backend_.linear_combination(point_, {1, search_.step()}, {&start_, &direction_});
}

}  // namespace swag
