#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "src/network/graph.h"
#include "src/support/error.h"

namespace swag {
namespace {

/// Learnable parameters, as the framework's own pages count them.
int64_t parameter_count(const Graph& graph) {
  int64_t count = 0;
  for (const StateEntry& entry : graph.state) {
    const bool statistic = entry.name.find("running_") != std::string::npos ||
                           entry.name.find("num_batches_tracked") != std::string::npos;
    int64_t entries = 1;
    for (int extent : entry.shape) entries *= extent;
    if (!statistic) count += entries;
  }
  return count;
}

TEST_CASE("every network has as many parameters as torchvision says") {
  const std::map<std::string, int64_t> published = {
      {"vgg11", 132863336},    {"vgg13", 133047848},          {"vgg16", 138357544},
      {"vgg19", 143667240},    {"vgg11_bn", 132868840},       {"vgg13_bn", 133053736},
      {"vgg16_bn", 138365992}, {"vgg19_bn", 143678248},       {"resnet18", 11689512},
      {"resnet34", 21797672},  {"resnet50", 25557032},        {"resnet101", 44549160},
      {"resnet152", 60192808}, {"wide_resnet50_2", 68883240}, {"noresnet50", 25557032}};
  REQUIRE(network_names().size() == published.size());
  for (const auto& entry : published) {
    CAPTURE(entry.first);
    CHECK(parameter_count(make_network(entry.first)) == entry.second);
  }
}

TEST_CASE("a concatenation has the channels of all its parts") {
  Graph graph;
  const int image = graph.input();
  const int conv = graph.conv2d(image, "conv", {0, 5, 3, 3, 1, 1, 1, 1}, true);
  const int both = graph.concat({conv, image, conv});
  CHECK(graph.shapes(9, 7, both)[both] == Shape{9, 7, 13});
}

TEST_CASE("state entries come in torchvision's order of registration") {
  const Graph graph = make_network("resnet50");
  std::vector<std::string> names;
  for (const StateEntry& entry : graph.state) names.push_back(entry.name);
  CHECK(names[0] == "conv1.weight");
  CHECK(names[5] == "bn1.num_batches_tracked");
  CHECK(names[6] == "layer1.0.conv1.weight");
  CHECK(names[24] == "layer1.0.downsample.0.weight");
  CHECK(names.back() == "fc.bias");
  CHECK(names.size() == 320);
}

TEST_CASE("taps have torchvision's names and the stage names mean their last block") {
  const Graph vgg = make_network("vgg19");
  CHECK(vgg.taps().size() == 16);
  CHECK(vgg.taps().front() == "relu1_1");
  CHECK(vgg.taps().back() == "relu5_4");
  const Graph resnet = make_network("resnet50");
  CHECK(resnet.tap_node("layer3") == resnet.tap_node("layer3.5"));
  CHECK(resnet.tap_node("layer3.5.relu2") < resnet.tap_node("layer3.5"));
  CHECK_THROWS_WITH_AS(make_network("resnet18").tap_node("layer1.0.relu2"),
                       doctest::Contains("unknown layer 'layer1.0.relu2' of resnet18; it has conv1, "),
                       Error);
  CHECK_THROWS_WITH_AS(make_network("alexnet"),
                       doctest::Contains("unknown network 'alexnet'; there are vgg11"), Error);
}

TEST_CASE("shapes follow torch's floor arithmetic") {
  const Graph vgg = make_network("vgg19");
  const Shape deep = vgg.shapes(97, 75, vgg.tap_node("relu5_1")).back();
  CHECK(deep == Shape{6, 4, 512});
  const Graph resnet = make_network("resnet50");
  CHECK(resnet.shapes(97, 75, resnet.tap_node("conv1")).back() == Shape{49, 38, 64});
  CHECK(resnet.shapes(97, 75, resnet.tap_node("layer4")).back() == Shape{4, 3, 2048});
}

TEST_CASE("an image too small for the deepest layer is refused, and only then") {
  const Graph vgg = make_network("vgg19");
  CHECK_NOTHROW(vgg.shapes(16, 16, vgg.tap_node("relu5_1")));
  CHECK_THROWS_WITH_AS(vgg.shapes(15, 300, vgg.tap_node("relu5_1")),
                       doctest::Contains("an image of 300x15 pixels is too small"), Error);
  CHECK_NOTHROW(vgg.shapes(15, 300, vgg.tap_node("relu4_4")));
}

TEST_CASE("average pooling replaces every max pool and nothing else") {
  for (const std::string name : {"vgg16_bn", "resnet34"}) {
    const Graph max = make_network(name), avg = make_network(name, true);
    REQUIRE(max.nodes.size() == avg.nodes.size());
    for (size_t i = 0; i < max.nodes.size(); ++i) {
      CHECK(avg.nodes[i].op == (max.nodes[i].op == Op::kMaxPool ? Op::kAvgPool : max.nodes[i].op));
    }
  }
}

TEST_CASE("NoResNet is ResNet50 without additions and with its downsample unused") {
  const Graph graph = make_network("noresnet50");
  CHECK(std::none_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const Node& node) { return node.op == Op::kAdd; }));
  const auto entry = std::find_if(graph.state.begin(), graph.state.end(), [](const StateEntry& e) {
    return e.name == "layer1.0.downsample.0.weight";
  });
  REQUIRE(entry != graph.state.end());
  CHECK(!entry->used);
}

}  // namespace
}  // namespace swag
