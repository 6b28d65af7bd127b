#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "src/network/executor.h"
#include "src/network/map_scales.h"
#include "src/run/pixels.h"
#include "src/weights/weights.h"
#include "tests/helpers.h"
#include "tests/network/concat_network.h"

namespace swag {
namespace {

/// Whether 2^exponent is a value's scale: it is then stored below 2^10, and above half of that.
void check_scale(double scale, double largest) {
  int exponent = 0;
  CHECK(std::frexp(scale, &exponent) == 0.5);  // a power of two
  CHECK(largest / scale < 1024);
  CHECK(largest / scale >= 512);
}

}  // namespace

TEST_CASE("each convolution's map has a scale of its own, and what is added, copied or pooled shares one") {
  for (const std::string network : {"vgg11", "resnet18", "concat"}) {
    CAPTURE(network);
    const Graph graph = test::any_network(network, false);
    std::vector<double> magnitudes;
    test::Random random(1);
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      magnitudes.push_back(std::ldexp(1.0 + random.uniform(), static_cast<int>(i * 7 % 41) - 20));
    }
    const std::vector<double> scales = map_scales(graph, magnitudes);
    REQUIRE(scales.size() == graph.nodes.size());
    for (size_t i = 1; i < graph.nodes.size(); ++i) {
      const Node& node = graph.nodes[i];
      CAPTURE(i);
      if (node.op == Op::kConv2d || node.op == Op::kBatchNorm) continue;
      for (const int input : node.inputs) CHECK(scales[i] == scales[input]);
    }
    for (size_t i = 0; i < graph.nodes.size(); ++i) {  // the largest of all that share it decides
      double largest = 0;
      for (size_t k = 0; k < graph.nodes.size(); ++k) {
        if (scales[k] == scales[i]) largest = std::max(largest, magnitudes[k]);
      }
      check_scale(scales[i], largest);
    }
  }
}

TEST_CASE("maps of zeros, and of what is not finite, are stored as they are") {
  const Graph graph = test::any_network("vgg11", false);
  for (const double magnitude :
       {0.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    for (const double scale : map_scales(graph, std::vector<double>(graph.nodes.size(), magnitude))) {
      CHECK(scale == 1);
    }
  }
}

TEST_CASE("a network's largest magnitudes are those of its maps on all pictures") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(2);
  const Graph graph = test::any_network("vgg11", false);
  const int last = graph.tap_node("relu2_1");
  const PreparedNetwork network(*backend, graph, splitmix_weights(graph, 3), DType::kFloat64, last, false);
  std::vector<OwnedTensor> pictures;
  std::vector<Tensor> views;
  for (const int h : {24, 17}) {
    pictures.emplace_back(*backend, DType::kFloat64, Shape{h, 20, 3});
    upload_values(*backend, pictures.back().tensor,
                  test::random_vector<double>(pictures.back().tensor.count(), h, -2, 2));
    views.push_back(pictures.back().tensor);
  }
  const std::vector<double> magnitudes = largest_magnitudes(network, views);
  double expected = 0;
  for (const Tensor& view : views) {
    ArenaPlan plan;
    Executor executor(network, view.shape.h, view.shape.w, {last}, false, plan);
    const Arena arena(*backend, plan);
    executor.bind(arena);
    executor.forward(view, [&](int, const Tensor& f) {
      for (const double value : download_values(*backend, f)) expected = std::max(expected, std::abs(value));
    });
  }
  CHECK(magnitudes[last] == expected);
  CHECK(magnitudes.front() == 0);  // the picture itself
}

}  // namespace swag
