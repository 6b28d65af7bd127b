#include "src/network/prepared_network.h"

#include <algorithm>
#include <cmath>

#include "src/support/error.h"

namespace swag {
namespace {

constexpr double kBatchNormEpsilon = 1e-5;  // torchvision's, for every network here

/// The only consumer of a node's value up to `last`, or -1 where there are none or several.
std::vector<int> sole_consumers(const Graph& graph, int last) {
  std::vector<int> consumer(graph.nodes.size(), -1), count(graph.nodes.size(), 0);
  for (int i = 0; i <= last; ++i) {
    for (int x : graph.nodes[i].inputs) {
      consumer[x] = i;
      ++count[x];
    }
  }
  for (size_t i = 0; i < consumer.size(); ++i) {
    if (count[i] != 1) consumer[i] = -1;
  }
  return consumer;
}

struct ScaleShift {
  std::vector<double> scale, shift;
};

ScaleShift scale_shift(const Weights& weights, const std::string& norm) {
  const std::vector<float>&weight = weights.at(norm + ".weight"), &bias = weights.at(norm + ".bias"),
        &mean = weights.at(norm + ".running_mean"), &var = weights.at(norm + ".running_var");
  ScaleShift result;
  for (size_t c = 0; c < weight.size(); ++c) {
    result.scale.push_back(weight[c] / std::sqrt(double{var[c]} + kBatchNormEpsilon));
    result.shift.push_back(bias[c] - mean[c] * result.scale[c]);
  }
  return result;
}

/// torchvision's (c_out, c_in, kh, kw) -> (c_out, kh, kw, c_in), each output channel times its scale.
template <typename T>
void turn_weight(T* turned, const std::vector<float>& weight, const Conv2dLayer& layer,
                 const std::vector<double>& scale) {
  const int window = layer.kh * layer.kw;
  for (int o = 0; o < layer.c_out; ++o) {
    for (int k = 0; k < layer.c_in; ++k) {
      const float* from = weight.data() + (int64_t{o} * layer.c_in + k) * window;
      T* to = turned + int64_t{o} * window * layer.c_in + k;
      for (int i = 0; i < window; ++i) to[int64_t{i} * layer.c_in] = static_cast<T>(from[i] * scale[o]);
    }
  }
}

}  // namespace

namespace {

std::vector<bool> picture_nodes(const Graph& graph) {
  std::vector<bool> pictures;
  for (const Node& node : graph.nodes) {
    pictures.push_back(node.op != Op::kConv2d && std::all_of(node.inputs.begin(), node.inputs.end(),
                                                             [&](int x) { return pictures[x]; }));
  }
  return pictures;
}

}  // namespace

/// Weights on their way to be packed. One for all layers, large enough for the largest: were they allocated
/// for each, they would leave holes between the packed ones.
struct PreparedNetwork::Staging {
  Staging(Backend& backend, int64_t bytes) : host(static_cast<size_t>(bytes)), device(backend, bytes) {}
  std::vector<char> host;
  Buffer device;
};

std::vector<Step> lower(const Graph& graph, int last, const LoweringOptions& options) {
  const std::vector<int> consumer = sole_consumers(graph, last);
  std::vector<bool> done(graph.nodes.size(), false);
  std::vector<Step> steps;
  for (int i = 0; i <= last; ++i) {
    const Node& node = graph.nodes[i];
    if (done[i] || node.op == Op::kInput) continue;
    Step step;
    step.op = node.op;
    step.x = node.inputs[0];
    step.y = i;
    step.relu = node.op == Op::kRelu;
    if (node.op == Op::kAdd) step.other = node.inputs[1];
    if (node.op == Op::kBatchNorm) step.norm = i;
    if (node.op == Op::kConv2d) {
      step.conv = i;
      // Takes the next node into this step where it is the only reader and nobody wants the value in between.
      const auto absorb = [&](Op op) {
        const int next = consumer[step.y];
        if (next < 0 || graph.nodes[next].op != op || !graph.nodes[step.y].tap.empty()) return -1;
        return next;
      };
      if (const int next = options.fold_batch_norm ? absorb(Op::kBatchNorm) : -1; next >= 0)
        step.norm = step.y = next;
      if (const int next = options.fuse ? absorb(Op::kAdd) : -1; next >= 0) {
        const std::vector<int>& operands = graph.nodes[next].inputs;
        const int other = operands[0] == step.y ? operands[1] : operands[0];
        if (other < i) {  // it is there already
          step.other = other;
          step.y = next;
        }
      }
      if (const int next = options.fuse ? absorb(Op::kRelu) : -1; next >= 0) {
        step.relu = true;
        step.y = next;
      }
      for (int n = consumer[i]; n >= 0 && n <= step.y; n = consumer[n]) done[n] = true;
    }
    steps.push_back(step);
  }
  return steps;
}

PreparedNetwork::PreparedNetwork(Backend& backend, const Graph& graph, const Weights& weights, DType dtype,
                                 int last, bool with_backward, const LoweringOptions& options,
                                 const std::vector<double>& scales)
    : backend_(&backend),
      graph_(&graph),
      dtype_(dtype),
      last_(last),
      pictures_(picture_nodes(graph)),
      scales_(scales),
      steps_(lower(graph, last, options)),
      parameters_(steps_.size()) {
  if (!backend.computes_in(dtype)) {
    throw Error(Status::kUsage, "double precision is for the CPU; use --device cpu");
  }
  int64_t most = 0;
  for (const Step& step : steps_) {
    if (step.op != Op::kConv2d) continue;
    most = std::max(most, graph.nodes[step.conv].conv.weight_count() * size_of(arithmetic_of(dtype)));
  }
  Staging staging(backend, most);
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].op == Op::kConv2d) {
      prepare_conv2d(static_cast<int>(i), weights, with_backward, options.conv, staging);
    }
    if (steps_[i].op == Op::kBatchNorm) prepare_batch_norm(static_cast<int>(i), weights);
  }
}

Buffer PreparedNetwork::upload(const std::vector<double>& values) {
  if (dtype_ == DType::kFloat64) return uploaded(*backend_, values);
  return uploaded(*backend_, std::vector<float>(values.begin(), values.end()));
}

void PreparedNetwork::prepare_conv2d(int index, const Weights& weights, bool with_backward,
                                     Conv2dAlgorithm wanted, Staging& staging) {
  const Step& step = steps_[index];
  const Node& node = graph_->nodes[step.conv];
  const Conv2dLayer& layer = node.conv;
  const std::vector<float>& source = weights.at(node.parameters + ".weight");
  std::vector<double> bias(layer.c_out, 0.0);
  if (node.bias) {
    const std::vector<float>& values = weights.at(node.parameters + ".bias");
    bias.assign(values.begin(), values.end());
  }
  std::vector<double> scale(layer.c_out, 1.0);
  if (step.norm >= 0) {
    const ScaleShift norm = scale_shift(weights, graph_->nodes[step.norm].parameters);
    scale = norm.scale;
    for (int o = 0; o < layer.c_out; ++o) bias[o] = bias[o] * scale[o] + norm.shift[o];
  }
  for (double& value : bias) value /= this->scale(step.y);
  if (dtype_ == DType::kFloat64) {
    turn_weight(reinterpret_cast<double*>(staging.host.data()), source, layer, scale);
  } else {
    turn_weight(reinterpret_cast<float*>(staging.host.data()), source, layer, scale);
  }
  backend_->upload(staging.device.data(), staging.host.data(),
                   layer.weight_count() * size_of(arithmetic_of(dtype_)));
  Parameters& parameters = parameters_[index];
  parameters.bias = upload(bias);
  const auto pack = [&](Conv2dDirection direction, DType dtype, double factor, Conv2dAlgorithm& algorithm) {
    algorithm = conv2d_algorithm(*backend_, wanted, layer, direction, dtype);
    Buffer packed(*backend_, backend_->conv2d_packed_bytes(layer, algorithm, direction, dtype));
    backend_->conv2d_pack(packed.data(), staging.device.data(), layer, algorithm, direction, dtype, factor);
    return packed;
  };
  parameters.forward = pack(Conv2dDirection::kForward, dtype(step.x),
                            this->scale(step.x) / this->scale(step.y), parameters.forward_algorithm);
  if (!with_backward) return;
  parameters.backward =
      pack(Conv2dDirection::kBackwardData, gradient_dtype(step.y), 1, parameters.backward_algorithm);
}

void PreparedNetwork::prepare_batch_norm(int index, const Weights& weights) {
  const Step& step = steps_[index];
  ScaleShift norm = scale_shift(weights, graph_->nodes[step.norm].parameters);
  parameters_[index].backward_scale = upload(norm.scale);
  for (double& value : norm.scale) value *= scale(step.x) / scale(step.y);
  for (double& value : norm.shift) value /= scale(step.y);
  parameters_[index].scale = upload(norm.scale);
  parameters_[index].shift = upload(norm.shift);
}

}  // namespace swag
