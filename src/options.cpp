#include "src/options.h"

#include <algorithm>

#include "src/error.h"

namespace swag {
namespace {

template <typename Enum>
struct Named {
  Enum value;
  const char* name;
};

constexpr Named<Smoothing> kSmoothings[] = {{Smoothing::kNone, "none"},
                                            {Smoothing::kSoftmax, "softmax"},
                                            {Smoothing::kChannel, "channel"},
                                            {Smoothing::kScale, "scale"}};
constexpr Named<LossMode> kLosses[] = {
    {LossMode::kPaper, "paper"}, {LossMode::kAuthors, "authors"}, {LossMode::kBalanced, "balanced"}};
constexpr Named<Init> kInits[] = {
    {Init::kContent, "content"}, {Init::kRandom, "random"}, {Init::kImage, "image"}};
constexpr Named<OptimizerKind> kOptimizers[] = {{OptimizerKind::kLbfgs, "lbfgs"},
                                                {OptimizerKind::kLbfgsPlain, "lbfgs-plain"},
                                                {OptimizerKind::kAdam, "adam"}};
constexpr Named<Conv2dAlgorithm> kConvs[] = {{Conv2dAlgorithm::kAuto, "auto"},
                                             {Conv2dAlgorithm::kDirect, "direct"},
                                             {Conv2dAlgorithm::kWinograd, "winograd"}};

template <typename Enum, size_t N>
const char* name_in(const Named<Enum> (&table)[N], Enum value) {
  for (const Named<Enum>& entry : table) {
    if (entry.value == value) return entry.name;
  }
  throw Error(Status::kInternal, "an option's value has no name");
}

template <typename Enum, size_t N>
Enum value_in(const Named<Enum> (&table)[N], const std::string& name) {
  std::vector<std::string> names;
  for (const Named<Enum>& entry : table) {
    if (name == entry.name) return entry.value;
    names.push_back(entry.name);
  }
  throw Error(Status::kUsage, "'" + name + "' is not one of " + joined(names));
}

[[noreturn]] void refuse(const std::string& option, const std::string& problem) {
  throw Error(Status::kUsage, "--" + option + ": " + problem);
}

void check(const char* option, double value, const Range& range) {
  if (!range.contains(value)) refuse(option, "'" + number_text(value) + "' is not a number " + range.text());
}

/// One weight for each of `count` things, or none at all; not all 0.
void check_weights(const char* option, const std::vector<double>& weights, size_t count) {
  if (weights.empty()) return;
  if (count > 0 && weights.size() != count) {
    refuse(option, std::to_string(weights.size()) + " numbers for " + std::to_string(count) +
                       " layers; give one for each layer");
  }
  for (double weight : weights) check(option, weight, ranges::kWeight);
  const bool any = std::any_of(weights.begin(), weights.end(), [](double weight) { return weight > 0; });
  if (!any) refuse(option, "every number is 0; one at least must be larger");
}

void check_objective(const ObjectiveOptions& o) {
  check("content-weight", o.content_weight, ranges::kWeight);
  check("style-weight", o.style_weight, ranges::kWeight);
  check("tv-weight", o.tv_weight, ranges::kWeight);
  if (!(o.content_weight + o.style_weight + o.tv_weight > 0)) {
    refuse("style-weight",
           "content, style and total variation all have weight 0; nothing is left to optimise");
  }
  check_weights("style-layer-weights", o.style_layer_weights, o.style_layers.size());
  check_weights("content-layer-weights", o.content_layer_weights, o.content_layers.size());
  if (o.temperature != 0) check("temperature", o.temperature, ranges::kTemperature);
  const bool has_entropy = o.smoothing == Smoothing::kSoftmax || o.smoothing == Smoothing::kChannel;
  if (o.temperature == 0 && !has_entropy) {
    refuse("temperature", std::string("'auto' is for the smoothings softmax and channel, not for '") +
                              name_of(o.smoothing) + "'; give a number");
  }
  check("entropy", o.entropy, ranges::kEntropy);
}

// ---------------------------------------------------------------- presets

/// What to take when nothing is said: chosen by looking at pictures.
Preset default_preset() {
  Preset preset;
  preset.name = "default";
  preset.summary = "VGG19 from coarse to fine";
  preset.network = "vgg19";
  return preset;
}

/// The authors' released code, constant by constant (its style weight makes up for their 1/(D M) of the Gram
/// matrix).
Preset authors_preset() {
  Preset preset;
  preset.name = "authors";
  preset.summary = "the constants of the paper's released code: ResNet50, deep stages scaled by 0.001";
  preset.network = "resnet50";
  preset.average_pooling = false;
  StylizeOptions& options = preset.options;
  options.size = parse_size("512x512");
  options.optimizer = OptimizerKind::kLbfgsPlain;
  options.history = 100;
  options.iterations = 1000;
  options.scales = 1;
  ObjectiveOptions& objective = options.objective;
  objective.loss = LossMode::kAuthors;
  objective.content_weight = 1;
  objective.style_weight = 1e17;
  objective.style_layers = {"conv1", "layer1", "layer2", "layer3", "layer4"};
  objective.content_layers = {"layer3"};
  objective.smoothing = Smoothing::kScale;
  objective.smoothing_layers = {"layer3", "layer4"};
  objective.temperature = 1000;
  return preset;
}

/// Gatys et al. 2016 as neural-style made it known. Its weights 5 and 100 belong to mean squared differences
/// of features whose size is that of Caffe's VGG on pixels from 0 to 255; torchvision's weights on normalised
/// pixels, and fitted ones, give other sizes, and style goes with their fourth power where content goes with
/// their second. Gatys normalised the network's activations instead, which is what the balanced loss does:
/// there 5 : 100, the latter for each of five layers, is 1 : 100 for the mean over the layers. The total
/// variation of 1e-3 is too weak to be seen.
Preset gatys_preset() {
  Preset preset;
  preset.name = "gatys";
  preset.summary = "Gatys et al. 2016 as neural-style users know it: VGG19, average pooling, one scale";
  preset.network = "vgg19";
  preset.average_pooling = true;
  StylizeOptions& options = preset.options;
  options.size = parse_size("512");
  options.init = Init::kRandom;
  options.history = 100;
  options.iterations = 1000;
  options.scales = 1;
  ObjectiveOptions& objective = options.objective;
  objective.content_weight = 1;
  objective.style_weight = 100;
  objective.style_layers = {"relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"};
  objective.content_layers = {"relu4_2"};
  return preset;
}

}  // namespace

void StylizeOptions::validate() const {
  check_objective(objective);
  check("style-scale", style_scale, ranges::kStyleScale);
  check_weights("style-blend", style_blend, 0);
  check("learning-rate", learning_rate, ranges::kLearningRate);
  check("iterations", iterations, ranges::kIterations);
  check("history", history, ranges::kHistory);
  check("scales", scales, ranges::kScales);
  if (resize && scales > 1 && objective.loss != LossMode::kBalanced) {
    refuse("scales",
           std::string("the loss '") + name_of(objective.loss) +
               "' changes by orders of magnitude with the image's size; give --scales 1 or --loss balanced");
  }
}

const std::vector<Preset>& presets() {
  static const std::vector<Preset> kPresets = {default_preset(), authors_preset(), gatys_preset()};
  return kPresets;
}

const Preset& find_preset(const std::string& name) {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) {
    if (preset.name == name) return preset;
    names.push_back(preset.name);
  }
  throw Error(Status::kUsage, "'" + name + "' is not one of " + joined(names));
}

const char* name_of(Smoothing value) { return name_in(kSmoothings, value); }
const char* name_of(LossMode value) { return name_in(kLosses, value); }
const char* name_of(Init value) { return name_in(kInits, value); }
const char* name_of(OptimizerKind value) { return name_in(kOptimizers, value); }
const char* name_of(Conv2dAlgorithm value) { return name_in(kConvs, value); }

Smoothing parse_smoothing(const std::string& name) { return value_in(kSmoothings, name); }
LossMode parse_loss(const std::string& name) { return value_in(kLosses, name); }
Init parse_init(const std::string& name) { return value_in(kInits, name); }
OptimizerKind parse_optimizer(const std::string& name) { return value_in(kOptimizers, name); }
Conv2dAlgorithm parse_conv(const std::string& name) { return value_in(kConvs, name); }

double default_learning_rate(OptimizerKind optimizer) { return optimizer == OptimizerKind::kAdam ? 0.05 : 1; }

}  // namespace swag
