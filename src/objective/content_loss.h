// The content loss at one tap: sum (S_x - S_c)^2 (kernels/content_loss.h).
#pragma once
#include "src/backend/backend.h"
#include "src/objective/options.h"

namespace swag {

class ContentLoss {
 public:
  explicit ContentLoss(Backend& backend) : backend_(&backend) {}

  /// Keeps the content image's smoothed map, and its variance where the loss divides by it.
  void set_target(OwnedTensor s, LossMode mode);

  /// Leaves the sum, and in `inner` what the softmax's way back needs of it.
  void forward(const Tensor& s, double* sum, double* inner) const {
    backend_->content_loss_forward(sum, inner, s, target_.tensor);
  }
  /// ds = scale * d sum / dS, or ds += it. Returns the factor of `inner` in <ds, S>.
  double backward(const Tensor& ds, const Tensor& s, double scale, bool accumulate) const {
    backend_->content_loss_backward(ds, s, target_.tensor, 2 * scale, accumulate);
    return 2 * scale;
  }

  /// Of the sum in the loss: `weight` is the tap's share; k as in objective.h.
  double factor(LossMode mode, double weight, double k) const;

 private:
  Backend* backend_;
  OwnedTensor target_;   // S_c
  double variance_ = 1;  // var(S_c), floored
};

}  // namespace swag
