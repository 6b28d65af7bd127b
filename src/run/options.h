// What a stylisation is asked to do, as one struct with one validate, and the presets.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/conv2d/conv2d.h"  // Conv2dAlgorithm
#include "src/image/fit.h"
#include "src/image/resize.h"  // SizeRule
#include "src/objective/options.h"
#include "src/support/parse.h"  // Range

namespace swag {

enum class Init { kContent, kRandom, kImage };
enum class OptimizerKind { kLbfgs, kLbfgsPlain, kAdam };

/// The numbers each option may have.
namespace ranges {
constexpr Range kStyleScale{0, 16, true};
constexpr Range kLearningRate{0, 1e6, true};
constexpr Range kIterations{0, 1000000};
constexpr Range kHistory{1, 1000};
constexpr Range kScales{1, 10};
constexpr Range kScaleFactor{1, 16, true};
constexpr Range kThreads{0, 1024};
}  // namespace ranges

struct StylizeOptions {
  ObjectiveOptions objective;
  SizeRule size;                    // of the output
  Fit fit = Fit::kCrop;             // of the content into a size of another shape
  bool resize = true;               // false: every image at its decoded size, one scale
  double style_scale = 1;           // longest side of the style images relative to the output's
  std::vector<double> style_blend;  // weight per style image; empty: 1 each
  Init init = Init::kContent;
  OptimizerKind optimizer = OptimizerKind::kLbfgs;
  double learning_rate = 1;
  int iterations = 60;  // per scale
  int history = 10;
  int scales = 3;           // coarse to fine
  double scale_factor = 2;  // the size of one relative to the one before, > 1
  uint64_t seed = 0;
  bool double_precision = false;
  Conv2dAlgorithm conv = Conv2dAlgorithm::kAuto;  // of layers that have a choice, see docs/cpu.md

  /// Throws Error(kUsage) naming the option, its value and what is allowed.
  void validate() const;
};

/// A preset fixes the network too, which the C API leaves to its caller.
struct Preset {
  std::string name, summary;
  std::string network;
  std::optional<bool> average_pooling;  // none: by the weights, average for fitted ones
  StylizeOptions options;
};

const std::vector<Preset>& presets();
/// Throws Error(kUsage) that lists the names.
const Preset& find_preset(const std::string& name);

// Names of the command line and of JSON <-> values. The parsers throw Error(kUsage) that lists the names.
const char* name_of(Fit value);
const char* name_of(Init value);
const char* name_of(OptimizerKind value);
const char* name_of(Conv2dAlgorithm value);
Fit parse_fit(const std::string& name);
Init parse_init(const std::string& name);
OptimizerKind parse_optimizer(const std::string& name);
Conv2dAlgorithm parse_conv(const std::string& name);

/// The customary step of an optimiser: 1 for L-BFGS, 0.05 (of a pixel's deviation) for Adam.
double default_learning_rate(OptimizerKind optimizer);

}  // namespace swag
