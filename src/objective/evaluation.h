// Loss and pixel gradient of one image size: a network, an objective with its targets, and the arena they
// share.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/network/executor.h"
#include "src/objective/objective.h"
#include "src/objective/visible_taps.h"

namespace swag {

/// What the image is to resemble, as normalised pixels. Style images have sizes of their own.
struct Targets {
  Tensor content;
  std::vector<Tensor> styles;
  std::vector<double> blend;  // weight per style image, sums to 1
  // Row by row, empty where a picture is opaque. The losses do not look where nothing can be seen.
  std::vector<float> content_alpha;              // also the image's, which is to keep it
  std::vector<std::vector<float>> style_alphas;  // per style image, or empty
};

class Evaluation {
 public:
  /// Runs the style and content images and lays out the evaluation for images of the content's size. The
  /// network reaches the objective's deepest tap. Throws Error(kMemory, kImage). `warn` receives a line per
  /// oddity.
  Evaluation(const PreparedNetwork& network, Objective objective, const Targets& targets,
             const std::function<void(const std::string&)>& warn = {});

  /// Loss and gradient at x, (h, w, 3) normalised pixels: has the backend compute them, and does not wait.
  void run(const Tensor& x);
  /// Where an optimiser leaves its report on the gradient, to be read with the losses.
  GradientReport* report() const { return objective_.report(); }
  /// The losses of the last run(): waits for it, and reads them and the report at once.
  LossValues read(GradientReport* report = nullptr) const { return objective_.losses(report); }
  LossValues evaluate(const Tensor& x) {
    run(x);
    return read();
  }
  /// Of the last run(), with respect to x.
  const Tensor& gradient() const { return gradient_; }

  const Objective& objective() const { return objective_; }
  int64_t arena_bytes() const { return arena_.bytes(); }

  /// For checking one run's arithmetic against another's, see Executor::signs: recorded by every evaluate(),
  /// or imposed on it, so that it takes the way back of the run they came from.
  void record_signs() { record_signs_ = true; }
  const std::vector<std::vector<uint8_t>>& signs() const { return signs_; }
  void impose_signs(const std::vector<std::vector<uint8_t>>& signs) { imposed_ = signs; }

 private:
  VisibleTaps visible_taps(const std::vector<float>& alpha, Shape picture) const;
  void prepare_styles(const Targets& targets, const std::function<void(const std::string&)>& warn);
  void plan(Shape image);
  void compute(const Tensor& x);
  void seed(int tap, const Tensor& f, const Tensor& df, bool accumulate);

  const PreparedNetwork* network_;
  Objective objective_;
  VisibleTaps visible_;         // of the image
  int64_t visible_pixels_ = 0;  // of the image
  int seen_ = -1, dseen_ = -1;  // arena pieces: a tap's map as the losses see it, and its gradient
  Arena arena_;
  std::unique_ptr<Executor> executor_;
  // The calls of compute(), which are the same every time but for the memory of x.
  std::unique_ptr<Recording> recording_;
  const void* recorded_x_ = nullptr;
  bool may_record_ = false;  // once what a first run makes is there, and until it was tried
  bool record_signs_ = false;
  std::vector<std::vector<uint8_t>> signs_, imposed_;
  Tensor gradient_;
};

/// Runs `x` through the network once and shows every tap in `nodes` to `visit`, which may not keep it.
void visit_features(const PreparedNetwork& network, const Tensor& x, const std::vector<int>& nodes,
                    const Executor::Visit& visit);

}  // namespace swag
