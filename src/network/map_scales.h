// Powers of two by which maps stored in DType::kFloat16 keep clear of that type's ends: each layer's values
// come to at most 2^10, of 2^16 that there are, whatever the weights. They cost nothing, as convolutions have
// them in their weights.
#pragma once
#include <vector>

#include "src/network/prepared_network.h"

namespace swag {

/// The largest magnitude that each node's map has on any of these pictures, by node; 0 where no step writes
/// it. `network` is in a type that holds them all.
std::vector<double> largest_magnitudes(const PreparedNetwork& network, const std::vector<Tensor>& pictures);

/// By node, of these magnitudes. Maps that are added, copied or pooled into one another share a scale.
std::vector<double> map_scales(const Graph& graph, const std::vector<double>& magnitudes);

}  // namespace swag
