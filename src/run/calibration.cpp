#include "src/run/calibration.h"

#include "src/network/map_scales.h"

namespace swag {

std::vector<double> calibrated_scales(Backend& backend, const Graph& graph, const Weights& weights,
                                      DType maps, int last, const std::vector<Tensor>& pictures) {
  if (maps != DType::kFloat16) return {};
  const PreparedNetwork single(backend, graph, weights, DType::kFloat32, last, false);
  return map_scales(graph, largest_magnitudes(single, pictures));
}

}  // namespace swag
