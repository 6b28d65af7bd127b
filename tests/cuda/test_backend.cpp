// The CUDA backend as the library uses it: single ops, whole networks, a stylisation. Compiled once, linked
// with the backend for a GPU or with the one for the emulator.
#include <doctest/doctest.h>

#include <cstdio>
#include <map>
#include <set>

#include "src/backend/device_plugin.h"
#include "src/objective/evaluation.h"
#include "src/run/pixels.h"
#include "src/support/error.h"
#include "tests/backend/backend_cases.h"
#include "tests/golden.h"

namespace swag {
namespace {

using test::Golden;

/// The first device, or null, after saying why.
std::unique_ptr<Backend> device_backend() {
  try {
    return swag_cuda_plugin()->make_backend(0);
  } catch (const Error& error) {
    std::printf("SKIP: %s\n", error.what());
    return nullptr;
  }
}

#define REQUIRE_BACKEND(name)                             \
  const std::unique_ptr<Backend> name = device_backend(); \
  if (!name) return

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
