// The style loss by Gram matrices at one tap: ||A_x - A_s||_F^2 with A = S^T S / m (kernels/gram.h). Another
// style loss has its place beside this one, as a class with the same functions.
#pragma once
#include "src/backend/arena.h"
#include "src/objective/options.h"

namespace swag {

class GramLoss {
 public:
  GramLoss(Backend& backend, DType dtype) : backend_(&backend), dtype_(dtype) {}

  /// Adds weight * A of a style image's smoothed map to the target.
  void add_target(const Tensor& s, double weight);

  /// Declares what an evaluation of maps of this shape keeps. Scratch comes with every call.
  void plan(ArenaPlan& plan, Shape shape);
  int64_t workspace_bytes(Shape shape) const { return backend_->gram_workspace_bytes(shape, dtype_); }

  /// Leaves ||A_x - A_s||_F^2 in `sum`, and in `inner` what the softmax's way back needs of it.
  void forward(const Tensor& s, double* sum, double* inner, const Arena& arena, void* workspace) const;
  /// ds = scale * d sum / dS, or ds += it. Returns the factor of `inner` in <ds, S>.
  double backward(const Tensor& ds, const Tensor& s, double scale, bool accumulate, const Arena& arena,
                  void* workspace) const;

  /// Of the sum in the loss: `weight` is the tap's, of `balanced` its share; k as in objective.h.
  double factor(LossMode mode, double weight, double k) const;

  /// ||G||_F, largest entry and trace of the last Gram matrix: G = m A.
  struct Statistics {
    double max = 0, norm = 0, trace = 0;
  };
  Statistics statistics(const Arena& arena) const;

 private:
  Backend* backend_;
  DType dtype_;
  Shape shape_;                      // of the image's map
  Buffer target_;                    // (d, d) float64: sum of weighted A_s
  double target_mean_square_ = 0;    // mean A_s^2, floored
  int gram_ = -1, difference_ = -1;  // arena pieces
};

}  // namespace swag
