#include "src/run/plan.h"

#include <algorithm>
#include <cmath>

#include "kernels/normalize.h"
#include "src/image/resize.h"
#include "src/image/transparency.h"
#include "src/support/error.h"

namespace swag {
namespace {

constexpr double kLargestStyle = 1 << 26;  // longest side: far beyond any memory, far from overflows
constexpr double kAdamBeta2 = 0.99;        // a picture's gradients change faster than a network's

/// The size's longest side divided by `factor`, the other one as the content has it.
Size reduced(Size size, double factor, const StylizeOptions& options, Size content) {
  const auto divided = [&](int length) { return static_cast<int>(std::lround(length / factor)); };
  if (options.size.w > 0) return {std::max(1, divided(size.h)), std::max(1, divided(size.w))};
  SizeRule rule;
  rule.longest = std::max(1, divided(std::max(size.h, size.w)));
  return target_size(rule, content.h, content.w);
}

void check_reach(const Graph& graph, int last, Size size, const std::string& what) {
  if (reaches_node(graph, size, last)) return;
  throw Error(Status::kImage, what + ": at " + text_of(size) + " pixels it is too small for " +
                                  graph.nodes[last].tap + " of " + graph.network +
                                  "; use a larger --size or --style-scale, or shallower layers");
}

}  // namespace

bool reaches_node(const Graph& graph, Size size, int last) {
  try {
    graph.shapes(size.h, size.w, last);
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::string text_of(Size size) { return std::to_string(size.w) + "x" + std::to_string(size.h); }

SizeRule style_rule(const StylizeOptions& options, Size output) {
  SizeRule rule;
  rule.original = !options.resize;
  const double longest = std::max(output.h, output.w) * options.style_scale;
  rule.longest = std::max(1, static_cast<int>(std::lround(std::min(longest, kLargestStyle))));
  return rule;
}

Size style_size(const StylizeOptions& options, Size output, Size style) {
  return target_size(style_rule(options, output), style.h, style.w);
}

std::vector<Size> scale_sizes(const StylizeOptions& options, Size content) {
  const Size output = options.resize ? target_size(options.size, content.h, content.w) : content;
  std::vector<Size> sizes = {output};
  const int scales = options.resize ? options.scales : 1;
  while (static_cast<int>(sizes.size()) < scales) {
    const double factor = std::pow(options.scale_factor, static_cast<double>(sizes.size()));
    const Size next = reduced(output, factor, options, content);
    if (std::max(next.h, next.w) < options.min_scale) break;
    sizes.insert(sizes.begin(), next);
  }
  return sizes;
}

void check_visible(const Image& image, const std::string& what) {
  if (anything_visible(image)) return;
  throw Error(Status::kImage, what +
                                  ": it is transparent everywhere, there is nothing to see; use another, " +
                                  "or take its alpha away");
}

void check_images(const Graph& graph, int last, const StylizeOptions& options, const Image& content,
                  const std::vector<Image>& styles) {
  const Size output = scale_sizes(options, {content.h, content.w}).back();
  check_visible(content, "content image");
  check_reach(graph, last, output, "content image");
  for (size_t i = 0; i < styles.size(); ++i) {
    const std::string what = "style image " + std::to_string(i + 1);
    check_visible(styles[i], what);
    check_reach(graph, last, style_size(options, output, {styles[i].h, styles[i].w}), what);
  }
}

std::vector<Size> usable_scales(const Graph& graph, int last, const StylizeOptions& options,
                                const Image& content, const std::vector<Image>& styles) {
  std::vector<Size> sizes = scale_sizes(options, {content.h, content.w});
  const auto usable = [&](Size size) {
    return reaches_node(graph, size, last) &&
           std::all_of(styles.begin(), styles.end(), [&](const Image& style) {
             return reaches_node(graph, style_size(options, size, {style.h, style.w}), last);
           });
  };
  while (sizes.size() > 1 && !usable(sizes.front())) sizes.erase(sizes.begin());
  return sizes;
}

Graph graph_for(const Graph& graph, const StylizeOptions& options) {
  return options.padding == Padding::kReplicate ? with_replicated_edge(graph) : graph;
}

OptimizerOptions optimizer_options(const StylizeOptions& options) {
  if (options.optimizer == OptimizerKind::kAdam) {
    AdamOptions adam;
    adam.learning_rate = options.learning_rate;
    adam.beta2 = kAdamBeta2;
    for (int c = 0; c < 3; ++c) {
      adam.units[c] = 1 / pixel_deviation(c);
      if (!options.clamp) continue;
      adam.lowest[c] = normalized(0, c);
      adam.highest[c] = normalized(1, c);
    }
    return adam;
  }
  LbfgsOptions lbfgs;
  lbfgs.history = options.history;
  lbfgs.learning_rate = options.learning_rate;
  lbfgs.step = options.optimizer == OptimizerKind::kLbfgs ? LbfgsOptions::Step::kStrongWolfe
                                                          : LbfgsOptions::Step::kFixed;
  return lbfgs;
}

}  // namespace swag
