#include "src/weights/weights.h"

#include <cmath>
#include <filesystem>
#include <set>

#include "src/support/error.h"
#include "src/weights/caffe_pixels.h"
#include "src/weights/safetensors.h"

namespace swag {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// Extra names that are no sign of another network: classifiers and auxiliary heads of torchvision (fc,
/// classifier, aux, AuxLogits) and of timm (head, pre_logits), and counters that only training reads.
bool may_be_extra(const std::string& name) {
  for (const char* head : {"fc.", "classifier.", "aux", "AuxLogits.", "head.", "pre_logits."}) {
    if (name.rfind(head, 0) == 0) return true;
  }
  return ends_with(name, ".num_batches_tracked");
}

std::vector<int64_t> wide(const std::vector<int>& shape) { return {shape.begin(), shape.end()}; }

std::string and_more(size_t count) {
  return count > 1 ? " (and " + std::to_string(count - 1) + " more)" : "";
}

/// Why the file's names and shapes are not the graph's; empty when they are.
std::string mismatch(const SafetensorsFile& file, const Graph& graph) {
  std::vector<std::string> missing, extra;
  std::set<std::string> known;  // unused entries too: NoResNet's downsample may be in the file
  for (const StateEntry& entry : graph.state) {
    known.insert(entry.name);
    if (!entry.used) continue;
    const auto found = file.entries().find(entry.name);
    if (found == file.entries().end()) {
      missing.push_back(entry.name);
    } else if (found->second.shape != wide(entry.shape)) {
      return entry.name + " has shape " + shape_text(found->second.shape) + ", " + graph.network + " needs " +
             shape_text(wide(entry.shape));
    }
  }
  if (!missing.empty()) {
    return missing[0] + and_more(missing.size()) + " is missing, " + graph.network + " needs it";
  }
  for (const auto& [name, entry] : file.entries()) {
    if (known.count(name) == 0 && !may_be_extra(name)) extra.push_back(name);
  }
  if (!extra.empty()) return extra[0] + and_more(extra.size()) + " is no part of " + graph.network;
  return "";
}

/// Throws for a VGG that would paint noise, unless the file says where it comes from or what its pixels are.
void check_pixels(const SafetensorsFile& file, const Weights& weights) {
  if (!is_vgg(weights.network) || file.metadata().count("method") || file.metadata().count("pixels")) return;
  const std::string sign = sign_of_caffe(weights.at("features.0.weight"), weights.at("features.0.bias"));
  if (sign.empty()) return;
  throw Error(
      Status::kWeights,
      file.name() + ": is for the pixels of Caffe (BGR, 0 to 255, less the mean), since " + sign +
          "; `swag model convert` turns it to torchvision's, or with --pixels torchvision lets it be");
}

Weights read_weights(const SafetensorsFile& file, const Graph& graph) {
  const std::string problem = mismatch(file, graph);
  if (!problem.empty()) {
    std::string hint;
    for (const std::string& network : fitting_networks(file)) hint += (hint.empty() ? "" : " or ") + network;
    throw Error(Status::kWeights,
                file.name() + ": " + problem +
                    (hint.empty() ? ": weights of another network?" : ": these are of " + hint));
  }
  Weights weights;
  weights.network = graph.network;
  weights.source = std::filesystem::path(file.name()).filename().string();
  weights.metadata = file.metadata();
  for (const StateEntry& entry : graph.state) {
    if (!entry.used) continue;
    std::vector<float> values = file.read<float>(entry.name);
    const bool variance = ends_with(entry.name, ".running_var");  // a root is taken of it
    for (size_t i = 0; i < values.size(); ++i) {
      const bool finite = std::isfinite(values[i]);
      if (!finite || (variance && values[i] < 0)) {
        throw Error(Status::kWeights, file.name() + ": " + entry.name + " has the value " +
                                          std::to_string(values[i]) + " at index " + std::to_string(i) +
                                          (finite ? ", no variance is negative" : ", all must be finite") +
                                          "; is the file damaged?");
      }
    }
    weights.values[entry.name] = std::move(values);
  }
  check_pixels(file, weights);
  return weights;
}

}  // namespace

Weights load_weights(const std::string& path, const Graph& graph) {
  return read_weights(SafetensorsFile::open(path), graph);
}

Weights load_weights(const void* data, size_t size, const std::string& name, const Graph& graph) {
  return read_weights(SafetensorsFile::from_memory(data, size, name), graph);
}

std::vector<std::string> fitting_networks(const SafetensorsFile& file) {
  std::vector<std::string> fitting;
  for (const std::string& network : network_names()) {
    if (mismatch(file, make_network(network)).empty()) fitting.push_back(network);
  }
  return fitting;
}

void save_weights(const std::string& path, const Weights& weights, const Graph& graph) {
  std::vector<SafetensorsOutput<float>> tensors;
  for (const StateEntry& entry : graph.state) {
    if (!entry.used) continue;
    const std::vector<float>& values = weights.at(entry.name);
    size_t count = 1;
    for (int dimension : entry.shape) count *= static_cast<size_t>(dimension);
    if (values.size() != count) {
      throw Error(Status::kInternal, entry.name + " has " + std::to_string(values.size()) + " values, " +
                                         shape_text(wide(entry.shape)) + " needs " + std::to_string(count));
    }
    tensors.push_back({entry.name, wide(entry.shape), values.data()});
  }
  write_safetensors(path, tensors, weights.metadata);
}

}  // namespace swag
