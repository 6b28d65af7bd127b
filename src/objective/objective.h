// The objective: content, style and total-variation losses on smoothed features, and their gradients at the
// taps. What each loss measures at one tap is in content_loss.h, gram_loss.h and wasserstein_loss.h; here
// they are weighted.
//
// For a tap with map F (m positions, d channels) S = smooth(F) (smoothing.h) and A = S^T S / m (gram_loss.h).
// Subscripts: x the image, c content, s style; k = 1 / (d m_x) for the softmax over the layer, 1 otherwise.
//
//   loss      content                           style, tap l with weight w_l
//   paper     k^2 / 2 sum (S_x - S_c)^2         w_l k^4 / (4 d^2) ||A_x - A_s||_F^2       eq. (12), (13)
//   authors   k^2 mean (S_x - S_c)^2            w_l k^4 / d^2 mean (A_x - A_s)^2          their code
//   balanced  mean (S_x - S_c)^2 / var(S_c)     w_l / sum(w) mean (A_x - A_s)^2 / mean A_s^2
//   mse       mean (S_x - S_c)^2                w_l / sum(w) mean (A_x - A_s)^2
//
// By Wasserstein distances W the style is, for paper and authors, w_l k^2 / d W, for balanced
// w_l / sum(w) W / (|mu_s|^2 + tr C_s), and for mse w_l / sum(w) W / d, style-transfer-pytorch's.
//
//   total = content_weight * content (the weighted mean of the content taps) + style_weight * sum of style
//         + tv_weight * mean squared difference of neighbouring pixels
//
// An evaluation goes: accumulate() for every tap as the forward pass reaches it, finish_forward(), seed() for
// every tap as the backward pass asks for it, add_image_gradient(), losses(). Denominators and temperatures
// are fixed by the targets.
#pragma once
#include <vector>

#include "src/backend/arena.h"
#include "src/network/graph.h"
#include "src/objective/content_loss.h"
#include "src/objective/options.h"
#include "src/objective/style_loss.h"
#include "src/objective/taps.h"

namespace swag {

struct LossValues {
  double total = 0;                // weighted
  double content = 0;              // unweighted, the weighted mean of the content taps
  double style = 0;                // unweighted, the sum over the taps with their weights
  double tv = 0;                   // unweighted
  std::vector<double> style_taps;  // per style tap, with an equal weight for every tap
};

class Objective {
 public:
  /// Resolves names and weights. Throws Error(kUsage).
  Objective(Backend& backend, const Graph& graph, DType dtype, const ObjectiveOptions& options);

  const std::vector<Tap>& taps() const { return taps_; }
  std::vector<int> nodes() const;  // of the taps, for the executor
  int deepest() const;             // node

  // Targets: first the temperatures, then every tap of every style image, then every tap of the content
  // image.

  bool auto_temperature(int tap) const {
    return options_.temperature == 0 && taps_[tap].smoothing.mode != Smoothing::kNone;
  }
  /// Settles an auto temperature from the style images' maps. Returns false for flat maps, whose T is 1.
  bool settle_temperature(int tap, const std::vector<Tensor>& style_maps);
  /// Adds a style image's map to the target of a style tap, with its weight among the style images.
  void add_style(int tap, const Tensor& f, double weight);
  /// Keeps the smoothed map of the content image.
  void set_content(int tap, const Tensor& f);

  /// Bytes of the targets of style taps whose maps have these shapes, with what making them takes.
  int64_t style_target_bytes(const std::vector<Shape>& shapes) const;
  int64_t style_workspace_bytes(int tap, Shape shape) const {
    return states_[tap].style->workspace_bytes(shape);
  }

  /// Declares the evaluation's scratch for an image whose taps have these shapes; bind() after placing.
  void plan(ArenaPlan& plan, const std::vector<Shape>& shapes);
  void bind(const Arena& arena);

  void accumulate(int tap, const Tensor& f);
  /// What the taps compute side by side.
  void finish_forward();
  /// df = d total / dF, or df += it, after finish_forward().
  void seed(int tap, const Tensor& f, const Tensor& df, bool accumulate);
  /// dx += the gradient of the weighted total variation of x, (h, w, 3) normalised pixels, of which
  /// `visible_pixels` can be seen: the mean is over these.
  void add_image_gradient(const Tensor& x, const Tensor& dx, int64_t visible_pixels);
  /// Where an optimiser leaves its report, in the backend's memory: beside the losses.
  GradientReport* report() const;
  /// After all of these: the one read-back of an evaluation, with the optimiser's report if it is wanted.
  LossValues losses(GradientReport* report = nullptr) const;

  /// Of the last accumulated Gram matrix of a style tap.
  StyleLoss::Statistics gram_statistics(int tap) const { return states_[tap].style->statistics(*arena_); }

 private:
  struct TapState {
    std::unique_ptr<StyleLoss> style;  // of a style tap
    ContentLoss content;
    Shape shape;          // of the image's map
    int statistics = -1;  // of the softmax over the layer; arena piece
  };

  /// Whether the style taps' weights count as shares of their sum.
  bool shares() const { return is_size_free(options_.loss); }
  double style_factor(int tap) const;    // of the style sum in this tap's share of the loss, w_l included
  double content_factor(int tap) const;  // of the content sum in the content loss
  double k(int tap) const;
  double* scalars(int tap) const;
  int64_t scalar_count() const;

  Backend* backend_;
  DType dtype_;
  ObjectiveOptions options_;
  std::vector<Tap> taps_;
  int style_taps_ = 0;
  double style_weight_sum_ = 0;
  std::vector<TapState> states_;
  double tv_count_ = 1;  // of the values that the mean of the total variation is over
  const Arena* arena_ = nullptr;
  int smooth_scratch_ = -1, seed_scratch_ = -1, workspace_ = -1, scalars_ = -1;
};

}  // namespace swag
