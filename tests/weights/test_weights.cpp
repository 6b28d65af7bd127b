#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "src/weights/safetensors.h"
#include "src/weights/weights.h"
#include "tests/helpers.h"
#include "tests/weights/weight_files.h"

using namespace swag;
using swag::test::contains;
using swag::test::error_text;
using swag::test::TemporaryFolder;

namespace {

/// A network with an entry of every kind; "unused" stands for NoResNet's downsample.
Graph tiny_graph() {
  Graph graph;
  graph.network = "tiny";
  graph.state = {{"conv.weight", {2, 3, 1, 1}, true},
                 {"conv.bias", {2}, true},
                 {"bn.weight", {2}, true},
                 {"bn.running_var", {2}, true},
                 {"bn.num_batches_tracked", {}, false},
                 {"unused.weight", {4}, false},
                 {"fc.weight", {5, 2}, false}};
  return graph;
}

using Tensors = std::map<std::string, std::pair<std::vector<int64_t>, std::vector<float>>>;

Tensors tiny_tensors() {
  return {{"conv.weight", {{2, 3, 1, 1}, {1, 2, 3, 4, 5, 6}}},
          {"conv.bias", {{2}, {0, -1}}},
          {"bn.weight", {{2}, {1, 1}}},
          {"bn.running_var", {{2}, {1, 0.5f}}}};
}

/// The error of loading these tensors into tiny_graph(), "" when they load.
std::string load_error(const std::function<void(Tensors&)>& change) {
  const TemporaryFolder folder;
  Tensors tensors = tiny_tensors();
  change(tensors);
  std::vector<SafetensorsOutput<float>> outputs;
  for (const auto& [name, tensor] : tensors) outputs.push_back({name, tensor.first, tensor.second.data()});
  write_safetensors<float>(folder.file("w"), outputs, {});
  const std::string bytes = test::read_text(folder.file("w"));
  return error_text([&] { load_weights(bytes.data(), bytes.size(), "w", tiny_graph()); });
}

struct Moments {
  double mean = 0, deviation = 0, kurtosis = 0;
};

Moments moments(const std::vector<float>& values) {
  double sum = 0, squares = 0, fourths = 0;
  for (double v : values) sum += v, squares += v * v, fourths += v * v * v * v;
  const auto n = static_cast<double>(values.size());
  return {sum / n, std::sqrt(squares / n), fourths * n / (squares * squares)};
}

}  // namespace

TEST_CASE("weights come back from a file as they were saved") {
  const TemporaryFolder folder;
  const Graph graph = make_network("resnet18");
  const Weights saved = splitmix_weights(graph, 3);
  save_weights(folder.file("w.safetensors"), saved, graph);
  const Weights loaded = load_weights(folder.file("w.safetensors"), graph);
  CHECK(loaded.network == "resnet18");
  CHECK(loaded.source == "w.safetensors");
  CHECK(loaded.metadata == saved.metadata);
  CHECK(loaded.values.size() == 100);
  CHECK(loaded.values == saved.values);
  CHECK(error_text([&] { loaded.at("layer1"); }) == "1: no parameter layer1 in the weights of resnet18");
  CHECK(error_text([&] { save_weights(folder.file("no/w"), saved, graph); }).rfind("8: ", 0) == 0);
}

TEST_CASE("a missing name, another shape, an extra name and a value that is not finite are refused") {
  CHECK(load_error([](Tensors&) {}).empty());
  CHECK(load_error([](Tensors& t) { t.erase("conv.bias"); }) ==
        "4: w: conv.bias is missing, tiny needs it: weights of another network?");
  CHECK(load_error([](Tensors& t) { t.erase("conv.bias"), t.erase("bn.weight"); }) ==
        "4: w: conv.bias (and 1 more) is missing, tiny needs it: weights of another network?");
  CHECK(load_error([](Tensors& t) {
          t["conv.weight"].first = {3, 2, 1, 1};
        }) ==
        "4: w: conv.weight has shape (3, 2, 1, 1), tiny needs (2, 3, 1, 1): weights of another network?");
  CHECK(load_error([](Tensors& t) {
          t["conv2.weight"] = {{1}, {0}};
        }) == "4: w: conv2.weight is no part of tiny: weights of another network?");
  for (float value : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::quiet_NaN()}) {
    CHECK(contains(load_error([&](Tensors& t) { t["bn.weight"].second[1] = value; }),
                   "w: bn.weight has the value"));
  }
  const auto variance = [](float value) {
    return load_error([&](Tensors& t) { t["bn.running_var"].second[1] = value; });
  };
  CHECK(variance(0) == "");
  CHECK(variance(-0.5f) ==
        "4: w: bn.running_var has the value -0.500000 at index 1, no variance is negative; is the file "
        "damaged?");
}

TEST_CASE("classifiers, auxiliary heads, counters and unused entries may be in a file") {
  for (const char* name :
       {"fc.weight", "fc.bias", "classifier.6.bias", "aux1.conv.bn.bias", "AuxLogits.fc.bias",
        "head.fc.weight", "pre_logits.fc1.weight", "conv9.num_batches_tracked", "unused.weight"}) {
    CAPTURE(name);
    CHECK(load_error([&](Tensors& t) { t[name] = {{1}, {std::nanf("")}}; }).empty());
  }
  for (const char* name : {"fc2.weight", "my.fc.weight", "unused.bias", "layer1.0.downsample.0.weight"}) {
    CAPTURE(name);
    CHECK(contains(load_error([&](Tensors& t) { t[name] = {{1}, {0}}; }), "is no part of tiny"));
  }
}

TEST_CASE("weights of another network are refused and theirs is named") {
  const TemporaryFolder folder;
  const auto saved = [&](const std::string& network) {
    const Graph graph = make_network(network);
    save_weights(folder.file(network), splitmix_weights(graph, 1), graph);
    return folder.file(network);
  };
  const std::string resnet18 = saved("resnet18"), resnet34 = saved("resnet34"), vgg11 = saved("vgg11");
  CHECK(error_text([&] { load_weights(resnet34, make_network("resnet18")); }) ==
        "4: " + resnet34 + ": layer1.2.bn1.bias (and 79 more) is no part of resnet18: these are of resnet34");
  CHECK(error_text([&] { load_weights(resnet18, make_network("resnet34")); }) ==
        "4: " + resnet18 +
            ": layer1.2.conv1.weight (and 79 more) is missing, resnet34 needs it: "
            "these are of resnet18");
  CHECK(contains(error_text([&] { load_weights(vgg11, make_network("vgg13")); }),
                 "is missing, vgg13 needs it: these are of vgg11"));
  CHECK(contains(error_text([&] { load_weights(resnet18, make_network("resnet50")); }),
                 "layer1.0.conv1.weight has shape (64, 64, 3, 3), resnet50 needs (64, 64, 1, 1)"));
}

TEST_CASE("a VGG for the pixels of Caffe is refused, unless the file says whose it is") {
  const TemporaryFolder folder;
  const Graph graph = make_network("vgg11");
  Weights weights = splitmix_weights(graph, 3);
  const auto error = [&](const std::map<std::string, std::string>& metadata) {
    weights.metadata = metadata;
    save_weights(folder.file("w"), weights, graph);
    return error_text([&] { load_weights(folder.file("w"), graph); });
  };
  CHECK(error({}).empty());
  std::vector<float>& weight = weights.values["features.0.weight"];
  std::vector<float>& bias = weights.values["features.0.bias"];

  const std::vector<float> as_trained = weight;
  for (float& value : weight) value /= 57;
  CHECK(
      contains(error({}), "w: is for the pixels of Caffe (BGR, 0 to 255, less the mean), since the weights"));
  CHECK(contains(error({}), "`swag model convert` turns it"));
  CHECK(error({{"pixels", "torchvision"}}).empty());
  CHECK(error({{"method", "fitted"}}).empty());

  // Of VGG19, as trained in Caffe: its weights are as large as torchvision's.
  weight = as_trained;
  const float plane[] = {0.341195f,  0.339992f,   -0.0448442f, 0.232159f, 0.0897821f,
                         -0.303314f, -0.0726092f, -0.246675f,  -0.336833f};
  const float biases[] = {0.7301776f,  0.06493629f,  0.03428847f, 0.8260386f, 0.2578029f,
                          0.54867655f, -0.01243854f, 0.34789944f, 0.5510871f};
  for (int i = 0; i < 27; ++i) weight[i] = plane[i % 9] * static_cast<float>(1 + 0.2 * (i / 9));
  CHECK(error({}).empty());
  for (int i = 0; i < 9; ++i) bias[i] = biases[i];
  CHECK(contains(error({}), "since its first layer is that of the VGGs first published"));
  for (float& value : weight) value *= 57;  // as the converter turns it
  CHECK(error({}).empty());
}

TEST_CASE("NoResNet loads the weights of a ResNet50, its downsample left alone") {
  const TemporaryFolder folder;
  const Graph resnet = make_network("resnet50"), noresnet = make_network("noresnet50");
  save_weights(folder.file("w"), random_weights(resnet, 1), resnet);
  const Weights weights = load_weights(folder.file("w"), noresnet);
  CHECK(weights.values.count("layer1.0.conv3.weight") == 1);
  CHECK(weights.values.count("layer1.0.downsample.0.weight") == 0);
  CHECK(fitting_networks(SafetensorsFile::open(folder.file("w"))) ==
        std::vector<std::string>{"resnet50", "noresnet50"});
  CHECK(load_weights(folder.file("w"), resnet).values.count("layer1.0.downsample.0.weight") == 1);
}

TEST_CASE("random weights have the moments of torchvision's initialisation") {
  const Weights weights = random_weights(make_network("vgg16_bn"), 11);
  for (const char* name : {"features.3.weight", "features.40.weight"}) {  // 36,864 and 2,359,296 values
    CAPTURE(name);
    const std::vector<float>& values = weights.at(name);
    const double fan_out = values.size() == 36864 ? 64 * 9 : 512 * 9;
    const Moments m = moments(values);
    const double spread = 5 / std::sqrt(static_cast<double>(values.size()));  // five standard errors
    CHECK(std::abs(m.mean) <= spread * std::sqrt(2 / fan_out));
    CHECK(std::abs(m.deviation / std::sqrt(2 / fan_out) - 1) <= spread / std::sqrt(2.0));
    CHECK(std::abs(m.kurtosis - 3) <= spread * std::sqrt(24.0));  // normal, not uniform
  }
  for (float v : weights.at("features.3.bias")) CHECK(v == 0);
  for (float v : weights.at("features.4.weight")) CHECK(v == 1);
  for (float v : weights.at("features.4.bias")) CHECK(v == 0);
  for (float v : weights.at("features.4.running_mean")) CHECK(v == 0);
  for (float v : weights.at("features.4.running_var")) CHECK(v == 1);
  CHECK(weights.source == "random (seed 11)");
}

TEST_CASE("random weights depend on the seed alone and never repeat") {
  const Graph graph = make_network("resnet18");
  const Weights weights = random_weights(graph, 5);
  CHECK(weights.values == random_weights(graph, 5).values);
  CHECK(weights.values != random_weights(graph, 6).values);
  std::set<float> first;  // of every convolution, and of other seeds
  for (const auto& [name, values] : weights.values) {
    if (contains(name, "conv") || contains(name, "downsample.0")) first.insert(values[0] * values[1]);
  }
  for (uint64_t seed : {6, 7, 1000, 5001}) {
    const Weights other = random_weights(graph, seed);
    first.insert(other.at("conv1.weight")[0] * other.at("conv1.weight")[1]);
  }
  CHECK(first.size() == 20 + 4);
}

TEST_CASE("splitmix weights equal the reference's bit by bit") {
  // From reference.py weights --network resnet18 --seed 7, and vgg11 --seed 123456.
  const Weights resnet = splitmix_weights(make_network("resnet18"), 7);
  CHECK(resnet.at("conv1.weight").front() == 0x1.80c9b2p-6f);
  CHECK(resnet.at("conv1.weight").back() == 0x1.603c3p-7f);
  CHECK(resnet.at("bn1.weight")[0] == 0x1.afce0cp-1f);
  CHECK(resnet.at("bn1.bias")[1] == -0x1.83bce2p-5f);
  CHECK(resnet.at("bn1.running_mean")[2] == 0x1.d106bp-4f);
  CHECK(resnet.at("bn1.running_var")[63] == 0x1.2ac23p-1f);
  CHECK(resnet.at("layer2.0.downsample.0.weight").back() == -0x1.845e8ep-3f);
  CHECK(resnet.at("layer4.1.bn2.running_var")[511] == 0x1.3c018ap+0f);
  const Weights vgg = splitmix_weights(make_network("vgg11"), 123456);
  CHECK(vgg.at("features.0.weight")[1] == 0x1.6679b2p-3f);
  CHECK(vgg.at("features.18.bias")[511] == -0x1.ff3784p-10f);
}
