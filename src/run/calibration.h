// What a network in half precision must know of a run's pictures before it is made ready.
#pragma once
#include <vector>

#include "src/network/prepared_network.h"

namespace swag {

/// The scales of maps in DType::kFloat16, such that these pictures' features keep clear of its ends: by a way
/// through the network in single precision. Of other types there are none.
std::vector<double> calibrated_scales(Backend& backend, const Graph& graph, const Weights& weights,
                                      DType maps, int last, const std::vector<Tensor>& pictures);

}  // namespace swag
