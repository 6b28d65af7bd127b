// The whole objective against PyTorch: every file of tests/golden holds losses, statistics and the pixel
// gradient that tools/reference.py computed in float64 for one network, smoothing and loss.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/codecs/decode.h"
#include "src/run/dump.h"
#include "src/support/parse.h"
#include "src/weights/safetensors.h"
#include "src/weights/weights.h"
#include "tests/helpers.h"
#include "tests/network/concat_network.h"

namespace swag::test {

/// SWAG_GOLDEN names another folder of goldens, with its images in it or beside it.
inline std::filesystem::path golden_folder() {
  const char* other = std::getenv("SWAG_GOLDEN");
  return other ? std::filesystem::path(other) : std::filesystem::path(SWAG_SOURCE_DIR) / "tests" / "golden";
}

inline Image golden_image(const std::string& name) {
  const std::filesystem::path inside = golden_folder() / name;
  return load_image(
      (std::filesystem::exists(inside) ? inside : golden_folder().parent_path() / name).string());
}

inline ObjectiveOptions objective_options_of(const std::map<std::string, std::string>& metadata) {
  ObjectiveOptions options;
  options.loss = parse_loss(metadata.at("loss"));
  const auto style_loss = metadata.find("style_loss");
  if (style_loss != metadata.end()) options.style_loss = parse_style_loss(style_loss->second);
  options.smoothing = parse_smoothing(metadata.at("smoothing"));
  options.temperature = metadata.at("temperature") == "auto" ? 0 : std::stod(metadata.at("temperature"));
  options.entropy = std::stod(metadata.at("entropy"));
  options.content_weight = std::stod(metadata.at("content_weight"));
  options.style_weight = std::stod(metadata.at("style_weight"));
  options.style_layers = parse_list(metadata.at("style_taps"));
  options.content_layers = {metadata.at("content_tap")};
  return options;
}

/// With the weights of `splitmix:seed`; made once.
inline std::shared_ptr<const Model> splitmix_model(const std::string& network, uint64_t seed,
                                                   bool average_pooling = false) {
  static std::map<std::string, std::shared_ptr<const Model>> models;
  std::shared_ptr<const Model>& model =
      models[network + std::to_string(seed) + (average_pooling ? "avg" : "max")];
  if (!model) {
    Model made;
    made.average_pooling = average_pooling;
    made.graph = any_network(network, average_pooling);
    made.weights = splitmix_weights(made.graph, seed);
    model = std::make_shared<const Model>(std::move(made));
  }
  return model;
}

/// One golden: its file and the inputs of the run it came from.
class Golden {
 public:
  /// By name.
  static std::vector<Golden> all() {
    std::vector<Golden> goldens;
    const std::vector<std::string> known = network_names();
    for (const auto& entry : std::filesystem::directory_iterator(golden_folder())) {
      if (entry.path().extension() != ".safetensors") continue;
      Golden golden(entry.path().string());
      if (std::find(known.begin(), known.end(), golden.network()) == known.end()) {
        MESSAGE("SKIP " << golden.name() << ": there is no network " << golden.network() << " yet");
        continue;
      }
      goldens.push_back(std::move(golden));
    }
    std::sort(goldens.begin(), goldens.end(),
              [](const Golden& a, const Golden& b) { return a.name() < b.name(); });
    return goldens;
  }

  std::string name() const { return std::filesystem::path(path_).stem().string(); }
  const std::string& network() const { return file_.metadata().at("network"); }

  Dump run(Backend& backend, DType dtype, const std::vector<std::vector<uint8_t>>* signs,
           Conv2dAlgorithm conv = Conv2dAlgorithm::kAuto) const {
    const auto model = splitmix_model(network(), std::stoull(file_.metadata().at("seed")));
    return dump_objective(backend, *model, dtype, objective_options_of(file_.metadata()), content_, {style_},
                          {1.0}, image_, signs, conv);
  }

  struct Tolerances {
    double losses, statistics, gradient;
  };
  struct Errors {
    double losses = 0, statistics = 0, gradient = 0;  // the largest of each kind
  };

  /// Relative L2 errors, absolute ones of entropies; each is checked.
  Errors compare(const Dump& dump, const Tolerances& tolerances) const {
    Errors errors;
    for (const auto& named : file_.entries()) {
      const std::string& name = named.first;  // CAPTURE's lambda takes no structured binding
      const bool entropy = name.compare(0, 8, "entropy.") == 0;
      const bool statistic = entropy || name.find("_stats.") != std::string::npos;
      const std::vector<double>&actual = dump.at(name).values, expected = file_.read<double>(name);
      const double error = entropy ? std::abs(actual.at(0) - expected.at(0)) : relative_l2(actual, expected);
      const double tolerance = name == "gradient" ? tolerances.gradient
                               : statistic        ? tolerances.statistics
                                                  : tolerances.losses;
      double& worst = name == "gradient" ? errors.gradient : statistic ? errors.statistics : errors.losses;
      if (!(error <= worst)) worst = error;
      CAPTURE(name);
      CAPTURE(error);
      CHECK(dump.at(name).shape == named.second.shape);
      const bool close = error <= tolerance;  // false for NaN
      CHECK(close);
    }
    CHECK(dump.entries.size() == file_.entries().size());
    return errors;
  }

 private:
  explicit Golden(const std::string& path)
      : path_(path),
        file_(SafetensorsFile::open(path)),
        content_(golden_image("content_96x72.png")),
        style_(golden_image("style_80x100.png")),
        image_(golden_image("image_96x72.png")) {}

  std::string path_;
  SafetensorsFile file_;
  Image content_, style_, image_;
};

/// For float64; for float32 with the ReLU signs and pool positions
/// of the float64 run, and with its own, of which a tie may fall the other way.
constexpr Golden::Tolerances kDoubleTolerances{1e-9, 1e-7, 1e-8};
constexpr Golden::Tolerances kSingleTolerances{1e-4, 1e-4, 2e-4};
constexpr Golden::Tolerances kFreeTolerances{1e-4, 1e-4, 5e-2};

/// In TF32 an operand is off by 2^-12 of itself or less, to either side: 2e-4 in the mean square. A layer
/// makes sums of thousands of them, so that errors of one layer hardly grow but those of many add up.
constexpr Golden::Tolerances kTf32Tolerances{1e-3, 2e-3, 6e-3};

/// Float16 has TF32's digits, but a gradient in bfloat16 is off by 2^-9 of itself, 1.1e-3 in the mean square.
constexpr Golden::Tolerances kHalfTolerances{1e-3, 2e-3, 3e-2};

}  // namespace swag::test
