#include "src/network/graph.h"

#include "src/support/error.h"
#include "src/support/parse.h"
#include "src/support/printable.h"

namespace swag {

const char* op_name(Op op) {
  switch (op) {
    case Op::kInput: return "input";
    case Op::kPad: return "pad";
    case Op::kConv2d: return "conv2d";
    case Op::kBatchNorm: return "batch_norm";
    case Op::kRelu: return "relu";
    case Op::kAdd: return "add";
    case Op::kConcat: return "concat";
    case Op::kMaxPool: return "max_pool2d";
    case Op::kAvgPool: return "avg_pool2d";
  }
  return "?";
}

std::vector<std::string> Graph::taps() const {
  std::vector<std::string> names;
  for (const Node& node : nodes) {
    if (!node.tap.empty()) names.push_back(node.tap);
  }
  return names;
}

int Graph::tap_node(const std::string& name) const {
  const std::string& wanted = canonical_tap(name);
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].tap == wanted) return static_cast<int>(i);
  }
  throw Error(Status::kUsage,
              "unknown layer '" + printable(name) + "' of " + network + "; it has " + joined(taps()));
}

const std::string& Graph::canonical_tap(const std::string& name) const {
  for (const auto& [alias, tap] : tap_aliases) {
    if (alias == name) return tap;
  }
  return name;
}

std::vector<Shape> Graph::shapes(int h, int w, int last) const {
  std::vector<Shape> result;
  for (int i = 0; i <= last; ++i) {
    const Node& node = nodes[i];
    Shape shape{h, w, node.channels};
    if (!node.inputs.empty()) {
      const Shape& x = result[node.inputs[0]];
      shape.h = x.h;
      shape.w = x.w;
      if (node.op == Op::kPad) {
        shape.h += 2 * node.pad;
        shape.w += 2 * node.pad;
      } else if (node.op == Op::kConv2d) {
        Conv2dParams params;
        params.layer = node.conv;
        params.h = x.h;
        params.w = x.w;
        const bool fits =
            x.h + 2 * node.conv.pad_h >= node.conv.kh && x.w + 2 * node.conv.pad_w >= node.conv.kw;
        shape.h = fits ? params.h_out() : 0;
        shape.w = fits ? params.w_out() : 0;
      } else if (node.op == Op::kMaxPool || node.op == Op::kAvgPool) {
        const Pool2dParams params = pool_params(node, x);
        const bool fits = x.h + 2 * params.pad_h >= params.kh && x.w + 2 * params.pad_w >= params.kw;
        shape.h = fits || node.pool.ceil_mode ? params.h_out() : 0;
        shape.w = fits || node.pool.ceil_mode ? params.w_out() : 0;
      }
    }
    if (shape.h < 1 || shape.w < 1) {
      throw Error(Status::kImage, "an image of " + std::to_string(w) + "x" + std::to_string(h) +
                                      " pixels is too small for the deepest layer used of " + network +
                                      "; use a larger size or shallower layers");
    }
    result.push_back(shape);
  }
  return result;
}

Pool2dParams pool_params(const Node& node, Shape x) {
  Pool2dParams params;
  params.h = x.h;
  params.w = x.w;
  params.c = x.c;
  params.kh = params.kw = node.pool.kernel;
  params.stride_h = params.stride_w = node.pool.stride;
  params.pad_h = params.pad_w = node.pool.pad;
  params.ceil_mode = node.pool.ceil_mode;
  params.x_pitch = params.y_pitch = x.c;
  return params;
}

// ---------------------------------------------------------------- building blocks

namespace {

int append(std::vector<Node>& nodes, Op op, std::vector<int> inputs, int channels) {
  Node node;
  node.op = op;
  node.inputs = std::move(inputs);
  node.channels = channels;
  nodes.push_back(std::move(node));
  return static_cast<int>(nodes.size()) - 1;
}

}  // namespace

int Graph::input() { return append(nodes, Op::kInput, {}, 3); }

int Graph::conv2d(int x, const std::string& parameters, Conv2dLayer layer, bool bias) {
  layer.c_in = nodes[x].channels;
  const int node = append(nodes, Op::kConv2d, {x}, layer.c_out);
  nodes[node].parameters = parameters;
  nodes[node].conv = layer;
  nodes[node].bias = bias;
  return node;
}

int Graph::batch_norm(int x, const std::string& parameters) {
  const int node = append(nodes, Op::kBatchNorm, {x}, nodes[x].channels);
  nodes[node].parameters = parameters;
  return node;
}

int Graph::relu(int x, const std::string& tap) {
  const int node = append(nodes, Op::kRelu, {x}, nodes[x].channels);
  nodes[node].tap = tap;
  return node;
}

int Graph::add(int a, int b) { return append(nodes, Op::kAdd, {a, b}, nodes[a].channels); }

int Graph::concat(std::vector<int> parts) {
  int channels = 0;
  for (const int part : parts) channels += nodes[part].channels;
  return append(nodes, Op::kConcat, std::move(parts), channels);
}

int Graph::pool(int x, Op op, PoolWindow window) {
  const int node = append(nodes, op, {x}, nodes[x].channels);
  nodes[node].pool = window;
  return node;
}

void Graph::state_conv2d(const std::string& name, const Conv2dLayer& layer, bool bias, bool used) {
  state.push_back({name + ".weight", {layer.c_out, layer.c_in, layer.kh, layer.kw}, used});
  if (bias) state.push_back({name + ".bias", {layer.c_out}, used});
}

void Graph::state_batch_norm(const std::string& name, int channels, bool used) {
  for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) {
    state.push_back({name + part, {channels}, used});
  }
  state.push_back({name + ".num_batches_tracked", {}, false});
}

void Graph::state_linear(const std::string& name, int in, int out) {
  state.push_back({name + ".weight", {out, in}, false});
  state.push_back({name + ".bias", {out}, false});
}

// ---------------------------------------------------------------- edges

Graph with_replicated_edge(Graph graph) {
  Node pad;
  pad.op = Op::kPad;
  pad.inputs = {0};
  pad.channels = graph.nodes[0].channels;
  for (Node& node : graph.nodes) {
    for (int& input : node.inputs) {
      if (input > 0) {
        ++input;  // the new node stands behind the picture
      } else if (node.op == Op::kConv2d && node.conv.pad_h > 0 && node.conv.pad_h == node.conv.pad_w &&
                 (pad.pad == 0 || pad.pad == node.conv.pad_h)) {
        pad.pad = node.conv.pad_h;
        node.conv.pad_h = node.conv.pad_w = 0;
        input = 1;
      }
    }
  }
  graph.nodes.insert(graph.nodes.begin() + 1, pad);
  return graph;
}

// ---------------------------------------------------------------- the list of networks

std::vector<std::string> network_names() {
  return {"vgg11",    "vgg13",     "vgg16",     "vgg19",           "vgg11_bn",
          "vgg13_bn", "vgg16_bn",  "vgg19_bn",  "resnet18",        "resnet34",
          "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "noresnet50"};
}

bool is_vgg(const std::string& network) { return network.compare(0, 3, "vgg") == 0; }

Graph make_network(const std::string& name, bool average_pooling) {
  for (const std::string& known : network_names()) {
    if (known == name)
      return is_vgg(name) ? make_vgg(name, average_pooling) : make_resnet(name, average_pooling);
  }
  throw Error(Status::kUsage,
              "unknown network '" + printable(name) + "'; there are " + joined(network_names()));
}

}  // namespace swag
