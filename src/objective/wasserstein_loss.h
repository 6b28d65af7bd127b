// The style loss by means and covariances at one tap: the squared Wasserstein-2 distance between the
// Gaussians that have those of S_x and S_s (kernels/wasserstein.h). Of several styles the means and the
// second moments are averaged: their covariances may not be.
#pragma once
#include "src/objective/style_loss.h"

namespace swag {

class WassersteinLoss final : public StyleLoss {
 public:
  WassersteinLoss(Backend& backend, DType dtype, double least_epsilon)
      : backend_(&backend), dtype_(dtype), least_epsilon_(least_epsilon) {}

  void add_target(const Tensor& s, double weight) override;
  int64_t target_bytes(int d) const override { return 2 * int64_t{d} * d * 8; }  // the moments, on the host
  int64_t preparation_bytes(int d) const override { return 7 * int64_t{d} * d * 8; }
  void plan(ArenaPlan& plan, Shape shape) override;
  int64_t workspace_bytes(Shape shape) const override;
  void forward(const Tensor& s, double* sum, double* inner, const Arena& arena,
               void* workspace) const override;
  void defer(std::vector<WassersteinProblem>& problems, double* sum, double* inner,
             const Arena& arena) const override;
  double backward(const Tensor& ds, const Tensor& s, double scale, bool accumulate, const Arena& arena,
                  void* workspace) const override;
  double factor(LossMode mode, double weight, double k) const override;
  Statistics statistics(const Arena& arena) const override {
    return gram_statistics(*backend_, arena.at<double>(gram_), shape_);
  }

 private:
  Backend* backend_;
  DType dtype_;
  double least_epsilon_;                 // see kernels/wasserstein.h
  Shape shape_;                          // of the image's map
  std::vector<double> gram_s_, mean_s_;  // of the styles, by weight: (d, d), (d)
  Buffer target_;                        // a WassersteinTarget
  double scale_ = 0;                     // |mu_s|^2 + tr C_s, floored
  int gram_ = -1, mean_ = -1, difference_ = -1, offset_ = -1, scratch_ = -1;  // arena pieces
};

}  // namespace swag
