// The style loss by Gram matrices at one tap: ||A_x - A_s||_F^2 with A = S^T S / m (kernels/gram.h).
#pragma once
#include "src/objective/style_loss.h"

namespace swag {

class GramLoss final : public StyleLoss {
 public:
  GramLoss(Backend& backend, DType dtype) : backend_(&backend), dtype_(dtype) {}

  void add_target(const Tensor& s, double weight) override;
  int64_t target_bytes(int d) const override { return int64_t{d} * d * 8; }
  int64_t preparation_bytes(int /*d*/) const override { return 0; }
  void plan(ArenaPlan& plan, Shape shape) override;
  int64_t workspace_bytes(Shape shape) const override {
    return backend_->gram_workspace_bytes(shape, dtype_);
  }
  void forward(const Tensor& s, double* sum, double* inner, const Arena& arena,
               void* workspace) const override;
  double backward(const Tensor& ds, const Tensor& s, double scale, bool accumulate, const Arena& arena,
                  void* workspace) const override;
  double factor(LossMode mode, double weight, double k) const override;
  Statistics statistics(const Arena& arena) const override;

 private:
  Backend* backend_;
  DType dtype_;
  Shape shape_;                      // of the image's map
  Buffer target_;                    // (d, d) float64: sum of weighted A_s
  double target_mean_square_ = 0;    // mean A_s^2, floored
  int gram_ = -1, difference_ = -1;  // arena pieces
};

}  // namespace swag
