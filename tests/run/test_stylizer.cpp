#include <doctest/doctest.h>

#include <cmath>

#include "src/image/transparency.h"
#include "src/objective/evaluation.h"
#include "src/run/pixels.h"
#include "src/run/plan.h"
#include "src/run/stylizer.h"
#include "src/support/error.h"
#include "src/weights/weights.h"
#include "tests/helpers.h"
#include "tests/image/transparent_pictures.h"

namespace swag {
namespace {

Image picture(int h, int w, uint64_t seed) {
  Image image;
  image.h = h;
  image.w = w;
  test::Random random(seed);
  const double phase = random.uniform(0, 6), rate = random.uniform(0.1, 0.4);
  for (int r = 0; r < h; ++r) {
    for (int q = 0; q < w; ++q) {
      for (int c = 0; c < 3; ++c) {
        const double wave = 0.5 + 0.3 * std::sin(rate * (r + c * q) + phase);
        image.rgb.push_back(static_cast<float>(wave + random.uniform(-0.15, 0.15)));
      }
    }
  }
  return image;
}

std::shared_ptr<const Model> tiny_model(const std::string& network = "vgg11") {
  Model model;
  model.graph = make_network(network);
  model.weights = random_weights(model.graph, 1);
  return std::make_shared<const Model>(std::move(model));
}

StylizeOptions quick_options() {
  StylizeOptions options;
  options.size.longest = 48;
  options.scales = 1;
  options.iterations = 6;
  options.objective.style_layers = {"relu1_1", "relu2_1"};
  options.objective.content_layers = {"relu2_1"};
  options.objective.style_weight = 100;
  return options;
}

/// Steps until the run is done or throws; how it ended.
Status finish(Stylizer& stylizer) {
  try {
    while (!stylizer.progress().done) stylizer.step();
  } catch (const Error& error) {
    return error.status();
  }
  return Status::kOk;
}

struct Run {
  Image image;
  std::vector<Progress> steps;
};

Run run(const StylizeOptions& options, const Callbacks& callbacks = {}, int threads = 2) {
  Stylizer stylizer(tiny_model(), make_cpu_backend(threads), options, picture(40, 48, 1),
                    {picture(36, 30, 2)}, nullptr, callbacks);
  Run result;
  while (!stylizer.progress().done) result.steps.push_back(stylizer.step());
  result.image = stylizer.image();
  return result;
}

TEST_CASE("the loss falls, for every optimiser") {
  for (OptimizerKind kind : {OptimizerKind::kLbfgs, OptimizerKind::kLbfgsPlain, OptimizerKind::kAdam}) {
    CAPTURE(name_of(kind));
    StylizeOptions options = quick_options();
    options.optimizer = kind;
    options.iterations = 15;
    if (kind == OptimizerKind::kAdam) options.learning_rate = 0.05;
    double first = 0, last = 0;
    Callbacks callbacks;
    callbacks.progress = [&](const Progress& progress) {
      if (progress.evaluations == 1) first = progress.loss;
      last = progress.loss;
      return true;
    };
    const Run result = run(options, callbacks);
    CHECK(last < 0.6 * first);
    CHECK(result.steps.back().done);
    CHECK(result.steps.back().fraction == 1.0);
    CHECK(result.image.h == 40);
    CHECK(result.image.w == 48);
  }
}

TEST_CASE("the same run gives the same bytes, whatever the number of threads") {
  const Run a = run(quick_options(), {}, 1), b = run(quick_options(), {}, 2), c = run(quick_options(), {}, 3);
  CHECK(a.image.rgb == b.image.rgb);
  CHECK(a.image.rgb == c.image.rgb);
}

TEST_CASE("scales go from coarse to fine and end at the output's size") {
  StylizeOptions options = quick_options();
  options.size.longest = 256;
  options.scales = 5;
  const std::vector<Size> sizes = scale_sizes(options, {300, 600});
  CHECK(sizes == std::vector<Size>{{64, 128}, {128, 256}});
  options.scale_factor = std::sqrt(2.0);
  CHECK(scale_sizes(options, {300, 600}) == std::vector<Size>{{64, 128}, {91, 181}, {128, 256}});
  options.min_scale = 129;
  CHECK(scale_sizes(options, {300, 600}) == std::vector<Size>{{91, 181}, {128, 256}});
  options.min_scale = 96;
  options.scale_factor = 16;
  CHECK(scale_sizes(options, {300, 600}) == std::vector<Size>{{128, 256}});
  options.resize = false;
  CHECK(scale_sizes(options, {300, 600}) == std::vector<Size>{{300, 600}});
}

TEST_CASE("the preset crowson has style-transfer-pytorch's sizes") {
  StylizeOptions options = find_preset("crowson").options;
  const std::vector<Size> sizes = scale_sizes(options, {768, 1024});
  CHECK(sizes == std::vector<Size>{{96, 128}, {136, 181}, {192, 256}, {272, 362}, {384, 512}});
  options.size.longest = 100;
  CHECK(scale_sizes(options, {768, 1024}) == std::vector<Size>{{75, 100}});
}

TEST_CASE("the first scale may have more iterations than the others") {
  StylizeOptions options = quick_options();
  options.size.longest = 200;
  options.scales = 2;
  options.iterations = 2;
  options.initial_iterations = 5;
  std::vector<int> steps(2);
  for (const Progress& progress : run(options).steps) steps[progress.scale] = progress.iteration;
  CHECK(steps[1] == 2);
  Callbacks callbacks;
  int most = 0;
  callbacks.progress = [&](const Progress& progress) {
    if (progress.scale == 0) most = std::max(most, progress.iteration);
    return true;
  };
  run(options, callbacks);
  CHECK(most == 5);
}

TEST_CASE("with an average the picture is that of the iterates, the start among them") {
  for (OptimizerKind kind : {OptimizerKind::kLbfgs, OptimizerKind::kLbfgsPlain, OptimizerKind::kAdam}) {
    CAPTURE(name_of(kind));
    StylizeOptions options = quick_options();
    options.optimizer = kind;
    options.learning_rate = default_learning_rate(kind);
    options.average = 0.5;
    options.iterations = 0;
    const Image start = run(options).image;
    options.iterations = 1;
    const Image averaged = run(options).image;
    // Where that step leads, for all: what a second one's first evaluation sees, but for Adam and a fixed
    // step, which are there already.
    options.average = 1e-9;
    const Image first = run(options).image;
    CHECK(first.rgb != start.rgb);
    double worst = 0;
    for (size_t i = 0; i < start.rgb.size(); ++i) {
      const double a = start.rgb[i], b = first.rgb[i];
      if (std::min(a, b) <= 0 || std::max(a, b) >= 1) continue;  // clamped on the way out
      worst = std::max(worst, std::abs(averaged.rgb[i] - (a + 2 * b) / 3));
    }
    const bool close = worst <= 2e-6;
    CAPTURE(worst);
    CHECK(close);
  }
}

TEST_CASE("clamped steps stay within what a picture can show") {
  StylizeOptions options = quick_options();
  options.optimizer = OptimizerKind::kAdam;
  options.learning_rate = 0.4;
  options.clamp = true;
  options.iterations = 12;
  options.init = Init::kRandom;  // reaches beyond
  const auto backend = make_cpu_backend(1);
  const OptimizerOptions chosen = optimizer_options(options);
  const auto& adam = std::get<AdamOptions>(chosen);
  CHECK(adam.lowest[1] == doctest::Approx(-0.456 / 0.224));
  CHECK(adam.highest[2] == doctest::Approx((1 - 0.406) / 0.225));
  CHECK(adam.units[0] == doctest::Approx(1 / 0.229));
  CHECK(run(options).steps.back().done);
}

TEST_CASE("a picture of one colour gets no frame where its edge is repeated") {
  StylizeOptions options = quick_options();
  options.objective.style_weight = 0;
  options.objective.content_weight = 0;
  options.objective.tv_weight = 1;
  options.padding = Padding::kReplicate;
  options.iterations = 2;
  CHECK_NOTHROW(run(options));
  // Features of a flat picture are flat to the edge, and so no gradient tells its edge from its middle.
  const auto backend = make_cpu_backend(1);
  const Graph graph = with_replicated_edge(make_network("vgg11"));
  const Weights weights = random_weights(graph, 1);
  const int node = graph.tap_node("relu1_1");
  const PreparedNetwork network(*backend, graph, weights, DType::kFloat64, node, false);
  const OwnedTensor x(*backend, DType::kFloat64, {9, 7, 3});
  upload_values(*backend, x.tensor, std::vector<double>(9 * 7 * 3, 0.7));
  visit_features(network, x.tensor, {node}, [&](int, const Tensor& f) {
    const std::vector<double> values = download_values(*backend, f);
    int wrong = 0;
    for (size_t i = 0; i < values.size(); ++i)
      wrong += !(std::abs(values[i] - values[i % f.shape.c]) <= 1e-12);
    CHECK(f.shape == Shape{9, 7, 64});
    CHECK(wrong == 0);
  });
}

TEST_CASE("a run over several scales counts its evaluations through and its steps anew") {
  for (OptimizerKind kind : {OptimizerKind::kLbfgs, OptimizerKind::kAdam}) {
    StylizeOptions options = quick_options();
    options.size.longest = 200;
    options.scales = 2;
    options.iterations = 3;
    options.optimizer = kind;
    if (kind == OptimizerKind::kAdam) options.learning_rate = 0.02;
    int widest = 0;
    double fraction = 0;
    Callbacks callbacks;
    callbacks.progress = [&](const Progress& progress) {
      CHECK(progress.width >= widest);
      CHECK(progress.fraction >= fraction);
      CHECK(progress.iteration <= 3);
      widest = progress.width;
      fraction = progress.fraction;
      return true;
    };
    const Run result = run(options, callbacks);
    CHECK(widest == 200);
    CHECK(result.steps.back().evaluations >= 6);
    CHECK(result.image.w == 200);
  }
}

TEST_CASE("no iterations give the starting picture") {
  StylizeOptions options = quick_options();
  options.iterations = 0;
  const Image content = picture(40, 48, 1), result = run(options).image;
  const bool close = test::worst_element(result.rgb, content.rgb) <= 1e-6;
  CHECK(close);
}

TEST_CASE("a run that is stopped keeps its best picture and can go on") {
  StylizeOptions options = quick_options();
  int left = 4;
  Callbacks callbacks;
  callbacks.progress = [&](const Progress&) { return left-- > 0; };
  Stylizer stylizer(tiny_model(), make_cpu_backend(1), options, picture(40, 48, 1), {picture(36, 30, 2)},
                    nullptr, callbacks);
  CHECK(finish(stylizer) == Status::kInterrupted);
  CHECK(stylizer.image().rgb != picture(40, 48, 1).rgb);
  left = 1000;
  while (!stylizer.progress().done) stylizer.step();
  CHECK(stylizer.progress().iteration == options.iterations);
}

TEST_CASE("a run that diverges goes back to its best state, says so, and never ends in noise") {
  StylizeOptions options = quick_options();
  options.optimizer = OptimizerKind::kAdam;
  options.learning_rate = 1e6;  // its first step leaves for noise
  options.iterations = 50;
  int warnings = 0;
  Callbacks callbacks;
  callbacks.log = [&](LogLevel level, const std::string& message) {
    if (level == LogLevel::kWarning && message.find("back to the best state") != std::string::npos)
      ++warnings;
  };
  Stylizer stylizer(tiny_model(), make_cpu_backend(1), options, picture(40, 48, 1), {picture(36, 30, 2)},
                    nullptr, callbacks);
  CHECK(finish(stylizer) == Status::kDiverged);
  CHECK(warnings == 3);
  const bool close = test::worst_element(stylizer.image().rgb, picture(40, 48, 1).rgb) <= 1e-5;
  CHECK(close);  // nothing was better than the start
}

TEST_CASE("random and given starts are used") {
  StylizeOptions options = quick_options();
  options.iterations = 0;
  options.init = Init::kRandom;
  const Image a = run(options).image;
  options.seed = 1;
  CHECK(run(options).image.rgb != a.rgb);
  options.init = Init::kImage;
  const Image start = picture(80, 96, 9);
  Stylizer stylizer(tiny_model(), make_cpu_backend(1), options, picture(40, 48, 1), {picture(36, 30, 2)},
                    &start, {});
  const Image expected = resize(start, 40, 48);
  const bool close = test::worst_element(stylizer.image().rgb, expected.rgb) <= 1e-6;
  CHECK(close);
  CHECK_THROWS_AS(run(options), Error);  // no image given
}

TEST_CASE("the content's alpha is carried to the output") {
  Image content = picture(80, 96, 1);
  content.alpha.assign(80 * 96, 0.25f);
  Stylizer stylizer(tiny_model(), make_cpu_backend(1), quick_options(), content, {picture(36, 30, 2)},
                    nullptr, {});
  const Image result = stylizer.image();
  REQUIRE(result.alpha.size() == 40 * 48);
  CHECK(std::abs(result.alpha[777] - 0.25f) < 1e-6f);
}

/// The picture of a run at two scales with every kind of alpha.
Image run_with_alpha(const Image& content, const Image& style, const StylizeOptions& options) {
  Stylizer stylizer(tiny_model(), make_cpu_backend(2), options, content, {style}, nullptr, {});
  CHECK(finish(stylizer) == Status::kOk);
  return stylizer.image();
}

TEST_CASE("what pictures hide under their transparency does not decide the result") {
  StylizeOptions options = quick_options();
  options.size.longest = 100;
  options.objective.tv_weight = 0.1;
  const Image content = test::disc(80, 100, {0.2f, 0.5f, 0.7f}, 0),
              style = test::disc(90, 90, {0.9f, 0.4f, 0.1f}, 0);
  for (const Init init : {Init::kContent, Init::kRandom}) {
    options.init = init;
    for (const bool resize : {true, false}) {
      options.resize = resize;
      options.scales = resize ? 2 : 1;
      const Image first = run_with_alpha(content, style, options);
      const Image second =
          run_with_alpha(test::with_hidden(content, 1), test::with_hidden(style, 0.5f), options);
      CHECK(first.rgb == second.rgb);
      CHECK(first.alpha == second.alpha);
    }
  }
}

TEST_CASE("invisible pixels of the output have the colours around them, not what the optimiser left there") {
  StylizeOptions options = quick_options();
  options.size.original = true;
  options.init = Init::kRandom;
  const Image result = run_with_alpha(test::disc(48, 48, {0.2f, 0.5f, 0.7f}, 1),
                                      test::disc(48, 48, {0.9f, 0.4f, 0.1f}, 0), options);
  const Image filled = with_invisible_filled(result);
  CHECK(filled.rgb == result.rgb);
}

TEST_CASE("a picture that is transparent everywhere is refused before anything runs") {
  const Image seen = picture(40, 48, 1), clear = test::disc(40, 48, {1, 0, 0}, 0, 0);
  const auto begin = [](const Image& content, const Image& style, const Image* start) {
    StylizeOptions options = quick_options();
    if (start) options.init = Init::kImage;
    Stylizer(tiny_model(), make_cpu_backend(1), options, content, {style}, start, {});
  };
  CHECK_THROWS_WITH_AS(begin(clear, seen, nullptr), doctest::Contains("content image: it is transparent"),
                       Error);
  CHECK_THROWS_WITH_AS(begin(seen, clear, nullptr), doctest::Contains("style image 1: it is transparent"),
                       Error);
  CHECK_THROWS_WITH_AS(begin(seen, seen, &clear), doctest::Contains("initial image: it is transparent"),
                       Error);
}

TEST_CASE("one visible pixel is enough to run") {
  Image content = picture(40, 48, 1), style = picture(36, 30, 2);
  content.alpha.assign(40 * 48, 0.0f);
  style.alpha.assign(36 * 30, 0.0f);
  content.alpha[900] = style.alpha[500] = 1;
  run_with_alpha(content, style, quick_options());
}

TEST_CASE("images too small for the deepest layer are refused before anything runs") {
  StylizeOptions options = quick_options();
  options.objective.style_layers = {"relu5_1"};
  options.size.longest = 12;
  CHECK_THROWS_WITH_AS(
      run(options), doctest::Contains("content image: at 12x10 pixels it is too small for relu5_1"), Error);
  options.size.longest = 48;
  options.style_scale = 0.2;
  CHECK_THROWS_WITH_AS(run(options),
                       doctest::Contains("style image 1: at 8x10 pixels it is too small for relu5_1"), Error);
}

TEST_CASE("a picture beyond memory is refused with the need and the largest size that fits") {
  StylizeOptions options = quick_options();
  options.size.longest = 30000;
  try {
    run(options);
    FAIL("30000x25000 pixels fitted");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kMemory);
    CHECK(std::string(error.what()).find("the largest --size that fits is ") != std::string::npos);
  }
}

TEST_CASE("devices that are not there are said to be missing") {
  CHECK_NOTHROW(make_backend("auto", 1));
  CHECK_THROWS_WITH_AS(make_backend("emulator", 1), doctest::Contains("not built in"), Error);
  // Whether there is a CUDA backend beside this program, and a GPU for it, is not this test's to say; that a
  // device of which there cannot be so many is missing, and why, is.
  for (const char* name : {"cuda", "cuda:999"}) {
    try {
      const std::string description = make_backend(name, 1)->description();
      CHECK(description.find(name) == 0);
    } catch (const Error& error) {
      CHECK(error.status() == Status::kDevice);
      CHECK(std::string(error.what()).find(std::string("device '") + name + "': ") == 0);
      CHECK(std::string(error.what()).find("use --device cpu") != std::string::npos);
    }
  }
  CHECK_THROWS_WITH_AS(make_backend("cuda:", 1), doctest::Contains("unknown device"), Error);
  CHECK_THROWS_WITH_AS(make_backend("gpu", 1), doctest::Contains("unknown device"), Error);
}

}  // namespace
}  // namespace swag
