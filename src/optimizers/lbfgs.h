// L-BFGS (Nocedal & Wright, algorithm 7.5), step for step as torch.optim.LBFGS, organised for little traffic.
//
// One iteration with direction d, accepted step t and new gradient g':
//   s = t d,  y = g' - g;                   the pair is kept if <y, s> > 1e-10
//   dots of s, y and g' with the history    one pass over it (multi_dot); their matrix is kept in double
//   d = -H g' from the two-loop recursion   on coefficients (two_loop.h), then one linear combination
// The history's vectors are never copied: an accepted pair trades places with the oldest one.
//
// Memory: 2 * history + 3 vectors of the image's size (the pairs, point, gradient, direction), and 2 more for
// the line search (its start, the gradient of its best point). All of it is allocated once.
#pragma once
#include <vector>

#include "src/optimizers/line_search.h"
#include "src/optimizers/optimizer.h"
#include "src/optimizers/two_loop.h"
#include "src/optimizers/vectors.h"

namespace swag {

struct LbfgsOptions {
  enum class Step {
    kStrongWolfe,  // a line search from `learning_rate`; line_search_fn="strong_wolfe" in torch
    kFixed,        // always `learning_rate`; torch's default, one evaluation an iteration, may diverge
  };
  int history = 10;  // pairs kept, >= 1
  Step step = Step::kStrongWolfe;
  double learning_rate = 1;
  // Where torch stops, for a fixed step alone: they are absolute, and the gradient of one pixel gets small as
  // images get large. The line search goes on until no lower loss is left in this precision.
  double tolerance_grad = 1e-7;    // of the largest gradient entry
  double tolerance_change = 1e-9;  // of the loss, of the largest step of a pixel, of the slope along d
};

/// ask() is the next trial point, or the current point when converged, always at one address. A step that
/// fails (no descent along d, or no lower loss found) drops the history and tries steepest descent from the
/// same point, without evaluating it again; when that fails too the optimiser has converged.
///
/// iterations() counts points accepted after the start, all of them evaluated. With a fixed step a non-finite
/// loss or gradient ends the run: converged() is true until restart().
class Lbfgs : public Optimizer {
 public:
  /// Starts at `x`, dense, float or double; it is copied. Throws Error(kUsage) for options out of range and
  /// Error(kMemory).
  Lbfgs(const LbfgsOptions& options, Backend& backend, const Tensor& x);

  /// Vectors of the image's size that the optimiser allocates.
  static int vectors(const LbfgsOptions& options);

  const Tensor& ask() const override { return point_; }
  void tell(double loss, const Tensor& gradient) override;
  bool in_line_search() const override { return in_line_search_; }
  bool converged() const override { return phase_ == Phase::kConverged; }
  void restart(const Tensor& x) override;

 private:
  enum class Phase {
    kStart,      // the first point waits for its evaluation
    kFixedStep,  // the point moved by a fixed step, and waits
    kSearch,     // a trial point of the line search waits
    kConverged,
  };

  void tell_start(double loss, const Tensor& gradient);
  void tell_fixed_step(double loss, const Tensor& gradient);
  void tell_search(double loss, const Tensor& gradient);
  void accept(double step, double loss, const Tensor& gradient);
  void remember_pair(const Tensor& gradient);
  void forget_history();
  void next_step();
  void retry_without_history();
  bool find_direction();
  void move_to_step();

  bool searches() const { return options_.step == LbfgsOptions::Step::kStrongWolfe; }
  double& dot(int a, int b) { return dots_[static_cast<size_t>(a * ring_.basis() + b)]; }

  LbfgsOptions options_;
  Backend& backend_;
  Phase phase_ = Phase::kStart;
  bool in_line_search_ = false;

  VectorStore store_;
  Tensor point_;                  // what ask() returns, at one address for good
  Tensor gradient_;               // at the current point
  Tensor direction_;              // d, then s of the step along it
  Tensor start_, best_gradient_;  // of the line search
  std::vector<Tensor> s_, y_;     // the history, by slot
  HistoryRing ring_;
  std::vector<double> dots_;          // (basis, basis), see two_loop.h
  std::vector<double> coefficients_;  // (basis), of the direction

  LineSearch search_;
  double loss_ = 0;        // at the current point
  double slope_ = 0;       // <gradient, direction>
  double fixed_step_ = 0;  // t, that of the move under way
  bool fresh_ = true;      // the next direction is the first, or the first after dropping the history
};

}  // namespace swag
