// Weights that need no file: torchvision's random initialisation, and the tests' deterministic ones.
#include <cmath>

#include "src/weights/weights.h"

namespace swag {
namespace {

/// SplitMix64 (Steele, Lea and Flood, 2014) as a function of its counter: value i needs none before it.
uint64_t splitmix64(uint64_t counter) {
  uint64_t z = counter * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// Value `index` of stream `stream`, uniform in [0, 1). Streams are 2^32 values apart.
double uniform(uint64_t stream, uint64_t index) {
  return static_cast<double>(splitmix64((stream << 32) + index + 1) >> 11) * 0x1p-53;
}

size_t element_count(const StateEntry& entry) {
  size_t count = 1;
  for (int dimension : entry.shape) count *= static_cast<size_t>(dimension);
  return count;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// Independent normal values of mean 0, by Box and Muller: a pair of uniform values gives a pair of normal
/// ones. Computed in double and rounded once, so that another math library gives the same floats.
std::vector<float> normal_values(size_t count, double deviation, uint64_t stream) {
  constexpr double kTwoPi = 6.283185307179586;
  std::vector<float> values(count);
  for (size_t i = 0; i < count; i += 2) {
    const double radius = deviation * std::sqrt(-2 * std::log(1 - uniform(stream, i)));  // 1 - u is never 0
    const double angle = kTwoPi * uniform(stream, i + 1);
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < count) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return values;
}

/// `make` gives the values of the k-th entry of the state_dict; unused entries count, but are left out.
template <typename Make>
Weights make_weights(const Graph& graph, const std::string& source, uint64_t seed, Make&& make) {
  Weights weights;
  weights.network = graph.network;
  weights.source = source + " (seed " + std::to_string(seed) + ")";
  weights.metadata = {{"network", graph.network}, {"method", source}, {"seed", std::to_string(seed)}};
  for (size_t k = 0; k < graph.state.size(); ++k) {
    const StateEntry& entry = graph.state[k];
    if (entry.used) weights.values[entry.name] = make(entry, k);
  }
  return weights;
}

}  // namespace

Weights random_weights(const Graph& graph, uint64_t seed) {
  return make_weights(graph, "random", seed, [seed](const StateEntry& entry, size_t k) {
    if (entry.shape.size() == 4) {
      // torch: kaiming_normal_(mode="fan_out", nonlinearity="relu"), fan out = c_out * kh * kw.
      const double fan_out = static_cast<double>(entry.shape[0]) * entry.shape[2] * entry.shape[3];
      return normal_values(element_count(entry), std::sqrt(2 / fan_out), splitmix64(seed + 1) + k);
    }
    const bool one = ends_with(entry.name, ".weight") || ends_with(entry.name, ".running_var");
    return std::vector<float>(element_count(entry), one ? 1.0f : 0.0f);
  });
}

Weights splitmix_weights(const Graph& graph, uint64_t seed) {
  return make_weights(graph, "splitmix", seed, [seed](const StateEntry& entry, size_t k) {
    // Nothing is an identity: a batch norm that is left out, or taken from another layer, shows.
    const bool convolution = entry.shape.size() == 4;
    const bool variance = ends_with(entry.name, ".running_var");
    const bool scale = !convolution && ends_with(entry.name, ".weight");
    double range = 0.2;
    if (convolution) {  // He's bound for a uniform distribution, fan in = c_in * kh * kw
      range = std::sqrt(6.0 / (static_cast<double>(entry.shape[1]) * entry.shape[2] * entry.shape[3]));
    }
    std::vector<float> values(element_count(entry));
    for (size_t i = 0; i < values.size(); ++i) {
      const double u = uniform(seed * 1000 + k, i);
      values[i] = static_cast<float>(variance ? 0.5 + u : scale ? 0.5 + 0.6 * u : (2 * u - 1) * range);
    }
    return values;
  });
}

}  // namespace swag
