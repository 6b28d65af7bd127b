#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "src/backend/op_profiler.h"
#include "src/network/executor.h"
#include "src/run/pixels.h"
#include "src/weights/weights.h"
#include "tests/helpers.h"
#include "tests/network/concat_network.h"

namespace swag {
namespace {

/// A network with deterministic weights, and a loss sum_t <direction_t, F_t> that is linear in the tap
/// features.
class Probe {
 public:
  Probe(const std::string& network, bool average_pooling, const LoweringOptions& lowering,
        DType dtype = DType::kFloat64)
      : Probe(test::any_network(network, average_pooling), lowering, dtype) {}
  Probe(Graph graph, const LoweringOptions& lowering, DType dtype)
      : backend_(make_cpu_backend(2)),
        graph_(std::move(graph)),
        weights_(splitmix_weights(graph_, 3)),
        dtype_(dtype) {
    network_ = std::make_unique<PreparedNetwork>(*backend_, graph_, weights_, dtype,
                                                 graph_.tap_node(graph_.trunk_taps.back()), true, lowering);
  }

  struct Result {
    double loss = 0;
    std::vector<double> gradient;
    std::vector<std::vector<double>> features;  // in the order of `taps`
  };

  Result run(const std::vector<double>& x, int h, int w, const std::vector<std::string>& taps) {
    std::vector<int> nodes;
    for (const std::string& tap : taps) nodes.push_back(graph_.tap_node(tap));
    ArenaPlan plan;
    Executor executor(*network_, h, w, nodes, true, plan);
    const Arena arena(*backend_, plan);
    executor.bind(arena);
    const OwnedTensor image(*backend_, dtype_, {h, w, 3});
    upload_values(*backend_, image.tensor, x);
    Result result;
    result.features.resize(taps.size());
    executor.forward(image.tensor, [&](int t, const Tensor& f) {
      result.features[t] = download_values(*backend_, f);
      const std::vector<double> direction = direction_of(nodes[t], f.count());
      for (int64_t i = 0; i < f.count(); ++i) result.loss += direction[i] * result.features[t][i];
    });
    const Tensor& gradient =
        executor.backward([&](int t, const Tensor& f, const Tensor& df, bool accumulate) {
          CHECK(download_values(*backend_, f) == result.features[t]);  // kept until here
          std::vector<double> values = direction_of(nodes[t], df.count());
          if (accumulate) {
            const std::vector<double> before = download_values(*backend_, df);
            for (size_t i = 0; i < values.size(); ++i) values[i] += before[i];
          }
          upload_values(*backend_, df, values);
        });
    result.gradient = download_values(*backend_, gradient);
    return result;
  }

  const Graph& graph() const { return graph_; }

 private:
  static std::vector<double> direction_of(int node, int64_t count) {
    return test::random_vector<double>(count, node);
  }

  std::unique_ptr<Backend> backend_;
  Graph graph_;
  Weights weights_;
  DType dtype_;
  std::unique_ptr<PreparedNetwork> network_;
};

const LoweringOptions kUnfused{false, false};

/// That the gradient of the probe's loss on h x w pixels is its slope, by central differences.
void check_gradient(Probe& probe, int h, int w) {
  const std::vector<double> x = test::random_vector<double>(h * w * 3, 1),
                            d = test::random_vector<double>(h * w * 3, 2);
  const std::vector<std::string> taps = probe.graph().default_style_taps;
  const double step = 1e-6;
  std::vector<double> ahead = x, behind = x;
  for (size_t i = 0; i < x.size(); ++i) {
    ahead[i] += step * d[i];
    behind[i] -= step * d[i];
  }
  const double slope = (probe.run(ahead, h, w, taps).loss - probe.run(behind, h, w, taps).loss) / (2 * step);
  const std::vector<double> gradient = probe.run(x, h, w, taps).gradient;
  const double expected = std::inner_product(gradient.begin(), gradient.end(), d.begin(), 0.0);
  const bool close = std::abs(slope - expected) <= 1e-5 * std::abs(expected);
  CAPTURE(slope);
  CAPTURE(expected);
  CHECK(close);
}

TEST_CASE("backward of a whole network agrees with central differences") {
  for (const std::string network : {"vgg11", "vgg11_bn", "resnet18", "noresnet50", "concat"}) {
    for (bool average : {false, true}) {
      CAPTURE(network);
      CAPTURE(average);
      Probe probe(network, average, {});
      check_gradient(probe, 37, 33);
    }
  }
}

TEST_CASE("a repeated edge is what a larger picture with that edge gives, and its way back is exact") {
  for (const std::string network : {"vgg11", "resnet18"}) {
    CAPTURE(network);
    const int h = 37, w = 33;
    Probe probe(with_replicated_edge(make_network(network)), {}, DType::kFloat64);
    check_gradient(probe, h, w);

    // The first map, without strides: rows and columns but the outermost are those of the larger picture.
    if (network != "vgg11") continue;
    const std::vector<double> x = test::random_vector<double>(h * w * 3, 1);
    std::vector<double> larger;
    for (int r = -1; r <= h; ++r) {
      for (int q = -1; q <= w; ++q) {
        for (int c = 0; c < 3; ++c) {
          larger.push_back(x[(int64_t{std::clamp(r, 0, h - 1)} * w + std::clamp(q, 0, w - 1)) * 3 + c]);
        }
      }
    }
    Probe plain(network, false, {});
    const std::vector<double> outer = plain.run(larger, h + 2, w + 2, {"relu1_1"}).features[0],
                              inner = probe.run(x, h, w, {"relu1_1"}).features[0];
    std::vector<double> cut;
    for (int r = 0; r < h; ++r) {
      const auto row = outer.begin() + (int64_t{r + 1} * (w + 2) + 1) * 64;
      cut.insert(cut.end(), row, row + int64_t{w} * 64);
    }
    CHECK(test::relative_l2(inner, cut) <= 1e-14);
  }
}

TEST_CASE("folded batch norms and fused steps give the features of the plain steps") {
  for (const std::string network : {"vgg11_bn", "resnet18", "resnet50", "noresnet50", "concat"}) {
    CAPTURE(network);
    Probe fused(network, false, {}), folded(network, false, {true, false}), plain(network, false, kUnfused);
    const int h = 40, w = 52;
    const std::vector<double> x = test::random_vector<double>(h * w * 3, 5);
    const std::vector<std::string> taps = fused.graph().trunk_taps;
    const Probe::Result expected = plain.run(x, h, w, taps);
    for (Probe* probe : {&fused, &folded}) {
      const Probe::Result result = probe->run(x, h, w, taps);
      for (size_t t = 0; t < taps.size(); ++t) {
        const bool close = test::relative_l2(result.features[t], expected.features[t]) <= 1e-12;
        CHECK(close);
      }
      const bool close = test::relative_l2(result.gradient, expected.gradient) <= 1e-11;
      CHECK(close);
    }
  }
}

TEST_CASE("folded batch norms stay within 1e-5 in single precision") {
  Probe folded("resnet50", false, {}, DType::kFloat32), plain("resnet50", false, kUnfused, DType::kFloat32);
  const std::vector<double> x = test::random_vector<double>(64 * 48 * 3, 5);
  const std::vector<std::string> taps = folded.graph().default_style_taps;
  const Probe::Result a = folded.run(x, 64, 48, taps), b = plain.run(x, 64, 48, taps);
  for (size_t t = 0; t < taps.size(); ++t) {
    const bool close = test::relative_l2(a.features[t], b.features[t]) <= 1e-5;
    CHECK(close);
  }
}

TEST_CASE("the gradient of several taps is the sum of the gradients of each") {
  // Inner and consecutive taps, so that every way for gradients to meet is taken: at a residual block's
  // input, at a pool's input, at a tap that nothing else reads.
  for (const std::string network : {"resnet18", "resnet50", "vgg11", "concat"}) {
    for (const LoweringOptions& lowering : {LoweringOptions{}, kUnfused}) {
      CAPTURE(network);
      Probe probe(network, false, lowering);
      const int h = 41, w = 35;
      const std::vector<double> x = test::random_vector<double>(h * w * 3, 7);
      std::vector<std::string> taps = probe.graph().taps();
      std::vector<double> sum(x.size(), 0.0);
      for (const std::string& tap : taps) {
        const std::vector<double> gradient = probe.run(x, h, w, {tap}).gradient;
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += gradient[i];
      }
      std::reverse(taps.begin(), taps.end());  // the order they are named in does not matter
      const bool close = test::relative_l2(probe.run(x, h, w, taps).gradient, sum) <= 1e-11;
      CHECK(close);
    }
  }
}

TEST_CASE("a concatenation holds its parts side by side") {
  Probe probe("concat", false, {});
  const int h = 7, w = 6;
  const std::vector<double> x = test::random_vector<double>(h * w * 3, 5);
  const Probe::Result result = probe.run(x, h, w, {"branch", "mixed", "dense"});
  const std::vector<double>&branch = result.features[0], &mixed = result.features[1],
        &dense = result.features[2];
  int wrong = 0;
  for (int pixel = 0; pixel < h * w; ++pixel) {
    for (int c = 0; c < 6; ++c) wrong += mixed[pixel * 26 + 5 + c] != branch[pixel * 6 + c];
    for (int c = 0; c < 26; ++c) wrong += dense[pixel * 38 + c] != mixed[pixel * 26 + c];
    for (int c = 0; c < 5; ++c) wrong += dense[pixel * 38 + 30 + c] != mixed[pixel * 26 + c];
    for (int c = 0; c < 3; ++c) wrong += dense[pixel * 38 + 35 + c] != x[pixel * 3 + c];
  }
  CHECK(wrong == 0);
  CHECK(probe.run(x, h, w, {"dense"}).features[0] == dense);  // whether or not its parts are wanted
}

TEST_CASE("concatenating branches copies nothing, forwards or backwards") {
  const auto cpu = make_cpu_backend(1);
  OpLog log(*cpu, {});
  const auto backend = make_profiled_backend(log);
  const Graph graph = test::ConcatNetwork::make();
  const auto copies_to = [&](const std::string& tap) {
    const int node = graph.tap_node(tap);
    const PreparedNetwork network(*backend, graph, splitmix_weights(graph, 1), DType::kFloat32, node, true);
    ArenaPlan plan;
    Executor executor(network, 8, 8, {node}, true, plan);
    const Arena arena(*backend, plan);
    executor.bind(arena);
    const OwnedTensor image(*backend, DType::kFloat32, {8, 8, 3});
    upload_values(*backend, image.tensor, test::random_vector<double>(8 * 8 * 3, 1));
    executor.forward(image.tensor, [](int, const Tensor&) {});
    executor.backward([&](int, const Tensor&, const Tensor& df, bool) {
      upload_values(*backend, df, std::vector<double>(df.count(), 1.0));
    });
    size_t copies = 0;
    for (const OpTime& time : log.take()) {
      if (time.work.op == "copy_channels") copies += time.milliseconds.size();
    }
    return copies;
  };
  CHECK(copies_to("mixed") == 0);
  // Forwards a concatenation in a concatenation, a part used twice, the image; backwards the image.
  CHECK(copies_to("dense") == 4);
}

TEST_CASE("a run's own signs imposed on it change nothing, and another run's signs do") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const Graph graph = make_network("vgg11");
  const Weights weights = splitmix_weights(graph, 1);
  const int tap = graph.tap_node("relu3_1");
  const PreparedNetwork network(*backend, graph, weights, DType::kFloat32, tap, true);
  ArenaPlan plan;
  Executor executor(network, 24, 24, {tap}, true, plan);
  const Arena arena(*backend, plan);
  executor.bind(arena);
  const Executor::Visit ignore = [](int, const Tensor&) {};
  const Executor::Seed ones = [&](int, const Tensor&, const Tensor& df, bool) {
    upload_values(*backend, df, std::vector<double>(df.count(), 1.0));
  };
  const OwnedTensor a(*backend, DType::kFloat32, {24, 24, 3}), b(*backend, DType::kFloat32, {24, 24, 3});
  upload_values(*backend, a.tensor, test::random_vector<double>(24 * 24 * 3, 1));
  upload_values(*backend, b.tensor, test::random_vector<double>(24 * 24 * 3, 2));

  executor.forward(b.tensor, ignore);
  const auto signs_b = executor.signs();
  executor.forward(a.tensor, ignore);
  const auto signs_a = executor.signs();
  const std::vector<double> own = download_values(*backend, executor.backward(ones));
  executor.forward(a.tensor, ignore);
  executor.impose_signs(signs_a);
  CHECK(download_values(*backend, executor.backward(ones)) == own);
  executor.forward(a.tensor, ignore);
  executor.impose_signs(signs_b);
  CHECK(download_values(*backend, executor.backward(ones)) != own);
}

TEST_CASE("the backward pass keeps one bit per ReLU value, not the activations") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const Graph graph = make_network("resnet50");
  const Weights weights = random_weights(graph, 0);
  const int tap = graph.tap_node("layer3");
  const PreparedNetwork network(*backend, graph, weights, DType::kFloat32, tap, true);
  ArenaPlan forward_plan, plan;
  Executor forward(network, 256, 256, {tap}, false, forward_plan);
  Executor both(network, 256, 256, {tap}, true, plan);
  int64_t relu_values = 0;
  for (size_t i = 0; i < graph.nodes.size() && static_cast<int>(i) <= tap; ++i) {
    if (graph.nodes[i].op == Op::kRelu) relu_values += both.shape(static_cast<int>(i)).count();
  }
  const int64_t working_set = forward_plan.place();
  CHECK(plan.place() < 2 * working_set + relu_values / 8);
  CHECK(plan.place() < relu_values * 4 / 2);
}

}  // namespace
}  // namespace swag
