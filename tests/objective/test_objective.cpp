#include <doctest/doctest.h>

#include <cmath>

#include "src/objective/evaluation.h"
#include "src/run/pixels.h"
#include "src/support/error.h"
#include "tests/helpers.h"

namespace swag {
namespace {

constexpr DType kDouble = DType::kFloat64;

/// The objective on maps given by hand in place of a network's features.
class Bench {
 public:
  explicit Bench(const ObjectiveOptions& options)
      : backend_(make_cpu_backend(2)),
        graph_(make_network("vgg11")),
        objective_(*backend_, graph_, kDouble, options) {}

  OwnedTensor map(Shape shape, const std::vector<double>& values) {
    OwnedTensor tensor(*backend_, kDouble, shape);
    upload_values(*backend_, tensor.tensor, values);
    return tensor;
  }

  /// One tap; the image has the content's shape.
  LossValues run(const Tensor& x, const Tensor& content, const std::vector<Tensor>& styles,
                 const std::vector<double>& blend = {1.0}) {
    if (objective_.auto_temperature(0)) objective_.settle_temperature(0, styles);
    for (size_t i = 0; i < styles.size(); ++i) objective_.add_style(0, styles[i], blend[i]);
    objective_.set_content(0, content);
    ArenaPlan plan;
    objective_.plan(plan, {x.shape});
    arena_ = Arena(*backend_, plan);
    objective_.bind(arena_);
    objective_.accumulate(0, x);
    gradient_ = OwnedTensor(*backend_, kDouble, x.shape);
    objective_.seed(0, x, gradient_.tensor, false);
    return objective_.losses();
  }

  std::vector<double> gradient() const { return download_values(*backend_, gradient_.tensor); }
  Objective& objective() { return objective_; }
  Backend& backend() { return *backend_; }

 private:
  std::unique_ptr<Backend> backend_;
  Graph graph_;
  Objective objective_;
  Arena arena_;
  OwnedTensor gradient_;
};

ObjectiveOptions one_tap(LossMode loss) {
  ObjectiveOptions options;
  options.loss = loss;
  options.style_layers = options.content_layers = {"relu1_1"};
  options.content_weight = 2;
  options.style_weight = 3;
  return options;
}

bool near(double actual, double expected, double tolerance = 1e-12) {
  return std::abs(actual - expected) <= tolerance * std::max(1e-300, std::abs(expected));
}

// Two positions of two channels. G(x) / m = [[5, 7], [7, 10]], G(s) / m = [[1, 0], [0, 4]] (one position, so
// that the sizes differ), difference [[4, 7], [7, 6]], sum of squares 150; sum (x - c)^2 = 1 + 1 + 4 + 4
// = 10.
const std::vector<double> kImage = {1, 2, 3, 4}, kContent = {0, 1, 1, 2}, kStyle = {1, 0};
const std::vector<double> kStyle2 = {0, 2};

TEST_CASE("the four losses have the values computed by hand") {
  struct Case {
    LossMode loss;
    double content, style;
  };
  // G(s)/m of one position (1, 0) is [[1, 0], [0, 0]]; the difference [[4, 7], [7, 10]] has squares 214.
  const Case cases[] = {{LossMode::kPaper, 10.0 / 2, 214.0 / 16},
                        {LossMode::kAuthors, 10.0 / 4, 214.0 / 16},
                        {LossMode::kBalanced, (10.0 / 4) / 0.5, (214.0 / 4) / (1.0 / 4)},
                        {LossMode::kMse, 10.0 / 4, 214.0 / 4}};
  for (const Case& expected : cases) {
    Bench bench(one_tap(expected.loss));
    const OwnedTensor x = bench.map({1, 2, 2}, kImage), c = bench.map({1, 2, 2}, kContent),
                      s = bench.map({1, 1, 2}, kStyle);
    const LossValues values = bench.run(x.tensor, c.tensor, {s.tensor});
    CHECK(near(values.content, expected.content));
    CHECK(near(values.style, expected.style));
    CHECK(near(values.style_taps.at(0), expected.style));
    CHECK(near(values.total, 2 * expected.content + 3 * expected.style));
  }
}

TEST_CASE("several style images mean the mean of their Gram matrices, by weight") {
  Bench bench(one_tap(LossMode::kPaper));
  const OwnedTensor x = bench.map({1, 2, 2}, kImage), c = bench.map({1, 2, 2}, kContent),
                    a = bench.map({1, 1, 2}, kStyle), b = bench.map({1, 1, 2}, kStyle2);
  // 0.75 [[1, 0], [0, 0]] + 0.25 [[0, 0], [0, 4]] = [[0.75, 0], [0, 1]]
  const double squares = 4.25 * 4.25 + 2 * 49 + 81;
  CHECK(near(bench.run(x.tensor, c.tensor, {a.tensor, b.tensor}, {0.75, 0.25}).style, squares / 16));
}

TEST_CASE("the gradient at a tap agrees with central differences, for every loss and smoothing") {
  for (LossMode loss : {LossMode::kPaper, LossMode::kAuthors, LossMode::kBalanced, LossMode::kMse}) {
    for (Smoothing smoothing :
         {Smoothing::kNone, Smoothing::kSoftmax, Smoothing::kChannel, Smoothing::kScale}) {
      CAPTURE(name_of(loss));
      CAPTURE(name_of(smoothing));
      ObjectiveOptions options = one_tap(loss);
      options.smoothing = smoothing;
      options.temperature = 1.5;
      const Shape shape{3, 4, 5};
      const std::vector<double> values = test::random_vector<double>(shape.count(), 1, 0, 3);
      const auto total = [&](const std::vector<double>& image, std::vector<double>* gradient) {
        Bench bench(options);
        const OwnedTensor x = bench.map(shape, image),
                          c = bench.map(shape, test::random_vector<double>(60, 2, 0, 3)),
                          s = bench.map({2, 3, 5}, test::random_vector<double>(30, 3, 0, 3));
        const double loss_value = bench.run(x.tensor, c.tensor, {s.tensor}).total;
        if (gradient) *gradient = bench.gradient();
        return loss_value;
      };
      std::vector<double> gradient, expected(values.size());
      total(values, &gradient);
      for (size_t i = 0; i < values.size(); ++i) {
        std::vector<double> moved = values;
        moved[i] += 1e-5;
        const double ahead = total(moved, nullptr);
        moved[i] -= 2e-5;
        expected[i] = (ahead - total(moved, nullptr)) / 2e-5;
      }
      const bool close = test::relative_l2(gradient, expected) <= 1e-6;
      CHECK(close);
    }
  }
}

TEST_CASE("a gradient that is already there is added to") {
  ObjectiveOptions options = one_tap(LossMode::kBalanced);
  options.smoothing = Smoothing::kSoftmax;
  Bench bench(options);
  const OwnedTensor x = bench.map({1, 2, 2}, kImage), c = bench.map({1, 2, 2}, kContent),
                    s = bench.map({1, 1, 2}, kStyle);
  bench.run(x.tensor, c.tensor, {s.tensor});
  const std::vector<double> once = bench.gradient();
  const OwnedTensor df = bench.map({1, 2, 2}, {10, 20, 30, 40});
  bench.objective().seed(0, x.tensor, df.tensor, true);
  const std::vector<double> sum = download_values(bench.backend(), df.tensor);
  for (int i = 0; i < 4; ++i) CHECK(near(sum[i], 10 * (i + 1) + once[i]));
}

TEST_CASE("a flat map has no auto temperature and keeps T = 1") {
  ObjectiveOptions options = one_tap(LossMode::kBalanced);
  options.smoothing = Smoothing::kSoftmax;
  options.temperature = 0;
  Bench bench(options);
  const OwnedTensor flat = bench.map({2, 2, 2}, std::vector<double>(8, 3.0));
  CHECK(!bench.objective().settle_temperature(0, {flat.tensor}));
  CHECK(bench.objective().taps()[0].smoothing.temperature == 1);
}

}  // namespace
}  // namespace swag
