#include "src/api/fit.h"

#include <algorithm>

#include "src/image/fit.h"
#include "src/objective/objective.h"
#include "src/run/memory.h"
#include "src/run/plan.h"
#include "src/support/error.h"
#include "src/weights/fit_memory.h"
#include "src/weights/fitted.h"

namespace swag {
namespace {

/// As large as the run has the image, but no larger than the fit uses it.
Image working_image(const Image& image, Size size, int max_size) {
  SizeRule rule;
  rule.longest = std::min(std::max(size.h, size.w), max_size);
  size = target_size(rule, size.h, size.w);
  return resize(image, size.h, size.w);
}

/// Weights of the right sizes, for what does not depend on their values.
Weights blank_weights(const Graph& graph) {
  Weights weights;
  for (const StateEntry& entry : graph.state) {
    size_t count = entry.used ? 1 : 0;
    for (int extent : entry.shape) count *= static_cast<size_t>(extent);
    if (entry.used) weights.values[entry.name].assign(count, 0.0f);
  }
  return weights;
}

}  // namespace

Weights fit_for_run(Backend& backend, const Graph& graph, bool average_pooling, uint64_t seed,
                    const StylizeOptions& options, const Image& content, const std::vector<Image>& styles,
                    const std::function<bool(double fraction)>& progress) {
  if (!is_vgg(graph.network)) {
    throw Error(Status::kUsage, "fitted weights are for the VGG family, not for " + graph.network);
  }
  const DType maps = dtype_of(precision_on(backend, options.wanted_precision()));
  const int last = Objective(backend, graph, arithmetic_of(maps), options.objective).deepest();
  const Size output = scale_sizes(options, {content.h, content.w}).back();
  check_images(graph, last, options, content, styles);
  const LoweringOptions lowering = LoweringOptions::with(options.conv);
  FitOptions fit;  // of every layer, not only those of this run: the weights may be saved and used again
  std::vector<Image> images = {
      working_image(fit_to_shape(content, output, options.fit), output, fit.max_size)};
  check_memory(PreparedNetwork(backend, graph, blank_weights(graph), maps, last, true, lowering), options,
               output, images[0], styles);

  fit.seed = seed;
  fit.average_pooling = average_pooling;
  fit.conv = options.conv;
  fit.progress = progress;
  for (const Image& style : styles) {
    images.push_back(working_image(style, style_size(options, output, {style.h, style.w}), fit.max_size));
  }
  check_fit_memory(backend, graph, images, fit);
  return fit_weights(backend, graph, images, fit);
}

}  // namespace swag
