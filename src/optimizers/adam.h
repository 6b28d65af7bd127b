// Adam; the step itself is kernels/adam.h. torch.optim.Adam with its defaults but for the learning rate,
// and with bounds if they are wanted.
//
// Memory: 3 vectors of the image's size (point and two moments), allocated once.
#pragma once
#include <array>
#include <cmath>

#include "src/optimizers/optimizer.h"
#include "src/optimizers/vectors.h"

namespace swag {

struct AdamOptions {
  double learning_rate = 0.02;  // torch's 1e-3 is made for weights
  /// The unit of the rate in each of an image's three channels, and the bounds its values are kept in.
  std::array<double, 3> units{1, 1, 1};
  std::array<double, 3> lowest{-INFINITY, -INFINITY, -INFINITY}, highest{INFINITY, INFINITY, INFINITY};
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
};

/// Every tell() is a step, so iterations() equals evaluations(), and ask() is always a new point. It
/// converges only where the gradient is zero.
class Adam : public Optimizer {
 public:
  /// Starts at `x`, dense, float or double; it is copied. Throws Error(kUsage) for options out of range and
  /// Error(kMemory).
  Adam(const AdamOptions& options, Backend& backend, const Tensor& x);

  /// Vectors of the image's size that the optimiser allocates.
  static int vectors(const AdamOptions&) { return 3; }
  /// All that it allocates, at once.
  static int64_t bytes(const AdamOptions& options, Backend&, DType dtype, Shape shape) {
    return VectorStore::bytes(dtype, shape, vectors(options));
  }

  const Tensor& ask() const override { return x_; }
  void measure(GradientReport* report, const Tensor& gradient) override;
  void tell(double loss, const GradientReport& report, const Tensor& gradient) override;
  bool converged() const override { return converged_; }
  void restart(const Tensor& x) override;

  // Between two image scales the moments are resized like the image and go on in a new optimiser.
  const Tensor& first_moment() const { return m_; }
  const Tensor& second_moment() const { return v_; }
  int64_t moment_steps() const { return steps_; }  // that they have seen, for the bias correction
  /// Copies the moments, of x's shape and dtype. The second one must not be negative: clamp after resizing.
  void set_moments(const Tensor& first, const Tensor& second, int64_t steps);

 private:
  AdamOptions options_;
  Backend& backend_;
  VectorStore store_;
  Tensor x_, m_, v_;
  int64_t steps_ = 0;
  bool converged_ = false;
};

}  // namespace swag
