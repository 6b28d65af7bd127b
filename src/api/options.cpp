#include "src/api/options.h"

#include <algorithm>
#include <cstring>

#include "src/support/error.h"

namespace swag {
namespace {

constexpr char kAsIs[] = "as-is";

// The enums of swag.h and ours have the same values, so that they convert by a cast.
static_assert(static_cast<int>(Smoothing::kScale) == SWAG_SMOOTHING_SCALE);
static_assert(static_cast<int>(LossMode::kMse) == SWAG_LOSS_MSE);
static_assert(static_cast<int>(TvStencil::kNinePoint) == SWAG_TV_NINE_POINT);
static_assert(static_cast<int>(Padding::kReplicate) == SWAG_PADDING_REPLICATE);
static_assert(static_cast<int>(StyleLossKind::kWasserstein) == SWAG_STYLE_LOSS_WASSERSTEIN);
static_assert(static_cast<int>(Init::kImage) == SWAG_INIT_IMAGE);
static_assert(static_cast<int>(OptimizerKind::kAdam) == SWAG_ADAM);
static_assert(static_cast<int>(Fit::kPad) == SWAG_FIT_PAD);
static_assert(static_cast<int>(Conv2dAlgorithm::kDirect) == SWAG_CONV_DIRECT);
static_assert(static_cast<int>(Conv2dAlgorithm::kWinograd) == SWAG_CONV_WINOGRAD);

/// An enum of the caller; `last` is the largest of ours.
template <typename Api, typename Enum>
Enum checked(const char* option, const Api& value, Enum last) {
  const int number = enum_number(value);
  if (number < 0 || number > static_cast<int>(last)) {
    throw Error(Status::kUsage, std::string("--") + option + ": '" + std::to_string(number) +
                                    "' is not a value that swag.h has for it");
  }
  return static_cast<Enum>(number);
}

/// Runs a parser and puts the option's name before what it complains of.
template <typename Parser>
auto parsed(const char* option, const char* text, Parser parser) {
  try {
    return parser(text ? std::string(text) : std::string());
  } catch (const Error& error) {
    throw Error(error.status(), std::string("--") + option + ": " + error.what());
  }
}

std::vector<double> weights(const std::string& text) { return parse_numbers(text, ranges::kWeight); }

std::string numbers_text(const std::vector<double>& numbers) {
  std::vector<std::string> texts;
  for (double number : numbers) texts.push_back(number_text(number));
  return joined(texts, ",");
}

/// A preset as the C API gives it, with the memory of its strings.
struct ApiPreset {
  std::string name, size, style_layers, style_layer_weights, content_layers, content_layer_weights,
      smoothing_layers;
  swag_options options;
};

ApiPreset api_preset(const Preset& preset) {
  const StylizeOptions& from = preset.options;
  const ObjectiveOptions& objective = from.objective;
  ApiPreset api;
  api.name = preset.name;
  api.size = from.resize ? size_text(from.size) : kAsIs;
  api.style_layers = joined(objective.style_layers, ",");
  api.style_layer_weights = numbers_text(objective.style_layer_weights);
  api.content_layers = joined(objective.content_layers, ",");
  api.content_layer_weights = numbers_text(objective.content_layer_weights);
  api.smoothing_layers = joined(objective.smoothing_layers, ",");
  swag_options& to = api.options;
  to = {};
  to.style_scale = from.style_scale;
  to.content_weight = objective.content_weight;
  to.style_weight = objective.style_weight;
  to.tv_weight = objective.tv_weight;
  to.loss = static_cast<swag_loss>(objective.loss);
  to.style_loss = static_cast<swag_style_loss>(objective.style_loss);
  to.smoothing = static_cast<swag_smoothing>(objective.smoothing);
  to.temperature = objective.temperature;
  to.entropy = objective.entropy;
  to.init = static_cast<swag_init>(from.init);
  to.optimizer = static_cast<swag_optimizer>(from.optimizer);
  to.learning_rate = from.learning_rate == default_learning_rate(from.optimizer) ? 0 : from.learning_rate;
  to.iterations = from.iterations;
  to.history = from.history;
  to.scales = from.scales;
  to.scale_factor = from.scale_factor;
  to.min_scale = from.min_scale;
  to.initial_iterations = from.initial_iterations;
  to.clamp = from.clamp ? 1 : 0;
  to.average = from.average;
  to.tv_stencil = static_cast<swag_tv_stencil>(objective.tv_stencil);
  to.padding = static_cast<swag_padding>(from.padding);
  to.resample = static_cast<swag_resample>(from.resample);
  to.seed = from.seed;
  to.device = "cpu";
  to.precision = static_cast<swag_precision>(from.precision);
  to.conv = static_cast<swag_conv>(from.conv);
  to.fit = static_cast<swag_fit>(from.fit);
  return api;
}

/// The strings are pointed to where they have come to rest.
std::vector<ApiPreset> api_presets() {
  std::vector<ApiPreset> all;
  for (const Preset& preset : presets()) all.push_back(api_preset(preset));
  const auto pointer = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
  for (ApiPreset& preset : all) {
    preset.options.size = pointer(preset.size);
    preset.options.style_layers = pointer(preset.style_layers);
    preset.options.style_layer_weights = pointer(preset.style_layer_weights);
    preset.options.content_layers = pointer(preset.content_layers);
    preset.options.content_layer_weights = pointer(preset.content_layer_weights);
    preset.options.smoothing_layers = pointer(preset.smoothing_layers);
  }
  return all;
}

const swag_options& find_api_preset(const std::string& name) {
  static const std::vector<ApiPreset> kPresets = api_presets();
  find_preset(name);  // throws for unknown names
  return std::find_if(kPresets.begin(), kPresets.end(), [&](const ApiPreset& p) { return p.name == name; })
      ->options;
}

}  // namespace

void check_struct_size(const std::string& name, size_t struct_size, size_t known) {
  // Every version's is a multiple of its longest member, which no multiple of that cuts in two.
  constexpr size_t kWord = sizeof(void*), kLargest = 4096;
  static_assert(alignof(swag_options) == kWord && alignof(swag_progress) == kWord);
  if (struct_size >= 2 * kWord && struct_size % kWord == 0 && struct_size <= kLargest) return;
  throw Error(Status::kUsage, "struct_size of the " + name + " is " + std::to_string(struct_size) +
                                  ", which no version of swag.h had; it should be sizeof, here " +
                                  std::to_string(known) + " (swag_options_init sets that of options)");
}

void write_preset(swag_options* options, size_t struct_size, const std::string& preset) {
  if (!options) throw Error(Status::kUsage, "options is NULL");
  check_struct_size("options", struct_size, sizeof *options);
  const swag_options values = find_api_preset(preset);
  std::memset(options, 0, struct_size);
  std::memcpy(options, &values, std::min(struct_size, sizeof values));
  options->struct_size = struct_size;
}

swag_options complete_options(const swag_options* options) {
  if (!options) throw Error(Status::kUsage, "options is NULL");
  check_struct_size("options", options->struct_size, sizeof *options);
  swag_options complete = find_api_preset("default");
  std::memcpy(&complete, options, std::min(options->struct_size, sizeof complete));
  complete.struct_size = sizeof complete;
  return complete;
}

StylizeOptions stylize_options(const swag_options& from) {
  StylizeOptions to;
  ObjectiveOptions& objective = to.objective;
  objective.loss = checked("loss", from.loss, LossMode::kMse);
  objective.style_loss = checked("style-loss", from.style_loss, StyleLossKind::kWasserstein);
  objective.content_weight = from.content_weight;
  objective.style_weight = from.style_weight;
  objective.tv_weight = from.tv_weight;
  objective.tv_stencil = checked("tv-stencil", from.tv_stencil, TvStencil::kNinePoint);
  objective.style_layers = parsed("style-layers", from.style_layers, parse_list);
  objective.style_layer_weights = parsed("style-layer-weights", from.style_layer_weights, weights);
  objective.content_layers = parsed("content-layers", from.content_layers, parse_list);
  objective.content_layer_weights = parsed("content-layer-weights", from.content_layer_weights, weights);
  objective.smoothing = checked("smoothing", from.smoothing, Smoothing::kScale);
  objective.smoothing_layers = parsed("smoothing-layers", from.smoothing_layers, parse_list);
  objective.temperature = from.temperature;
  objective.entropy = from.entropy;

  to.resize = !from.size || std::strcmp(from.size, kAsIs) != 0;
  if (to.resize && from.size) to.size = parse_size(from.size);
  to.style_scale = from.style_scale;
  to.style_blend = parsed("style-blend", from.style_blend, weights);
  to.init = checked("init", from.init, Init::kImage);
  to.optimizer = checked("optimizer", from.optimizer, OptimizerKind::kAdam);
  to.learning_rate = from.learning_rate == 0 ? default_learning_rate(to.optimizer) : from.learning_rate;
  to.iterations = from.iterations;
  to.history = from.history;
  to.scales = from.scales;
  to.scale_factor = from.scale_factor;
  if (from.min_scale != 0) to.min_scale = from.min_scale;
  to.initial_iterations = from.initial_iterations;
  to.clamp = from.clamp != 0;
  to.average = from.average;
  to.padding = checked("padding", from.padding, Padding::kReplicate);
  to.resample = checked("resample", from.resample, Resample::kBicubic);
  to.seed = from.seed;
  to.precision = checked("precision", from.precision, Precision::kHalf);
  to.conv = checked("conv", from.conv, Conv2dAlgorithm::kWinograd);
  to.fit = checked("fit", from.fit, Fit::kPad);
  if (!ranges::kThreads.contains(from.threads)) {
    throw Error(Status::kUsage, "--threads: '" + std::to_string(from.threads) + "' is not a whole number " +
                                    ranges::kThreads.text());
  }
  to.validate();
  return to;
}

bool is_average(const swag_pooling& pooling) {
  return checked("pooling", pooling, SWAG_POOLING_AVERAGE) == SWAG_POOLING_AVERAGE;
}

}  // namespace swag
