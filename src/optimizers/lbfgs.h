// L-BFGS (Nocedal & Wright, algorithm 7.5), step for step as torch.optim.LBFGS, organised for little traffic.
//
// What it does to vectors is kernels/lbfgs/lbfgs.h: all of it on the backend, in three launches an
// evaluation. Here is what it decides by, on the report of each gradient.
//
// Memory: 2 * history + 3 vectors of the image's size (the pairs, point, gradient, direction), and 2 more for
// the line search (its start, the gradient of its best point), with the scalars in one allocation.
#pragma once
#include "src/optimizers/line_search.h"
#include "src/optimizers/optimizer.h"
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
  /// All that it allocates, at once.
  static int64_t bytes(const LbfgsOptions& options, Backend& backend, DType dtype, Shape shape);

  const Tensor& ask() const override { return memory_.x; }
  const Tensor& iterate() const override { return phase_ == Phase::kSearch ? memory_.start : memory_.x; }
  void measure(GradientReport* report, const Tensor& gradient) override;
  void tell(double loss, const GradientReport& report, const Tensor& gradient) override;
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

  /// An evaluated point that may become the current one.
  struct Trial {
    double step = 0;  // along the direction; 0: there is none yet
    double loss = 0;
    GradientReport report;
    int index = 0;  // of its dot products and coefficients in the backend's memory
  };

  void tell_fixed_step(const Trial& trial, const Tensor& gradient);
  void tell_search(const Trial& trial, const Tensor& gradient);
  void go_on_from(const Trial& trial, const Tensor& gradient);
  void retry_from_start();
  void take_step(LbfgsStepParams params, const Tensor& gradient, double slope);
  void forget_history();

  bool searches() const { return options_.step == LbfgsOptions::Step::kStrongWolfe; }
  bool descends(double slope) const;

  LbfgsOptions options_;
  Backend& backend_;
  Phase phase_ = Phase::kStart;
  bool in_line_search_ = false;

  VectorStore store_;
  LbfgsMemory memory_;    // its x is what ask() returns, at one address for good
  Tensor best_gradient_;  // of the line search
  HistoryRing ring_;

  LineSearch search_;
  bool search_begins_ = false;  // at the next answer, which says how long the direction is
  Trial current_;               // that was accepted last
  Trial best_;                  // of the line search so far
  double slope_ = 0;            // <gradient, direction> at the current point
  double step_ = 0;             // of the trial that waits for its answer, along the direction
  int next_index_ = 0;          // of that trial
  bool fresh_ = true;           // the next direction is the first, or the first after dropping the history
};

}  // namespace swag
