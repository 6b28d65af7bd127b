#include "src/network/map_scales.h"

#include <algorithm>
#include <cmath>

#include "src/network/executor.h"

namespace swag {
namespace {

constexpr int kLargestExponent = 10;  // of what is stored: 64 times as much fits

/// The first of the nodes that share a scale with each node.
std::vector<int> groups(const Graph& graph) {
  std::vector<int> first(graph.nodes.size());
  for (size_t i = 0; i < first.size(); ++i) first[i] = static_cast<int>(i);
  const auto join = [&](int a, int b) {
    const int from = first[std::max(a, b)], to = first[std::min(a, b)];
    for (int& node : first) {
      if (node == from) node = to;
    }
  };
  for (size_t i = 0; i < first.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.op == Op::kConv2d || node.op == Op::kBatchNorm) continue;  // these scale
    for (const int input : node.inputs) join(static_cast<int>(i), input);
  }
  return first;
}

}  // namespace

std::vector<double> largest_magnitudes(const PreparedNetwork& network, const std::vector<Tensor>& pictures) {
  Backend& backend = network.backend();
  std::vector<int> nodes;
  for (const Step& step : network.steps()) nodes.push_back(step.y);
  std::vector<double> magnitudes(network.graph().nodes.size(), 0.0);
  const Buffer memory(backend, sizeof(VectorNorms));
  for (const Tensor& picture : pictures) {
    ArenaPlan plan;
    Executor executor(network, picture.shape.h, picture.shape.w, nodes, false, plan);
    const Arena arena(backend, plan);
    executor.bind(arena);
    executor.forward(picture, [&](int index, const Tensor& f) {
      VectorNorms norms;
      backend.vector_norms(static_cast<VectorNorms*>(memory.data()), f);
      backend.download(&norms, memory.data(), sizeof norms);
      double& largest = magnitudes[nodes[static_cast<size_t>(index)]];
      largest = std::max(largest, norms.max_abs);
    });
  }
  return magnitudes;
}

std::vector<double> map_scales(const Graph& graph, const std::vector<double>& magnitudes) {
  const std::vector<int> first = groups(graph);
  std::vector<double> largest(first.size(), 0.0), scales;
  for (size_t i = 0; i < first.size(); ++i) largest[first[i]] = std::max(largest[first[i]], magnitudes[i]);
  for (const int group : first) {
    int exponent = kLargestExponent;  // of zeros, and of what is not finite
    if (largest[group] > 0 && std::isfinite(largest[group])) std::frexp(largest[group], &exponent);
    scales.push_back(std::ldexp(1.0, exponent - kLargestExponent));
  }
  return scales;
}

}  // namespace swag
