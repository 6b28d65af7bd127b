// How much memory a fit will take, asked before it begins.
#pragma once
#include <cstdint>
#include <vector>

#include "src/image/resize.h"
#include "src/network/graph.h"
#include "src/weights/fitted.h"

namespace swag {

/// Bytes that fit_weights takes at its most for images of these sizes, of which it uses no more than
/// options.max_size: maps, patches with their copies on the way through the whitening, the weights
/// themselves.
int64_t fit_bytes(const Graph& graph, const std::vector<Size>& images, const FitOptions& options);

/// Throws Error(kMemory) with the need when so much is not available.
void check_fit_memory(const Backend& backend, const Graph& graph, const std::vector<Image>& images,
                      const FitOptions& options);

}  // namespace swag
