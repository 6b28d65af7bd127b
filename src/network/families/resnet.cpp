// The ResNet family: torchvision's models.resnet18 ... resnet152 and wide_resnet50_2 (He et al., 2016;
// Zagoruyko and Komodakis, 2016), and noresnet50, the paper's ResNet50 without its residual additions.
#include <map>

#include "src/network/graph.h"

namespace swag {
namespace {

struct Family {
  bool bottleneck;
  std::vector<int> blocks;  // per stage
  int base_width = 64;      // of a bottleneck's inner convolutions, in stage 1
  bool residual = true;
};

const std::map<std::string, Family>& families() {
  // Never destroyed: at exit a program may still call the library.
  static const auto& kFamilies = *new const std::map<std::string, Family>{
      {"resnet18", {false, {2, 2, 2, 2}}},
      {"resnet34", {false, {3, 4, 6, 3}}},
      {"resnet50", {true, {3, 4, 6, 3}}},
      {"resnet101", {true, {3, 4, 23, 3}}},
      {"resnet152", {true, {3, 8, 36, 3}}},
      {"wide_resnet50_2", {true, {3, 4, 6, 3}, 128}},
      {"noresnet50", {true, {3, 4, 6, 3}, 64, false}},
  };
  return kFamilies;
}

/// Appends residual blocks to a graph, in the order of execution, and their entries in torchvision's order.
class BlockBuilder {
 public:
  BlockBuilder(Graph& graph, const Family& family) : graph_(graph), family_(family) {}

  /// Block "layer3.5" on x; `planes` is 64 << (stage - 1). Returns its output.
  int block(int x, const std::string& name, int planes, int stride) {
    const int width = family_.bottleneck ? planes * family_.base_width / 64 : planes;
    const int c_out = family_.bottleneck ? planes * 4 : planes;
    const bool projected = stride != 1 || graph_.nodes[x].channels != c_out;
    // The shortcut goes first, so that the addition can be fused into the branch's last convolution.
    const Conv2dLayer projection{graph_.nodes[x].channels, c_out, 1, 1, stride, stride, 0, 0};
    int shortcut = x;
    if (projected && family_.residual) {
      shortcut = graph_.conv2d(x, name + ".downsample.0", projection, false);
      shortcut = graph_.batch_norm(shortcut, name + ".downsample.1");
    }
    const Conv2dLayer spatial{0, width, 3, 3, stride, stride, 1, 1};
    const Conv2dLayer plain{0, width, 3, 3, 1, 1, 1, 1};
    int y = x;
    if (family_.bottleneck) {
      y = graph_.relu(conv_norm(y, name, 1, {0, width, 1, 1, 1, 1, 0, 0}), name + ".relu1");
      y = graph_.relu(conv_norm(y, name, 2, spatial), name + ".relu2");
      y = conv_norm(y, name, 3, {0, c_out, 1, 1, 1, 1, 0, 0});
    } else {
      y = graph_.relu(conv_norm(y, name, 1, spatial), name + ".relu1");
      y = conv_norm(y, name, 2, plain);
    }
    if (projected) {  // torchvision registers it after the branch; NoResNet keeps it, unused
      graph_.state_conv2d(name + ".downsample.0", projection, false, family_.residual);
      graph_.state_batch_norm(name + ".downsample.1", c_out, family_.residual);
    }
    if (family_.residual) y = graph_.add(y, shortcut);
    return graph_.relu(y, name);
  }

 private:
  int conv_norm(int x, const std::string& block, int index, const Conv2dLayer& layer) {
    const std::string conv = block + ".conv" + std::to_string(index);
    const std::string norm = block + ".bn" + std::to_string(index);
    x = graph_.conv2d(x, conv, layer, false);
    graph_.state_conv2d(conv, graph_.nodes[x].conv, false);
    graph_.state_batch_norm(norm, layer.c_out);
    return graph_.batch_norm(x, norm);
  }

  Graph& graph_;
  const Family& family_;
};

}  // namespace

Graph make_resnet(const std::string& name, bool average_pooling) {
  const Family& family = families().at(name);
  Graph graph;
  graph.network = name;
  BlockBuilder builder(graph, family);

  int x = graph.input();
  x = graph.conv2d(x, "conv1", {0, 64, 7, 7, 2, 2, 3, 3}, false);
  graph.state_conv2d("conv1", graph.nodes[x].conv, false);
  x = graph.relu(graph.batch_norm(x, "bn1"), "conv1");
  graph.state_batch_norm("bn1", 64);
  graph.trunk_taps = graph.default_style_taps = {"conv1"};
  x = graph.pool(x, average_pooling ? Op::kAvgPool : Op::kMaxPool, {3, 2, 1, false});

  for (int stage = 1; stage <= 4; ++stage) {
    const std::string prefix = "layer" + std::to_string(stage);
    const int blocks = family.blocks[stage - 1];
    for (int i = 0; i < blocks; ++i) {
      const std::string block = prefix + "." + std::to_string(i);
      x = builder.block(x, block, 64 << (stage - 1), stage > 1 && i == 0 ? 2 : 1);
      graph.trunk_taps.push_back(block);
    }
    graph.tap_aliases.emplace_back(prefix, graph.trunk_taps.back());
    graph.default_style_taps.push_back(graph.trunk_taps.back());
  }
  graph.default_content_taps = {graph.default_style_taps[3]};
  graph.state_linear("fc", graph.nodes[x].channels, 1000);
  return graph;
}

}  // namespace swag
