// The parameters of a network on the host, under torchvision's names, however they came about.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "src/graph.h"

namespace swag {

class SafetensorsFile;

struct Weights {
  std::string network;
  std::string source;  // what was used, for people: "random (seed 0)", "vgg19.safetensors"
  std::map<std::string, std::vector<float>> values;  // name -> values in torchvision's order and shape
  std::map<std::string, std::string> metadata;       // of the file, or what will be written to one

  /// Throws Error(kInternal) for an unknown name.
  const std::vector<float>& at(const std::string& name) const;
};

/// Reads and checks a safetensors file against the graph's state entries: every used name present with its
/// shape, no extra names but those that do no harm (heads, counters, NoResNet's unused downsample), finite
/// values. F32, F16 and BF16 are widened to float. Throws Error(kWeights) with expected and actual.
Weights load_weights(const std::string& path, const Graph& graph);
/// The same from memory; `name` stands for the file in messages.
Weights load_weights(const void* data, size_t size, const std::string& name, const Graph& graph);

/// Every network whose names and shapes the file has; a ResNet50 is a NoResNet too.
std::vector<std::string> fitting_networks(const SafetensorsFile& file);

/// torchvision's initialisation in distribution, seeded: Kaiming-normal (fan out) convolutions, biases of
/// VGG 0, batch norms 1 and 0, running statistics 0 and 1.
Weights random_weights(const Graph& graph, uint64_t seed);

/// Equal to `reference.py weights --seed SEED` bit by bit: stream k counts every entry of graph.state.
Weights splitmix_weights(const Graph& graph, uint64_t seed);

/// Writes a safetensors file (temporary file, then rename) with the used entries and the metadata.
/// Throws Error(kOutput).
void save_weights(const std::string& path, const Weights& weights, const Graph& graph);

}  // namespace swag
