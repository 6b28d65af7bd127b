#include "src/run/plan.h"

#include <algorithm>
#include <cmath>

#include "src/image/resize.h"
#include "src/image/transparency.h"
#include "src/objective/evaluation.h"
#include "src/support/error.h"

namespace swag {
namespace {

constexpr int kSmallestScale = 96;  // longest side of a coarse scale, in pixels: on less the content is lost

bool reaches(const Graph& graph, Size size, int last) {
  try {
    graph.shapes(size.h, size.w, last);
    return true;
  } catch (const Error&) {
    return false;
  }
}

Size half(Size size) { return {std::max(1, (size.h + 1) / 2), std::max(1, (size.w + 1) / 2)}; }

void check_reach(const Graph& graph, int last, Size size, const std::string& what) {
  if (reaches(graph, size, last)) return;
  throw Error(Status::kImage, what + ": at " + text_of(size) + " pixels it is too small for " +
                                  graph.nodes[last].tap + " of " + graph.network +
                                  "; use a larger --size or --style-scale, or shallower layers");
}

/// Of one scale: arena, the targets beside it, the optimiser's vectors. With alpha a tap's map and its
/// gradient are gathered, of which all may be visible but a pixel.
int64_t bytes_needed(const PreparedNetwork& network, const StylizeOptions& options, Size size, bool alpha) {
  Objective objective(network.backend(), network.graph(), network.dtype(), options.objective);
  ArenaPlan plan;
  Executor executor(network, size.h, size.w, objective.nodes(), true, plan);
  std::vector<Shape> shapes;
  int64_t targets = 0, gathered = 0;
  for (const Tap& tap : objective.taps()) {
    const Shape shape = executor.shape(tap.node);
    shapes.push_back(shape);
    if (tap.style >= 0) targets += int64_t{shape.c} * shape.c * 8;
    if (tap.content) targets += shape.count() * size_of(network.dtype());
    if (alpha) gathered = std::max(gathered, 2 * shape.count() * size_of(network.dtype()));
  }
  objective.plan(plan, shapes);
  const Shape pixels{size.h, size.w, 3};
  const int64_t image = pixels.count() * size_of(network.dtype());
  return plan.place() + targets + gathered + 3 * image +
         optimizer_bytes(optimizer_options(options), network.backend(), network.dtype(), pixels);
}

}  // namespace

std::string text_of(Size size) { return std::to_string(size.w) + "x" + std::to_string(size.h); }

Size style_size(const StylizeOptions& options, Size output, const Image& style) {
  if (!options.resize) return {style.h, style.w};
  SizeRule rule;
  rule.longest =
      std::max(1, static_cast<int>(std::lround(std::max(output.h, output.w) * options.style_scale)));
  return target_size(rule, style.h, style.w);
}

std::vector<Size> scale_sizes(const StylizeOptions& options, Size content) {
  std::vector<Size> sizes = {options.resize ? target_size(options.size, content.h, content.w) : content};
  const int scales = options.resize ? options.scales : 1;
  while (static_cast<int>(sizes.size()) < scales) {
    const Size next = half(sizes.front());
    if (std::max(next.h, next.w) < kSmallestScale) break;
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
    check_reach(graph, last, style_size(options, output, styles[i]), what);
  }
}

std::vector<Size> usable_scales(const Graph& graph, int last, const StylizeOptions& options,
                                const Image& content, const std::vector<Image>& styles) {
  std::vector<Size> sizes = scale_sizes(options, {content.h, content.w});
  const auto usable = [&](Size size) {
    return reaches(graph, size, last) && std::all_of(styles.begin(), styles.end(), [&](const Image& style) {
             return reaches(graph, style_size(options, size, style), last);
           });
  };
  while (sizes.size() > 1 && !usable(sizes.front())) sizes.erase(sizes.begin());
  return sizes;
}

void check_memory(const PreparedNetwork& network, const StylizeOptions& options, Size output, bool alpha) {
  constexpr double kMiB = 1024.0 * 1024.0;
  const int64_t available = network.backend().available_bytes();
  const int64_t need = bytes_needed(network, options, output, alpha);
  if (need <= available) return;
  double low = 0, high = 1;  // of the output's size
  while (high - low > 0.005) {
    const double middle = 0.5 * (low + high);
    const Size size{std::max(1, static_cast<int>(output.h * middle)),
                    std::max(1, static_cast<int>(output.w * middle))};
    const bool good = reaches(network.graph(), size, network.last()) &&
                      bytes_needed(network, options, size, alpha) <= available;
    (good ? low : high) = middle;
  }
  throw Error(Status::kMemory, "an image of " + text_of(output) + " pixels needs " +
                                   std::to_string(std::llround(static_cast<double>(need) / kMiB)) + " MiB, " +
                                   std::to_string(std::llround(static_cast<double>(available) / kMiB)) +
                                   " MiB are free; the largest --size that fits is " +
                                   std::to_string(static_cast<int>(std::max(output.h, output.w) * low)));
}

OptimizerOptions optimizer_options(const StylizeOptions& options) {
  if (options.optimizer == OptimizerKind::kAdam) {
    AdamOptions adam;
    adam.learning_rate = options.learning_rate;
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
