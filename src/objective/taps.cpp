#include "src/objective/taps.h"

#include <algorithm>
#include <numeric>

#include "src/support/error.h"

namespace swag {
namespace {

using Names = std::vector<std::string>;

/// One weight per layer, 1 each where none are given.
std::vector<double> layer_weights(const std::vector<double>& weights, const Names& layers,
                                  const std::string& option) {
  if (weights.empty()) return std::vector<double>(layers.size(), 1.0);
  if (weights.size() != layers.size()) {
    throw Error(Status::kUsage, option + " has " + std::to_string(weights.size()) + " numbers for " +
                                    std::to_string(layers.size()) + " layers; give one per layer");
  }
  if (!(std::accumulate(weights.begin(), weights.end(), 0.0) > 0)) {
    throw Error(Status::kUsage, option + " are all 0; one must be positive");
  }
  return weights;
}

/// The tap of a layer, by any of its names; a new one where there is none yet.
Tap& tap_of(std::vector<Tap>& taps, const Graph& graph, const std::string& name) {
  const int node = graph.tap_node(name);
  for (Tap& known : taps) {
    if (known.node == node) return known;
  }
  taps.push_back({});
  taps.back().name = graph.nodes[node].tap;
  taps.back().node = node;
  return taps.back();
}

void set_smoothing(std::vector<Tap>& taps, const Graph& graph, const ObjectiveOptions& options) {
  Names smoothed;
  for (const std::string& name : options.smoothing_layers) {
    smoothed.push_back(graph.nodes[graph.tap_node(name)].tap);
    const bool used =
        std::any_of(taps.begin(), taps.end(), [&](const Tap& tap) { return tap.name == smoothed.back(); });
    if (!used)
      throw Error(Status::kUsage,
                  "--smoothing-layers names " + name + ", which is no style or content layer");
  }
  for (Tap& tap : taps) {
    const bool named = std::find(smoothed.begin(), smoothed.end(), tap.name) != smoothed.end();
    if (!smoothed.empty() && !named) continue;
    tap.smoothing.mode = options.smoothing;
    tap.smoothing.temperature = options.smoothing == Smoothing::kNone ? 1 : options.temperature;
  }
}

}  // namespace

std::vector<Tap> resolve_taps(const Graph& graph, const ObjectiveOptions& options) {
  const Names& style = options.style_layers.empty() ? graph.default_style_taps : options.style_layers;
  const Names& content = options.content_layers.empty() ? graph.default_content_taps : options.content_layers;
  const auto style_weights = layer_weights(options.style_layer_weights, style, "--style-layer-weights");
  const auto content_weights =
      layer_weights(options.content_layer_weights, content, "--content-layer-weights");
  const double content_sum = std::accumulate(content_weights.begin(), content_weights.end(), 0.0);

  std::vector<Tap> taps;
  int styles = 0;
  for (size_t i = 0; i < style.size(); ++i) {
    Tap& tap = tap_of(taps, graph, style[i]);
    if (tap.style >= 0) throw Error(Status::kUsage, "--style-layers names " + tap.name + " twice");
    tap.style = styles++;
    tap.style_weight = style_weights[i];
  }
  for (size_t i = 0; i < content.size(); ++i) {
    Tap& tap = tap_of(taps, graph, content[i]);
    if (tap.content) throw Error(Status::kUsage, "--content-layers names " + tap.name + " twice");
    tap.content = true;
    tap.content_weight = content_weights[i] / content_sum;
  }
  set_smoothing(taps, graph, options);
  return taps;
}

}  // namespace swag
