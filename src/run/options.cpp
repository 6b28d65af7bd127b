#include "src/run/options.h"

#include "src/support/error.h"
#include "src/support/names.h"
#include "src/support/option_check.h"
#include "src/support/printable.h"

namespace swag {
namespace {

constexpr Named<Fit> kFits[] = {{Fit::kStretch, "stretch"}, {Fit::kCrop, "crop"}, {Fit::kPad, "pad"}};
constexpr Named<Init> kInits[] = {
    {Init::kContent, "content"}, {Init::kRandom, "random"}, {Init::kImage, "image"}};
constexpr Named<OptimizerKind> kOptimizers[] = {{OptimizerKind::kLbfgs, "lbfgs"},
                                                {OptimizerKind::kLbfgsPlain, "lbfgs-plain"},
                                                {OptimizerKind::kAdam, "adam"}};
constexpr Named<Resample> kResamples[] = {{Resample::kLanczos, "lanczos"}, {Resample::kBicubic, "bicubic"}};
constexpr Named<Padding> kPaddings[] = {{Padding::kZeros, "zeros"}, {Padding::kReplicate, "replicate"}};
constexpr Named<Conv2dAlgorithm> kConvs[] = {{Conv2dAlgorithm::kAuto, "auto"},
                                             {Conv2dAlgorithm::kDirect, "direct"},
                                             {Conv2dAlgorithm::kWinograd, "winograd"}};

// ---------------------------------------------------------------- presets

/// What to take when nothing is said: chosen by looking at pictures.
Preset default_preset() {
  Preset preset;
  preset.name = "default";
  preset.summary = "VGG19 from coarse to fine; for a VGG's trained or random weights the preset of that name";
  preset.network = "vgg19";
  preset.options.padding = Padding::kReplicate;
  return preset;
}

/// What to take of a VGG with trained weights when nothing is said; docs/looks.md has the pictures. Features
/// as deep as relu4_1 and relu5_1 say where things are, and a style that asks much of them loses its colours
/// and strokes to noise.
Preset trained_preset() {
  Preset preset = default_preset();
  preset.name = "trained";
  preset.summary =
      "what default takes of a VGG with trained weights: Wasserstein distances, above all of the "
      "shallow layers";
  StylizeOptions& options = preset.options;
  options.iterations = 45;
  ObjectiveOptions& objective = options.objective;
  objective.style_loss = StyleLossKind::kWasserstein;
  objective.style_weight = 200;
  objective.tv_weight = 3;
  objective.tv_stencil = TvStencil::kNinePoint;
  objective.style_layers = {"relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"};
  objective.style_layer_weights = {64, 32, 4, 0.25, 0.05};
  objective.content_layers = {"relu4_2"};
  return preset;
}

/// What to take of a VGG with random weights when nothing is said: without the total variation and with Gram
/// matrices they paint specks.
Preset random_preset() {
  Preset preset = default_preset();
  preset.name = "random";
  preset.summary = "what default takes of a VGG with random weights: Wasserstein distances, smoothed";
  ObjectiveOptions& objective = preset.options.objective;
  objective.style_loss = StyleLossKind::kWasserstein;
  objective.tv_weight = 30;
  objective.tv_stencil = TvStencil::kNinePoint;
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
  options.fit = Fit::kStretch;
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

/// crowsonkb/style-transfer-pytorch, objective and schedule.
Preset crowson_preset() {
  Preset preset;
  preset.name = "crowson";
  preset.summary = "style-transfer-pytorch's: Wasserstein distances, Adam, many scales; for trained weights";
  preset.network = "vgg19";
  preset.average_pooling = false;
  StylizeOptions& options = preset.options;
  options.size = parse_size("512");
  options.optimizer = OptimizerKind::kAdam;
  options.learning_rate = 0.02;
  options.clamp = true;
  options.average = 0.99;
  options.iterations = 500;
  options.initial_iterations = 1000;
  options.scales = 20;
  options.resample = Resample::kBicubic;
  options.scale_factor = 1.4142135623730951;
  options.min_scale = 128;
  options.padding = Padding::kReplicate;
  ObjectiveOptions& objective = options.objective;
  objective.loss = LossMode::kMse;
  objective.style_loss = StyleLossKind::kWasserstein;
  objective.content_weight = 0.015;
  objective.style_weight = 1;
  objective.tv_weight = 2;
  objective.tv_stencil = TvStencil::kNinePoint;
  objective.style_layers = {"relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"};
  objective.style_layer_weights = {256, 64, 16, 4, 1};
  objective.content_layers = {"relu4_2"};
  return preset;
}

}  // namespace

void StylizeOptions::validate() const {
  objective.validate();
  check_option("style-scale", style_scale, ranges::kStyleScale);
  check_weights("style-blend", style_blend, 0, ranges::kWeight);
  check_option("learning-rate", learning_rate, ranges::kLearningRate);
  check_option("iterations", iterations, ranges::kIterations);
  check_option("initial-iterations", initial_iterations, ranges::kIterations);
  check_option("average", average, ranges::kAverage);
  if (clamp && optimizer != OptimizerKind::kAdam) {
    refuse_option("clamp", std::string("'on' is for the optimiser adam, not for '") + name_of(optimizer) +
                               "', whose steps a bound would make wrong");
  }
  check_option("history", history, ranges::kHistory);
  check_option("scales", scales, ranges::kScales);
  check_option("scale-factor", scale_factor, ranges::kScaleFactor);
  check_option("min-scale", min_scale, ranges::kMinScale);
  if (resize && scales > 1 && !is_size_free(objective.loss)) {
    refuse_option(
        "scales",
        std::string("the loss '") + name_of(objective.loss) +
            "' changes by orders of magnitude with the image's size; give --scales 1 or --loss balanced");
  }
}

const std::vector<Preset>& presets() {
  // Never destroyed: at exit a program may still call the library.
  static const auto& kPresets =
      *new const std::vector<Preset>{default_preset(), trained_preset(), random_preset(),
                                     authors_preset(), gatys_preset(),   crowson_preset()};
  return kPresets;
}

const Preset& find_preset(const std::string& name) {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) {
    if (preset.name == name) return preset;
    names.push_back(preset.name);
  }
  throw Error(Status::kUsage, "'" + printable(name) + "' is not one of " + joined(names));
}

const char* name_of(Fit value) { return name_in(kFits, value); }
const char* name_of(Resample value) { return name_in(kResamples, value); }
const char* name_of(Init value) { return name_in(kInits, value); }
const char* name_of(OptimizerKind value) { return name_in(kOptimizers, value); }
const char* name_of(Padding value) { return name_in(kPaddings, value); }
const char* name_of(Conv2dAlgorithm value) { return name_in(kConvs, value); }

Fit parse_fit(const std::string& name) { return value_in(kFits, name); }
Resample parse_resample(const std::string& name) { return value_in(kResamples, name); }
Init parse_init(const std::string& name) { return value_in(kInits, name); }
OptimizerKind parse_optimizer(const std::string& name) { return value_in(kOptimizers, name); }
Padding parse_padding(const std::string& name) { return value_in(kPaddings, name); }
Conv2dAlgorithm parse_conv(const std::string& name) { return value_in(kConvs, name); }

double default_learning_rate(OptimizerKind optimizer) { return optimizer == OptimizerKind::kAdam ? 0.02 : 1; }

}  // namespace swag
