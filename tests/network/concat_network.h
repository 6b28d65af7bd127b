// A small network with every way in which maps are concatenated: Inception's (branches side by side, a pool
// among them), DenseNet's (a concatenation in a concatenation, a batch norm behind it), parts that are taps,
// that are residuals, that are used twice, the image itself; channels that no vector divides.
#pragma once
#include "src/network/graph.h"

namespace swag::test {

class ConcatNetwork {
 public:
  static Graph make() {
    ConcatNetwork network;
    network.build();
    return network.graph_;
  }

 private:
  int conv(int x, int channels, int kernel) {
    const std::string name = "conv" + std::to_string(++convs_);
    x = graph_.conv2d(x, name, {0, channels, kernel, kernel, 1, 1, kernel / 2, kernel / 2}, true);
    graph_.state_conv2d(name, graph_.nodes[x].conv, true);
    return x;
  }
  int tap(int node, const std::string& name) {
    graph_.nodes[node].tap = name;
    graph_.trunk_taps.push_back(name);
    return node;
  }

  void build() {
    graph_.network = "concat";
    const int image = graph_.input();
    const int stem = tap(graph_.relu(conv(image, 8, 3)), "stem");

    const int one = graph_.relu(conv(stem, 5, 1));
    const int three = tap(graph_.relu(conv(graph_.relu(conv(stem, 4, 1)), 6, 3)), "branch");
    const int pooled = graph_.relu(conv(graph_.pool(stem, Op::kMaxPool, {3, 1, 1, true}), 7, 1));
    const int bare = graph_.pool(stem, Op::kAvgPool, {3, 1, 1, false});
    const int mixed = tap(graph_.concat({one, three, pooled, bare}), "mixed");

    const int normed = graph_.relu(graph_.batch_norm(mixed, "norm"));
    graph_.state_batch_norm("norm", graph_.nodes[mixed].channels);
    const int grown = conv(normed, 4, 3);
    const int dense = tap(graph_.concat({mixed, grown, one, image}), "dense");

    const int left = conv(dense, 9, 1), right = conv(dense, 9, 3);
    const int sum = graph_.relu(graph_.add(left, right));
    const int twice = graph_.concat({sum, left, sum});
    tap(graph_.relu(conv(graph_.pool(twice, Op::kMaxPool, {2, 2, 0, true}), 3, 3)), "last");
    graph_.default_style_taps = graph_.trunk_taps;
  }

  Graph graph_;
  int convs_ = 0;
};

/// "concat", or one of the library's.
inline Graph any_network(const std::string& name, bool average_pooling) {
  return name == "concat" ? ConcatNetwork::make() : make_network(name, average_pooling);
}

}  // namespace swag::test
