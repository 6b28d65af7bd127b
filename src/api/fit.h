// Fitted weights for a run: what it will read, checked before the long work.
#pragma once
#include <string>
#include <vector>

#include "src/run/stylizer.h"

namespace swag {

/// Weights for `graph` fitted to the images at the sizes that a run with these options gives them, as deep as
/// its layers go. Throws Error for all that would stop the run later (layers, sizes), and what fit_weights
/// throws.
Weights fit_for_run(Backend& backend, const Graph& graph, bool average_pooling, uint64_t seed,
                    const StylizeOptions& options, const Image& content, const std::vector<Image>& styles,
                    const std::function<bool(double fraction)>& progress);

}  // namespace swag
