// Where the parameters of a network come from: files, torchvision's initialisation, the reference's streams.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "src/network/graph.h"
#include "src/network/weights.h"

namespace swag {

class SafetensorsFile;

/// Reads and checks a safetensors file against the graph's state entries: every used name present with its
/// shape, no extra names but those that do no harm (heads, counters, NoResNet's unused downsample), finite
/// values, variances that are not negative, no VGG for the pixels of Caffe (caffe_pixels.h). F32, F16 and
/// BF16 are widened to float. Throws Error(kWeights) with expected and actual.
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
