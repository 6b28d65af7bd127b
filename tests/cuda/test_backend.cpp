// The CUDA backend as the library uses it: single ops, whole networks, a stylisation. Compiled once, linked
// with the backend for a GPU or with the one for the emulator.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <set>

#include "src/backend/device_plugin.h"
#include "src/objective/evaluation.h"
#include "src/run/pixels.h"
#include "src/support/error.h"
#include "tests/backend/backend_cases.h"
#include "tests/cuda/device_backend.h"
#include "tests/golden.h"

namespace swag {
namespace {

using test::Golden;

}  // namespace

TEST_CASE("the CUDA backend runs each op on its tensors") {
  REQUIRE_BACKEND(backend);
  test::check_network_ops<float>(*backend);
  test::check_loss_ops<float>(*backend);
  test::check_wasserstein_ops<float>(*backend);
  test::check_convolution_and_optimiser_ops<float>(*backend);
  test::check_lbfgs_ops<float>(*backend);
}

TEST_CASE("the CUDA backend's memory is aligned, copied and cleared, and given back") {
  REQUIRE_BACKEND(backend);
  test::check_memory(*backend);  // once before: what it launches is loaded then, and stays
  const int64_t before = backend->available_bytes();
  {
    const Buffer large(*backend, int64_t{64} << 20);
    CHECK(reinterpret_cast<uintptr_t>(large.data()) % 64 == 0);
    CHECK(backend->available_bytes() <= before - (int64_t{64} << 20));
    test::check_memory(*backend);
  }
  CHECK(backend->available_bytes() >= before - (int64_t{2} << 20));  // what a driver keeps for itself
}

TEST_CASE("memory that a device does not have is an error that names the need, and does no harm") {
  REQUIRE_BACKEND(backend);
  test::check_impossible_memory(*backend);
  test::check_network_ops<float>(*backend);
}

TEST_CASE("a device that is not there is an error, and double precision is for the CPU") {
  REQUIRE_BACKEND(backend);
  CHECK(!swag_cuda_plugin()->devices().empty());
  try {
    swag_cuda_plugin()->make_backend(500);
    FAIL("made a backend for a device that is not there");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kDevice);
  }
  CHECK(backend->computes_in(DType::kFloat32));
  CHECK(!backend->computes_in(DType::kFloat64));
}

TEST_CASE("two CUDA backends compute side by side") {
  REQUIRE_BACKEND(first);
  REQUIRE_BACKEND(second);
  test::check_loss_ops<float>(*first);
  test::check_loss_ops<float>(*second);
}

TEST_CASE("on CUDA losses, statistics and gradient agree with PyTorch's float64") {
  REQUIRE_BACKEND(backend);
  const std::unique_ptr<Backend> cpu = make_cpu_backend(0);
  std::set<std::string> networks;
  for (const Golden& golden : Golden::all()) {
    if (golden.network() != "vgg19" && golden.network() != "resnet50") continue;
    // They differ from others in what the host makes of the same sums.
    const bool repeats = golden.name() == "vgg19_none_T1_authors" || golden.name() == "vgg19_none_T1_mse" ||
                         golden.name() == "vgg19_none_T1_paper" ||
                         golden.name() == "resnet50_scale_T1000_authors";
    if (repeats && !std::getenv("SWAG_GOLDEN")) continue;
    CAPTURE(golden.name());
    const Dump exact = golden.run(*cpu, DType::kFloat64, nullptr);
    const Golden::Errors imposed =
        golden.compare(golden.run(*backend, DType::kFloat32, &exact.signs), test::kSingleTolerances);
    std::printf("%-36s losses %.1e, statistics %.1e, gradient %.1e", golden.name().c_str(), imposed.losses,
                imposed.statistics, imposed.gradient);
    if (networks.insert(golden.network()).second) {  // one of each: what differs is the gradient's way alone
      const Golden::Errors free =
          golden.compare(golden.run(*backend, DType::kFloat32, nullptr), test::kFreeTolerances);
      std::printf(", with its own signs %.1e", free.gradient);
    }
    std::printf("\n");
  }
  CHECK(networks.size() == 2);
}

TEST_CASE("on tensor cores losses, statistics and gradient agree with PyTorch's float64 as far as bits go") {
  REQUIRE_BACKEND(backend);
  if (!backend->computes_in(DType::kTf32)) return;
  const std::unique_ptr<Backend> cpu = make_cpu_backend(0);
  int compared = 0;
  // The emulator takes a minute for each; the two have the kernels in common.
  const bool emulated = backend->description().find("emulator") == 0 && !std::getenv("SWAG_GOLDEN");
  for (const Golden& golden : Golden::all()) {
    const bool vgg = golden.name() == "vgg19_none_T1_balanced";
    if (!vgg && golden.name() != "resnet50_none_T1_paper") continue;
    CAPTURE(golden.name());
    ++compared;
    const Dump exact = golden.run(*cpu, DType::kFloat64, nullptr);
    for (const DType dtype : {DType::kTf32, DType::kFloat16}) {
      const bool half = dtype == DType::kFloat16;
      if (emulated && half == vgg) continue;
      CAPTURE(half);
      const Golden::Errors imposed = golden.compare(golden.run(*backend, dtype, &exact.signs),
                                                    half ? test::kHalfTolerances : test::kTf32Tolerances);
      std::printf("%-32s%s losses %.1e, statistics %.1e, gradient %.1e\n", golden.name().c_str(),
                  half ? "half" : "tf32", imposed.losses, imposed.statistics, imposed.gradient);
    }
  }
  CHECK((compared == 2 || std::getenv("SWAG_GOLDEN")));
}

namespace {

Image picture(int h, int w, uint64_t seed) {
  Image image;
  image.h = h;
  image.w = w;
  for (const double value : test::random_vector<double>(int64_t{h} * w * 3, seed, 0, 1)) {
    image.rgb.push_back(static_cast<float>(value));
  }
  return image;
}

/// The objective's gradient with the network lowered in a given way, taking the way back of `signs`.
struct Lowered {
  LossValues losses;
  std::vector<double> gradient;
  std::vector<std::vector<uint8_t>> signs;
};

Lowered evaluate(Backend& backend, DType dtype, const Model& model, const ObjectiveOptions& options,
                 const LoweringOptions& lowering, const std::vector<std::vector<uint8_t>>* signs) {
  Objective objective(backend, model.graph, dtype, options);
  const PreparedNetwork network(backend, model.graph, model.weights, dtype, objective.deepest(), true,
                                lowering);
  const OwnedTensor x = normalized_pixels(backend, dtype, picture(37, 45, 1)),
                    content = normalized_pixels(backend, dtype, picture(37, 45, 2)),
                    style = normalized_pixels(backend, dtype, picture(50, 33, 3));
  Targets targets;
  targets.content = content.tensor;
  targets.styles = {style.tensor};
  targets.blend = {1.0};
  Evaluation evaluation(network, std::move(objective), targets);
  evaluation.record_signs();
  if (signs) evaluation.impose_signs(*signs);
  Lowered result;
  result.losses = evaluation.evaluate(x.tensor);
  result.gradient = download_values(backend, evaluation.gradient());
  result.signs = evaluation.signs();
  return result;
}

}  // namespace

TEST_CASE("on CUDA every way to lower a network gives the CPU's loss and gradient, whatever the pooling") {
  REQUIRE_BACKEND(backend);
  const std::unique_ptr<Backend> cpu = make_cpu_backend(0);
  struct Case {
    bool average_pooling;
    LoweringOptions lowering;
    bool replicated_edge = false;
  };
  const std::map<std::string, std::vector<std::string>> kLayers = {{"vgg11_bn", {"relu1_1", "relu3_1"}},
                                                                   {"resnet18", {"conv1", "layer2"}},
                                                                   {"concat", {"branch", "last"}}};
  for (const Case& way : {Case{false, {false, false}}, Case{true, {false, true}}, Case{false, {true, false}},
                          Case{false, {}, true}}) {
    for (const std::string network : {"vgg11_bn", "resnet18", "concat"}) {
      CAPTURE(network);
      CAPTURE(way.lowering.fold_batch_norm);
      CAPTURE(way.lowering.fuse);
      Model model = *test::splitmix_model(network, 3, way.average_pooling);
      if (way.replicated_edge) model.graph = with_replicated_edge(model.graph);
      ObjectiveOptions options;
      options.tv_weight = 0.1;
      options.style_layers = kLayers.at(network);
      options.content_layers = {options.style_layers.back()};
      const Lowered exact = evaluate(*cpu, DType::kFloat64, model, options, way.lowering, nullptr);
      const Lowered device = evaluate(*backend, DType::kFloat32, model, options, way.lowering, &exact.signs);
      const double loss_error = std::abs(device.losses.total - exact.losses.total) / exact.losses.total;
      const double gradient_error = test::relative_l2(device.gradient, exact.gradient);
      CHECK_FALSE(!(loss_error <= 1e-4));
      CHECK_FALSE(!(gradient_error <= 2e-4));
    }
  }
}

namespace {

struct Stylised {
  double first_loss = 0, last_loss = 0;
  Image image;
};

Stylised stylise(const std::shared_ptr<const Model>& model, std::unique_ptr<Backend> backend,
                 const StylizeOptions& options) {
  Stylizer stylizer(model, std::move(backend), options, test::golden_image("content_96x72.png"),
                    {test::golden_image("style_80x100.png")}, nullptr, {});
  Stylised result;
  while (!stylizer.progress().done) {
    const Progress progress = stylizer.step();
    if (result.first_loss == 0) result.first_loss = progress.loss;
    result.last_loss = progress.loss;
  }
  result.image = stylizer.image();
  return result;
}

}  // namespace

TEST_CASE("half precision keeps clear of its range's ends, however large or small a layer's values are") {
  REQUIRE_BACKEND(backend);
  if (!backend->computes_in(DType::kFloat16)) return;
  const std::unique_ptr<Backend> cpu = make_cpu_backend(0);
  Model model = *test::splitmix_model("vgg11", 3);
  // Every other layer makes maps far beyond float16's range, and the next ones of what is left below it.
  int layer = 0;
  for (const Node& node : model.graph.nodes) {
    if (node.op != Op::kConv2d) continue;
    const auto factor = static_cast<float>(std::ldexp(1.0, layer++ % 2 == 0 ? 24 : -30));
    for (float& weight : model.weights.values.at(node.parameters + ".weight")) weight *= factor;
  }
  ObjectiveOptions options;
  options.style_layers = {"relu1_1", "relu2_1", "relu3_1"};
  options.content_layers = {"relu2_1"};
  const auto dump = [&](Backend& device, DType dtype, const std::vector<std::vector<uint8_t>>* signs) {
    return dump_objective(device, model, dtype, options, picture(37, 45, 2), {picture(50, 33, 3)}, {1.0},
                          picture(37, 45, 1), signs);
  };
  const Dump exact = dump(*cpu, DType::kFloat64, nullptr),
             half = dump(*backend, DType::kFloat16, &exact.signs);
  CHECK_FALSE(!(test::relative_l2(half.at("total_loss").values, exact.at("total_loss").values) <= 1e-3));
  CHECK_FALSE(!(test::relative_l2(half.at("gradient").values, exact.at("gradient").values) <= 3e-2));
}

TEST_CASE("an evaluation that is replayed as a graph gives the bytes of one that is not") {
  REQUIRE_BACKEND(backend);
  Model model;
  model.graph = make_network("vgg11");
  model.weights = random_weights(model.graph, 1);
  for (const StyleLossKind style_loss : {StyleLossKind::kGram, StyleLossKind::kWasserstein}) {
    for (const DType dtype : {DType::kFloat32, DType::kTf32, DType::kFloat16}) {
      if (!backend->computes_in(dtype)) continue;
      CAPTURE(static_cast<int>(style_loss));
      CAPTURE(static_cast<int>(dtype));
      ObjectiveOptions options;
      options.style_loss = style_loss;
      options.style_layers = {"relu1_1", "relu2_1"};
      options.content_layers = {"relu2_1"};
      options.tv_weight = 0.1;
      // Three pictures, one after the other, in one place.
      const auto run = [&](const char* graph) {
        setenv("SWAG_CUDA_GRAPH", graph, 1);
        Objective objective(*backend, model.graph, DType::kFloat32, options);
        const PreparedNetwork network(*backend, model.graph, model.weights, dtype, objective.deepest(), true);
        const OwnedTensor x = normalized_pixels(*backend, DType::kFloat32, picture(18, 20, 1)),
                          style = normalized_pixels(*backend, DType::kFloat32, picture(16, 22, 2));
        Targets targets;
        targets.content = x.tensor;
        targets.styles = {style.tensor};
        targets.blend = {1.0};
        Evaluation evaluation(network, std::move(objective), targets);
        std::vector<double> values;
        for (const uint64_t seed : {3, 4, 5, 3}) {
          const OwnedTensor next = normalized_pixels(*backend, DType::kFloat32, picture(18, 20, seed));
          backend->copy(x.tensor.data, next.tensor.data, x.buffer.bytes());
          values.push_back(evaluation.evaluate(x.tensor).total);
          for (const double value : download_values(*backend, evaluation.gradient())) values.push_back(value);
        }
        unsetenv("SWAG_CUDA_GRAPH");
        return values;
      };
      const std::vector<double> replayed = run("1");
      CHECK(replayed == run("0"));
      CHECK(replayed.front() == replayed[3 * replayed.size() / 4]);
      CHECK(replayed.front() != replayed[replayed.size() / 4]);
    }
  }
}

TEST_CASE(
    "SWAG_WGMMA=1 takes Hopper's kernels, which give the same loss and gradient but for the order of sums") {
  Model model;
  model.graph = make_network("vgg11");
  model.weights = random_weights(model.graph, 1);
  ObjectiveOptions options;
  options.style_layers = {"relu1_1", "relu2_1"};
  options.content_layers = {"relu3_1"};
  // Tiles are others, so scratch is: the one thing that says from outside which kernels are taken.
  Conv2dParams few;
  few.layer = {512, 512, 3, 3, 1, 1, 1, 1};
  few.h = few.w = 16;
  few.x_pitch = few.y_pitch = 512;
  few.algorithm = Conv2dAlgorithm::kTensorCores;
  std::vector<int64_t> scratch;
  const auto run = [&](const char* wgmma) {
    setenv("SWAG_WGMMA", wgmma, 1);
    const std::unique_ptr<Backend> backend = test::device_backend();
    unsetenv("SWAG_WGMMA");
    std::vector<double> values;
    if (!backend || !backend->computes_in(DType::kTf32)) return values;
    scratch.push_back(backend->conv2d_workspace_bytes(few, Conv2dDirection::kForward, DType::kTf32));
    Objective objective(*backend, model.graph, DType::kFloat32, options);
    const PreparedNetwork network(*backend, model.graph, model.weights, DType::kTf32, objective.deepest(),
                                  true);
    const OwnedTensor x = normalized_pixels(*backend, DType::kFloat32, picture(18, 20, 1)),
                      style = normalized_pixels(*backend, DType::kFloat32, picture(16, 22, 2));
    Targets targets;
    targets.content = x.tensor;
    targets.styles = {style.tensor};
    targets.blend = {1.0};
    Evaluation evaluation(network, std::move(objective), targets);
    values.push_back(evaluation.evaluate(x.tensor).total);
    values.push_back(evaluation.evaluate(x.tensor).total);  // captured as a graph
    for (const double value : download_values(*backend, evaluation.gradient())) values.push_back(value);
    return values;
  };
  const std::vector<double> by_mma = run("0"), by_wgmma = run("1");
  REQUIRE(by_mma.size() == by_wgmma.size());
  CHECK_FALSE(!(test::relative_l2(by_wgmma, by_mma) <= 1e-3));  // a rounding to TF32 that goes the other way
  if (scratch.empty()) return;
  const bool hopper = swag_cuda_plugin()->devices()[0].detail.find("capability 9.") != std::string::npos;
  CHECK((scratch[0] != scratch[1]) == hopper);
}

TEST_CASE("a stylisation on CUDA ends where the CPU's ends") {
  for (const OptimizerKind optimizer : {OptimizerKind::kLbfgs, OptimizerKind::kAdam}) {
    REQUIRE_BACKEND(backend);
    StylizeOptions options;
    options.optimizer = optimizer;
    options.learning_rate = default_learning_rate(optimizer);
    options.size.longest = 48;
    options.scales = optimizer == OptimizerKind::kAdam ? 2 : 1;
    options.iterations = 12;
    options.objective.smoothing = Smoothing::kSoftmax;
    options.objective.temperature = 0;
    const auto model = test::splitmix_model("resnet18", 5);
    const Stylised cpu = stylise(model, make_cpu_backend(0), options);
    const Stylised device = stylise(model, swag_cuda_plugin()->make_backend(0), options);
    CAPTURE(name_of(optimizer));
    CAPTURE(cpu.first_loss);
    CAPTURE(cpu.last_loss);
    CAPTURE(device.last_loss);
    CHECK(device.last_loss < 0.8 * device.first_loss);
    const bool close = std::abs(device.last_loss - cpu.last_loss) <= 0.03 * cpu.last_loss;
    CHECK(close);
    CHECK(device.image.rgb.size() == cpu.image.rgb.size());
    std::printf("%-12s loss %.4g to %.4g, on the CPU to %.4g\n", name_of(optimizer), device.first_loss,
                device.last_loss, cpu.last_loss);
  }
}

}  // namespace swag
