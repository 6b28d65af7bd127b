#include <doctest/doctest.h>

#include "src/objective/taps.h"
#include "src/support/error.h"

namespace swag {
namespace {

TEST_CASE("layer names and weights that do not fit are refused") {
  const Graph graph = make_network("resnet18");
  const auto build = [&](const ObjectiveOptions& options) { return resolve_taps(graph, options); };
  ObjectiveOptions options;
  options.style_layers = {"conv1", "layer2"};
  options.style_layer_weights = {1};
  CHECK_THROWS_WITH_AS(build(options), doctest::Contains("--style-layer-weights has 1 numbers for 2 layers"),
                       Error);
  options.style_layer_weights = {0, 0};
  CHECK_THROWS_WITH_AS(build(options), doctest::Contains("all 0"), Error);
  options.style_layer_weights = {};
  options.style_layers = {"layer2", "layer2.1"};
  CHECK_THROWS_WITH_AS(build(options), doctest::Contains("names layer2.1 twice"), Error);
  options.style_layers = {"conv1"};
  options.smoothing = Smoothing::kScale;
  options.smoothing_layers = {"layer4"};
  CHECK_THROWS_WITH_AS(build(options), doctest::Contains("which is no style or content layer"), Error);
}

TEST_CASE("only the named layers are smoothed") {
  const Graph graph = make_network("resnet50");
  ObjectiveOptions options;
  options.smoothing = Smoothing::kScale;
  options.temperature = 1000;
  options.smoothing_layers = {"layer3", "layer4"};
  for (const Tap& tap : resolve_taps(graph, options)) {
    const bool deep = tap.name == "layer3.5" || tap.name == "layer4.2";
    CHECK(tap.smoothing.mode == (deep ? Smoothing::kScale : Smoothing::kNone));
  }
}

}  // namespace
}  // namespace swag
