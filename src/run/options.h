// What a stylisation is asked to do, as one struct with one validate, and the presets.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/conv2d/conv2d.h"  // Conv2dAlgorithm
#include "src/image/fit.h"
#include "src/image/resize.h"  // SizeRule, Resample
#include "src/objective/options.h"
#include "src/run/precision.h"
#include "src/support/parse.h"  // Range

namespace swag {

enum class Init { kContent, kRandom, kImage };
enum class OptimizerKind { kLbfgs, kLbfgsPlain, kAdam };
enum class Padding { kZeros, kReplicate };

/// The numbers each option may have.
namespace ranges {
constexpr Range kStyleScale{0, 16, true};
constexpr Range kLearningRate{0, 1e6, true};
constexpr Range kIterations{0, 1000000};
constexpr Range kHistory{1, 1000};
constexpr Range kScales{1, 20};
constexpr Range kMinScale{1, 1 << 24};
constexpr Range kAverage{0, 1, false, true};
constexpr Range kScaleFactor{1, 16, true};
constexpr Range kThreads{0, 1024};
}  // namespace ranges

struct StylizeOptions {
  ObjectiveOptions objective;
  SizeRule size;                           // of the output
  Fit fit = Fit::kCrop;                    // of the content into a size of another shape
  bool resize = true;                      // false: every image at its decoded size, one scale
  Resample resample = Resample::kLanczos;  // of content, styles and initial image
  double style_scale = 1;                  // longest side of the style images relative to the output's
  std::vector<double> style_blend;         // weight per style image; empty: 1 each
  Init init = Init::kContent;
  OptimizerKind optimizer = OptimizerKind::kLbfgs;
  double learning_rate = 1;
  bool clamp = false;   // every step of Adam ends within [0, 1]
  double average = 0;   // decay of the iterates' average, which is then the picture; 0: the best one is
  int iterations = 60;  // per scale
  int initial_iterations = 0;  // of the first scale; 0: as many as of the others
  int history = 10;
  int scales = 3;           // coarse to fine
  double scale_factor = 2;  // the size of one relative to the one before, > 1
  int min_scale = 96;       // longest side of the first in pixels: on less the content is lost
  uint64_t seed = 0;
  Precision precision = Precision::kAuto;
  Padding padding = Padding::kZeros;              // of the first convolution
  Conv2dAlgorithm conv = Conv2dAlgorithm::kAuto;  // of layers that have a choice, see docs/cpu.md

  /// Of a softmax at a given temperature TF32 has too few digits: docs/objective.md.
  Precision wanted_precision() const {
    const bool sharp = objective.smoothing == Smoothing::kSoftmax && objective.temperature > 0;
    return precision == Precision::kAuto && sharp ? Precision::kSingle : precision;
  }

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
const char* name_of(Resample value);
const char* name_of(Init value);
const char* name_of(OptimizerKind value);
const char* name_of(Padding value);
const char* name_of(Conv2dAlgorithm value);
Fit parse_fit(const std::string& name);
Resample parse_resample(const std::string& name);
Init parse_init(const std::string& name);
OptimizerKind parse_optimizer(const std::string& name);
Padding parse_padding(const std::string& name);
Conv2dAlgorithm parse_conv(const std::string& name);

/// The customary step of an optimiser: 1 for L-BFGS, 0.02 (of a picture's values, 0 to 1) for Adam.
double default_learning_rate(OptimizerKind optimizer);

}  // namespace swag
