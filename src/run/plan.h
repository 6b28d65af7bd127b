// What follows from a run's options before its first evaluation: the sizes of its images, whether they
// suffice, and its optimiser.
#pragma once
#include <vector>

#include "src/backend/backend.h"
#include "src/image/image.h"
#include "src/network/graph.h"
#include "src/network/prepared_network.h"
#include "src/optimizers/make_optimizer.h"
#include "src/run/options.h"

namespace swag {

/// "640x480", width first, as messages show a size.
std::string text_of(Size size);

/// The size of every scale, coarse to fine; the last one is the output's. Scales too small to paint on are
/// left out.
std::vector<Size> scale_sizes(const StylizeOptions& options, Size content);

/// What size the style images are to have for an output of a given size.
SizeRule style_rule(const StylizeOptions& options, Size output);

/// The one that a style image of the size `style` has then.
Size style_size(const StylizeOptions& options, Size output, Size style);

/// Whether an image of this size still has pixels at the node `last`.
bool reaches_node(const Graph& graph, Size size, int last);

/// Throws Error(kImage) for a picture, called `what`, of which nothing can be seen.
void check_visible(const Image& image, const std::string& what);

/// Throws Error(kImage) unless content and styles, at the size of the output, reach the node `last`, and
/// something of them can be seen.
void check_images(const Graph& graph, int last, const StylizeOptions& options, const Image& content,
                  const std::vector<Image>& styles);

/// scale_sizes without those at which an image does not reach the node `last`. The output's must be large
/// enough.
std::vector<Size> usable_scales(const Graph& graph, int last, const StylizeOptions& options,
                                const Image& content, const std::vector<Image>& styles);

/// The network as it is run: with the padding that the options want.
Graph graph_for(const Graph& graph, const StylizeOptions& options);

OptimizerOptions optimizer_options(const StylizeOptions& options);

}  // namespace swag
