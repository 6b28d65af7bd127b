// What the losses see of pictures with alpha.
#include <doctest/doctest.h>

#include <cmath>

#include "src/objective/evaluation.h"
#include "src/run/pixels.h"
#include "src/weights/weights.h"
#include "tests/helpers.h"

namespace swag {
namespace {

constexpr DType kDouble = DType::kFloat64;
constexpr Shape kPicture{14, 18, 3};

/// A small evaluation of noise, whose content and style may have alpha.
class Bench {
 public:
  explicit Bench(const ObjectiveOptions& options)
      : backend_(make_cpu_backend(2)),
        graph_(make_network("vgg11")),
        objective_(*backend_, graph_, kDouble, options),
        network_(*backend_, graph_, splitmix_weights(graph_, 7), kDouble, objective_.deepest(), true,
                 LoweringOptions{}) {
    for (uint64_t seed : {1, 2, 3})
      noise_.push_back(test::random_vector<double>(kPicture.count(), seed, -2, 2));
  }

  void set_alphas(const std::vector<float>& content, const std::vector<float>& style) {
    const OwnedTensor x_content = tensor(noise_[0]), x_style = tensor(noise_[1]);
    Targets targets;
    targets.content = x_content.tensor;
    targets.content_alpha = content;
    targets.styles = {x_style.tensor};
    targets.style_alphas = {style};
    targets.blend = {1.0};
    evaluation_ = std::make_unique<Evaluation>(network_, std::move(objective_), targets);
  }

  LossValues run(const std::vector<double>& image, std::vector<double>* gradient = nullptr) {
    const OwnedTensor x = tensor(image);
    const LossValues values = evaluation_->evaluate(x.tensor);
    if (gradient) *gradient = download_values(*backend_, evaluation_->gradient());
    return values;
  }
  /// The evaluation's noise: 0 the content, 1 the style, 2 the image.
  std::vector<double>& noise(int picture) { return noise_[picture]; }
  int64_t arena_bytes() const { return evaluation_->arena_bytes(); }

 private:
  OwnedTensor tensor(const std::vector<double>& values) {
    OwnedTensor result(*backend_, kDouble, kPicture);
    upload_values(*backend_, result.tensor, values);
    return result;
  }

  std::unique_ptr<Backend> backend_;
  Graph graph_;
  Objective objective_;
  PreparedNetwork network_;
  std::vector<std::vector<double>> noise_;
  std::unique_ptr<Evaluation> evaluation_;
};

ObjectiveOptions two_taps(Smoothing smoothing = Smoothing::kNone) {
  ObjectiveOptions options;
  options.style_layers = {"relu1_1", "relu2_1"};
  options.content_layers = {"relu2_1"};
  options.smoothing = smoothing;
  options.tv_weight = 0.1;
  return options;
}

/// Opaque but for the columns from `first` on.
std::vector<float> clear_from(int first) {
  std::vector<float> alpha;
  for (int i = 0; i < kPicture.pixels(); ++i) alpha.push_back(i % kPicture.w < first ? 1.0f : 0.0f);
  return alpha;
}

TEST_CASE("with alpha the gradient agrees with central differences, for every smoothing") {
  for (Smoothing smoothing : {Smoothing::kNone, Smoothing::kSoftmax, Smoothing::kChannel}) {
    CAPTURE(name_of(smoothing));
    Bench bench(two_taps(smoothing));
    bench.set_alphas(clear_from(9), clear_from(7));
    const std::vector<double> image = bench.noise(2);
    std::vector<double> gradient, some, expected;
    bench.run(image, &gradient);
    for (size_t i = 0; i < image.size(); i += 41) {
      std::vector<double> moved = image;
      moved[i] += 1e-6;
      const double ahead = bench.run(moved).total;
      moved[i] -= 2e-6;
      expected.push_back((ahead - bench.run(moved).total) / 2e-6);
      some.push_back(gradient[i]);
    }
    const bool close = test::relative_l2(some, expected) <= 1e-5;
    CHECK(close);
  }
}

TEST_CASE("an alpha of 1 everywhere changes no bit and takes no memory") {
  Bench plain(two_taps()), alpha(two_taps());
  const std::vector<float> opaque(kPicture.pixels(), 1.0f);
  plain.set_alphas({}, {});
  alpha.set_alphas(opaque, opaque);
  std::vector<double> a, b;
  CHECK(plain.run(plain.noise(2), &a).total == alpha.run(alpha.noise(2), &b).total);
  CHECK(a == b);
  CHECK(plain.arena_bytes() == alpha.arena_bytes());
}

TEST_CASE("beyond the reach of the taps no hidden pixel counts, of the image, the content or the style") {
  ObjectiveOptions options = two_taps();
  options.tv_weight = 0;
  const auto evaluate = [&](int picture, double shift, std::vector<double>* gradient) {
    Bench bench(options);
    for (int i = 0; i < kPicture.count(); ++i) {  // a position of relu2_1 reaches 4 pixels beyond its own two
      if (i / 3 % kPicture.w >= 13) bench.noise(picture)[i] += shift;
    }
    bench.set_alphas(clear_from(8), clear_from(8));
    return bench.run(bench.noise(2), gradient).total;
  };
  std::vector<double> gradient;
  const double loss = evaluate(0, 0, &gradient);
  for (int picture : {0, 1, 2}) CHECK(evaluate(picture, 5, nullptr) == loss);
  for (int i = 0; i < kPicture.count(); ++i) {
    if (i / 3 % kPicture.w >= 13) CHECK(gradient[i] == 0);
  }
}

}  // namespace
}  // namespace swag
