// What a style loss measures at one tap: a distance between what an image's smoothed map and the styles' have
// in common with any order of positions. Weighted in objective.h.
#pragma once
#include <memory>
#include <vector>

#include "src/backend/arena.h"
#include "src/objective/options.h"

namespace swag {

class StyleLoss {
 public:
  virtual ~StyleLoss() = default;

  /// Adds weight * what counts of a style image's smoothed map to the target.
  virtual void add_target(const Tensor& s, double weight) = 0;

  /// Bytes that the target of d channels keeps, and those that making it takes besides for a while.
  virtual int64_t target_bytes(int d) const = 0;
  virtual int64_t preparation_bytes(int d) const = 0;

  /// Declares what an evaluation of maps of this shape keeps. Scratch comes with every call.
  virtual void plan(ArenaPlan& plan, Shape shape) = 0;
  virtual int64_t workspace_bytes(Shape shape) const = 0;

  /// Leaves the distance in `sum`, and in `inner` what the softmax's way back needs of it: at once, or what
  /// `defer` needs for that.
  virtual void forward(const Tensor& s, double* sum, double* inner, const Arena& arena,
                       void* workspace) const = 0;
  /// Adds what is left to do after all taps' forward(), for the taps to do it side by side.
  virtual void defer(std::vector<WassersteinProblem>& /*problems*/, double* /*sum*/, double* /*inner*/,
                     const Arena& /*arena*/) const {}
  /// ds = scale * d sum / dS, or ds += it. Returns the factor of `inner` in <ds, S>.
  virtual double backward(const Tensor& ds, const Tensor& s, double scale, bool accumulate,
                          const Arena& arena, void* workspace) const = 0;

  /// Of the sum in the loss: `weight` is the tap's, of `balanced` and `mse` its share; k as in objective.h.
  virtual double factor(LossMode mode, double weight, double k) const = 0;

  /// ||G||_F, largest entry and trace of the last Gram matrix: G = m A.
  struct Statistics {
    double max = 0, norm = 0, trace = 0;
  };
  virtual Statistics statistics(const Arena& arena) const = 0;
};

std::unique_ptr<StyleLoss> make_style_loss(StyleLossKind kind, LossMode mode, Backend& backend, DType dtype);

/// Of A = G / m of maps of this shape, in the backend's memory.
StyleLoss::Statistics gram_statistics(Backend& backend, const double* a, Shape shape);

/// Values in the backend's memory, on the host.
std::vector<double> downloaded(Backend& backend, const void* values, int64_t count);

}  // namespace swag
