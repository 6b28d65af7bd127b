// The whole objective against PyTorch: every file of tests/golden holds losses, statistics and the pixel
// gradient that tools/reference.py computed in float64 for one network, smoothing and loss.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "src/dump.h"
#include "src/image/decode.h"
#include "src/parse.h"
#include "src/weights/safetensors.h"
#include "tests/helpers.h"

namespace swag {
namespace {

namespace fs = std::filesystem;

/// SWAG_GOLDEN names another folder of goldens, with its images in it or beside it.
fs::path golden_folder() {
  const char* other = std::getenv("SWAG_GOLDEN");
  return other ? fs::path(other) : fs::path(SWAG_SOURCE_DIR) / "tests" / "golden";
}

Image golden_image(const std::string& name) {
  const fs::path inside = golden_folder() / name;
  return load_image((fs::exists(inside) ? inside : golden_folder().parent_path() / name).string());
}

ObjectiveOptions options_of(const std::map<std::string, std::string>& metadata) {
  ObjectiveOptions options;
  options.loss = parse_loss(metadata.at("loss"));
  options.smoothing = parse_smoothing(metadata.at("smoothing"));
  options.temperature = metadata.at("temperature") == "auto" ? 0 : std::stod(metadata.at("temperature"));
  options.entropy = std::stod(metadata.at("entropy"));
  options.content_weight = std::stod(metadata.at("content_weight"));
  options.style_weight = std::stod(metadata.at("style_weight"));
  options.style_layers = parse_list(metadata.at("style_taps"));
  options.content_layers = {metadata.at("content_tap")};
  return options;
}

std::shared_ptr<const Model> model_of(const std::string& network, uint64_t seed) {
  static std::map<std::string, std::shared_ptr<const Model>> models;
  std::shared_ptr<const Model>& model = models[network + std::to_string(seed)];
  if (!model) {
    Model made;
    made.graph = make_network(network);
    made.weights = splitmix_weights(made.graph, seed);
    model = std::make_shared<const Model>(std::move(made));
  }
  return model;
}

/// Relative L2, but absolute for entropies.
double error_of(const std::string& name, const std::vector<double>& actual,
                const std::vector<double>& expected) {
  if (name.compare(0, 8, "entropy.") == 0) return std::abs(actual.at(0) - expected.at(0));
  return test::relative_l2(actual, expected);
}

void compare(const SafetensorsFile& golden, const Dump& dump, double loss_tolerance,
             double statistics_tolerance, double gradient_tolerance) {
  for (const auto& golden_entry : golden.entries()) {
    const std::string& name = golden_entry.first;
    const bool statistic = name.find("_stats.") != std::string::npos || name.compare(0, 8, "entropy.") == 0;
    const double tolerance = name == "gradient" ? gradient_tolerance
                             : statistic        ? statistics_tolerance
                                                : loss_tolerance;
    const double error = error_of(name, dump.at(name).values, golden.read<double>(name));
    CAPTURE(name);
    CAPTURE(error);
    CHECK(dump.at(name).shape == golden_entry.second.shape);
    const bool close = error <= tolerance;  // false for NaN
    CHECK(close);
  }
  CHECK(dump.entries.size() == golden.entries().size());
}

TEST_CASE("losses, statistics and gradient agree with PyTorch's float64, in double and in single precision") {
  const Image content = golden_image("content_96x72.png"), style = golden_image("style_80x100.png"),
              image = golden_image("image_96x72.png");
  const std::unique_ptr<Backend> backend = make_cpu_backend(2);
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(golden_folder())) {
    if (entry.path().extension() != ".safetensors") continue;
    const SafetensorsFile golden = SafetensorsFile::open(entry.path().string());
    const std::string network = golden.metadata().at("network");
    const std::vector<std::string> known = network_names();
    if (std::find(known.begin(), known.end(), network) == known.end()) {
      MESSAGE("SKIP " << entry.path().filename().string() << ": there is no network " << network << " yet");
      continue;
    }
    CAPTURE(entry.path().filename().string());
    const auto model = model_of(network, std::stoull(golden.metadata().at("seed")));
    const ObjectiveOptions options = options_of(golden.metadata());
    const auto dump = [&](DType dtype, const std::vector<std::vector<uint8_t>>* signs) {
      return dump_objective(*backend, *model, dtype, options, content, {style}, {1.0}, image, signs);
    };
    const Dump exact = dump(DType::kFloat64, nullptr);
    compare(golden, exact, 1e-9, 1e-7, 1e-8);
    compare(golden, dump(DType::kFloat32, &exact.signs), 1e-4, 1e-4, 2e-4);
    compare(golden, dump(DType::kFloat32, nullptr), 1e-4, 1e-4, 5e-2);
    ++files;
  }
  CHECK(files > 0);
}

}  // namespace
}  // namespace swag
