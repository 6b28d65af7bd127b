// A network as data: nodes in execution order, each with its op, its inputs and the names of its parameters.
// Built by the functions of src/network/families/, run by src/network/executor. The executor knows ops, not
// networks.
#pragma once
#include <string>
#include <vector>

#include "kernels/conv2d/conv2d.h"
#include "kernels/pool2d.h"
#include "src/backend/tensor.h"

namespace swag {

enum class Op { kInput, kPad, kConv2d, kBatchNorm, kRelu, kAdd, kConcat, kMaxPool, kAvgPool };

const char* op_name(Op op);

/// The window of a pooling node; torch's floor arithmetic unless ceil_mode.
struct PoolWindow {
  int kernel = 2, stride = 2, pad = 0;
  bool ceil_mode = false;
};

struct Node {
  Op op = Op::kInput;
  std::vector<int> inputs;  // indices of earlier nodes
  std::string parameters;   // torchvision's prefix: "layer3.5.conv2" for its .weight and .bias
  Conv2dLayer conv;         // kConv2d
  bool bias = false;        // kConv2d: whether it has a bias parameter
  PoolWindow pool;          // kMaxPool, kAvgPool
  int pad = 0;              // kPad: rows and columns on every side, copies of the edge
  int channels = 0;         // of the output
  std::string tap;          // canonical tap name, empty for values that have none
};

/// One entry of the torchvision module's state_dict, in its order.
struct StateEntry {
  std::string name;
  std::vector<int> shape;  // torchvision's: convolutions (c_out, c_in, kh, kw)
  bool used = false;       // false for heads and counters, which the trunk does not read
};

class Graph {
 public:
  std::string network;            // torchvision's function name
  std::vector<Node> nodes;        // nodes[0] is the input, 3 channels
  std::vector<StateEntry> state;  // every entry of the state_dict, in order
  std::vector<std::string> default_style_taps;
  std::vector<std::string> default_content_taps;
  std::vector<std::pair<std::string, std::string>> tap_aliases;  // "layer3" -> "layer3.5"

  /// Every tap in execution order (canonical names).
  std::vector<std::string> taps() const;

  /// The node of a tap or of an alias. Throws Error(kUsage) that lists the valid names.
  int tap_node(const std::string& name) const;

  /// The canonical name: "layer3" -> "layer3.5".
  const std::string& canonical_tap(const std::string& name) const;

  /// Shape of every node's output for an h x w image. Throws Error(kImage) when the image is too small for a
  /// node up to and including `last`.
  std::vector<Shape> shapes(int h, int w, int last) const;

  /// The taps that `swag dump` reports statistics of: every ReLU or block output that torchvision's forward
  /// passes through at top level (not the inner ReLUs of residual blocks), to the end of the trunk.
  std::vector<std::string> trunk_taps;

  // Building blocks for src/network/families/. Each returns the index of the new node.
  int input();
  int conv2d(int x, const std::string& parameters, Conv2dLayer layer, bool bias);  // c_in comes from x
  int batch_norm(int x, const std::string& parameters);
  int relu(int x, const std::string& tap = "");
  int add(int a, int b);
  int concat(std::vector<int> parts);  // along the channels, in this order
  int pool(int x, Op op, PoolWindow window);

  // The same for `state`, in torchvision's order of registration.
  void state_conv2d(const std::string& name, const Conv2dLayer& layer, bool bias, bool used = true);
  void state_batch_norm(const std::string& name, int channels, bool used = true);
  void state_linear(const std::string& name, int in, int out);  // a head: never used
};

/// The pooling node's window on a map of shape x, dense.
Pool2dParams pool_params(const Node& node, Shape x);

// One function per family, src/network/families/. `name` is one of the family's.
Graph make_vgg(const std::string& name, bool average_pooling);
Graph make_resnet(const std::string& name, bool average_pooling);

/// The graph of a network by torchvision's function name. `average_pooling` puts average pools in place of
/// the max pools. Throws Error(kUsage) that lists the names.
Graph make_network(const std::string& name, bool average_pooling = false);

/// The same network with its first convolution on a picture whose edge is repeated around it, not on zeros:
/// torch's padding_mode="replicate" there. Nodes move, taps and weights keep their names.
Graph with_replicated_edge(Graph graph);

std::vector<std::string> network_names();

/// The networks that `fitted` weights know: the VGG family.
bool is_vgg(const std::string& network);

}  // namespace swag
