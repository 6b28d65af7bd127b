// A safetensors file: its header, every tensor in both precisions, and the weights of a small network from
// it.
#include "src/weights/safetensors.h"

#include <cmath>

#include "src/network/graph.h"
#include "src/weights/weights.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/safetensors_mutator.h"

using namespace swag;

namespace {

/// Two convolutions, a batch norm and a head: all kinds of entries that a state_dict has.
Graph small_graph() {
  Graph graph;
  graph.network = "small";
  graph.state_conv2d("conv1", {3, 2, 1, 1}, true);
  graph.state_batch_norm("bn1", 2);
  graph.state_conv2d("downsample.0", {2, 1, 1, 1}, false, false);
  graph.state_linear("fc", 2, 1);
  return graph;
}

template <typename T>
void read_all(const SafetensorsFile& file) {
  for (const auto& [name, entry] : file.entries()) {
    fuzz::answers({Status::kWeights}, [&, &name = name, &entry = entry] {
      const std::vector<T> values = file.read<T>(name);
      fuzz::require(values.size() == static_cast<size_t>(entry.count), "a tensor has its elements", name);
    });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const bool whole = fuzz::answers({Status::kWeights}, [&] {
    const SafetensorsFile file = SafetensorsFile::from_memory(data, size, "file");
    read_all<float>(file);
    read_all<double>(file);
    fuzz::answers({Status::kWeights}, [&] { file.read<float>("no such tensor"); });
  });
  static const Graph kGraph = small_graph();
  const bool loaded = fuzz::answers({Status::kWeights}, [&] {
    const Weights weights = load_weights(data, size, "file", kGraph);
    for (const StateEntry& entry : kGraph.state) {
      if (!entry.used) continue;
      for (float value : weights.at(entry.name)) fuzz::require(std::isfinite(value), "weights are finite");
    }
  });
  fuzz::require(whole || !loaded, "weights are of a file that can be read");
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return fuzz::mutate_safetensors(data, size, max_size, seed);
}
