#include "src/run/dump.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "src/objective/evaluation.h"
#include "src/run/calibration.h"
#include "src/run/pixels.h"
#include "src/run/plan.h"
#include "src/support/error.h"

namespace swag {
namespace {

/// Mean, population deviation, maximum and L2 norm.
std::vector<double> feature_statistics(const std::vector<double>& f) {
  double sum = 0, squares = 0, spread = 0, largest = f[0];
  for (double value : f) {
    sum += value;
    squares += value * value;
    largest = value > largest || std::isnan(value) ? value : largest;
  }
  const double mean = sum / static_cast<double>(f.size());
  for (double value : f) spread += (value - mean) * (value - mean);
  return {mean, std::sqrt(spread / static_cast<double>(f.size())), largest, std::sqrt(squares)};
}

/// (h, w, c) -> (c, h, w)
std::vector<double> channels_first(const std::vector<double>& values, Shape shape) {
  std::vector<double> turned(values.size());
  for (int64_t pixel = 0; pixel < shape.pixels(); ++pixel) {
    for (int c = 0; c < shape.c; ++c) turned[c * shape.pixels() + pixel] = values[pixel * shape.c + c];
  }
  return turned;
}

}  // namespace

const Dump::Entry& Dump::at(const std::string& name) const {
  for (const Entry& entry : entries) {
    if (entry.name == name) return entry;
  }
  throw Error(Status::kInternal, "no tensor " + name);
}

Dump dump_objective(Backend& backend, const Model& model, DType dtype, const ObjectiveOptions& options,
                    const Image& content, const std::vector<Image>& styles, const std::vector<double>& blend,
                    const Image& image, const std::vector<std::vector<uint8_t>>* imposed_signs,
                    Conv2dAlgorithm conv) {
  if (image.h != content.h || image.w != content.w) {
    throw Error(Status::kUsage, "--image must have the content's size, " + std::to_string(content.w) + "x" +
                                    std::to_string(content.h));
  }
  check_visible(content, "content image");
  check_visible(image, "the image to evaluate");
  for (const Image& style : styles) check_visible(style, "style image");
  const Graph& graph = model.graph;
  std::vector<int> trunk;
  for (const std::string& tap : graph.trunk_taps) trunk.push_back(graph.tap_node(tap));
  const DType pixels = arithmetic_of(dtype);
  Objective objective(backend, graph, pixels, options);
  const LoweringOptions lowering = LoweringOptions::with(conv);
  const OwnedTensor x = normalized_pixels(backend, pixels, image),
                    x_content = normalized_pixels(backend, pixels, content);
  std::vector<OwnedTensor> x_styles;
  Targets targets;
  targets.content = x_content.tensor;
  targets.content_alpha = content.alpha;
  for (const Image& style : styles) {
    x_styles.push_back(normalized_pixels(backend, pixels, style));
    targets.styles.push_back(x_styles.back().tensor);
    targets.style_alphas.push_back(style.alpha);
  }
  std::vector<Tensor> pictures = targets.styles;
  pictures.insert(pictures.end(), {x.tensor, x_content.tensor});
  const int last = std::max(objective.deepest(), trunk.back());
  const std::vector<double> scales = calibrated_scales(backend, graph, model.weights, dtype, last, pictures);
  const PreparedNetwork network(backend, graph, model.weights, dtype, objective.deepest(), true, lowering,
                                scales);
  std::optional<PreparedNetwork> deeper;
  if (trunk.back() > network.last())
    deeper.emplace(backend, graph, model.weights, dtype, trunk.back(), false, lowering, scales);
  targets.blend = blend;
  Evaluation evaluation(network, std::move(objective), targets);
  evaluation.record_signs();
  if (imposed_signs) evaluation.impose_signs(*imposed_signs);
  const LossValues losses = evaluation.evaluate(x.tensor);

  Dump dump;
  dump.signs = evaluation.signs();
  const Tensor& gradient = evaluation.gradient();
  dump.entries.push_back({"gradient",
                          {3, image.h, image.w},
                          channels_first(download_values(backend, gradient), gradient.shape)});
  dump.entries.push_back({"content_loss", {1}, {losses.content}});
  dump.entries.push_back({"total_loss", {1}, {losses.total}});
  const std::vector<Tap>& taps = evaluation.objective().taps();
  for (size_t t = 0; t < taps.size(); ++t) {
    const Tap& tap = taps[t];
    dump.entries.push_back({"temperature." + tap.name, {1}, {tap.smoothing.temperature}});
    if (tap.style < 0) continue;
    const StyleLoss::Statistics gram = evaluation.objective().gram_statistics(static_cast<int>(t));
    dump.entries.push_back({"style_loss." + tap.name, {1}, {losses.style_taps[tap.style]}});
    dump.entries.push_back({"gram_stats." + tap.name, {3}, {gram.max, gram.norm, gram.trace}});
  }
  visit_features(deeper ? *deeper : network, x.tensor, trunk, [&](int index, const Tensor& f) {
    const std::string& name = graph.nodes[trunk[index]].tap;
    dump.entries.push_back({"feature_stats." + name, {4}, feature_statistics(download_values(backend, f))});
    const bool style = std::any_of(taps.begin(), taps.end(),
                                   [&](const Tap& tap) { return tap.style >= 0 && tap.name == name; });
    if (style) dump.entries.push_back({"entropy." + name, {1}, {backend.softmax_entropy(f, 1.0)}});
  });
  return dump;
}

}  // namespace swag
