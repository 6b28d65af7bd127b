// Optimisers as ask/tell state machines: the caller evaluates loss and gradient at ask(), lets the optimiser
// measure() the gradient, reads the report together with the losses and answers with tell(). So a whole
// evaluation waits for the device once. Nothing else drives them, so a C API's step, a checkpoint and a CUDA
// graph per evaluation all fit in between.
#pragma once
#include <cstdint>
#include <memory>

#include "src/backend/backend.h"

namespace swag {

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// The point at which loss and gradient are wanted next; dense, owned by the optimiser.
  virtual const Tensor& ask() const = 0;

  /// The point that the last accepted step led to, or the start; never a trial point.
  virtual const Tensor& iterate() const { return ask(); }

  /// Has the backend leave in `report`, one in its memory that was cleared once, what tell() must know of the
  /// gradient at ask(). Does not wait, and changes nothing that counts: an answer that is no good need not be
  /// told.
  virtual void measure(GradientReport* report, const Tensor& gradient) = 0;

  /// Answers ask(). `report` is what measure() left, `gradient` the same as there and only read during the
  /// call, which reads nothing back. Loss and gradient are finite (the caller's guard; inside a line search a
  /// non-finite loss is allowed and means "too far").
  virtual void tell(double loss, const GradientReport& report, const Tensor& gradient) = 0;

  /// True while tell() moved to a trial point that the optimiser would accept as its current iterate only
  /// later: then the last told point need not be better than the one before (a line search is under way).
  virtual bool in_line_search() const { return false; }

  /// No further step is possible: the gradient is zero or no descent is left in this precision.
  virtual bool converged() const = 0;

  /// Forgets history and moments and goes on from `x` (copied), e.g. after a divergence.
  virtual void restart(const Tensor& x) = 0;

  int64_t iterations() const { return iterations_; }    // accepted steps
  int64_t evaluations() const { return evaluations_; }  // answers told

 protected:
  int64_t iterations_ = 0;
  int64_t evaluations_ = 0;
};

}  // namespace swag
