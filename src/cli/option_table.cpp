// The table of `swag run`'s options: what they are called, what they take and where it goes.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "src/cli/settings.h"
#include "src/network/graph.h"
#include "src/run/options.h"
#include "src/support/error.h"
#include "src/support/printable.h"

namespace swag::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr Range kSaveEvery{1, 1000000};
constexpr Range kJpegQuality{1, 100};

constexpr char kPicture[] = "Picture";
constexpr char kWeighing[] = "Layers and weights";
constexpr char kSmoothing[] = "Smoothing (SWAG)";
constexpr char kOptimisation[] = "Optimisation";
constexpr char kNetwork[] = "Network";
constexpr char kMachine[] = "Machine";
constexpr char kFiles[] = "Files and messages";

// ---------------------------------------------------------------- kinds of options

Option number(const char* flags, const char* group, const char* help, double swag_options::*field,
              const Range& range) {
  return {flags,
          "NUMBER",
          group,
          help,
          [=](Settings& s, const std::string& text) { s.api.*field = parse_number(text, range); },
          [=](const Settings& s) { return Json(s.api.*field); }};
}

Option integer(const char* flags, const char* group, const char* help, int swag_options::*field,
               const Range& range) {
  return {flags,
          "N",
          group,
          help,
          [=](Settings& s, const std::string& text) { s.api.*field = parse_integer(text, range); },
          [=](const Settings& s) { return Json(s.api.*field); }};
}

/// An enum of the C API, by the names of src/run/options.h.
template <typename Api, typename Enum>
Option choice(const char* flags, const char* value, const char* group, const char* help,
              Api swag_options::*field, Enum (*parse)(const std::string&), const char* (*name)(Enum)) {
  return {flags,
          value,
          group,
          help,
          [=](Settings& s, const std::string& text) { s.api.*field = static_cast<Api>(parse(text)); },
          [=](const Settings& s) { return Json(name(static_cast<Enum>(s.api.*field))); }};
}

Option word(const char* flags, const char* value, const char* group, const char* help,
            std::string Settings::*field) {
  return {flags,
          value,
          group,
          help,
          [=](Settings& s, const std::string& text) { s.*field = text; },
          [=](const Settings& s) { return Json(s.*field); }};
}

/// Names of layers. Other layers need other weights, so that those of before are dropped.
Option layers(const char* flags, const char* group, const char* help, std::string Settings::*field,
              std::string Settings::*weights) {
  return {flags,
          "LAYER,...",
          group,
          help,
          [=](Settings& s, const std::string& text) {
            parse_list(text);
            s.*field = text;
            if (weights) (s.*weights).clear();
          },
          [=](const Settings& s) { return Json(parse_list(s.*field)); }};
}

Option numbers(const char* flags, const char* group, const char* help, std::string Settings::*field) {
  return {flags,
          "NUMBER,...",
          group,
          help,
          [=](Settings& s, const std::string& text) {
            parse_numbers(text, ranges::kWeight);
            s.*field = text;
          },
          [=](const Settings& s) { return Json(parse_numbers(s.*field, ranges::kWeight)); }};
}

Option flag(const char* flags, const char* group, const char* help, bool Settings::*field) {
  return {flags, "", group, help, [=](Settings& s, const std::string&) { s.*field = true; }, {}};
}

Option of_this_call(Option option) {
  option.get = nullptr;
  return option;
}

Option of_machine(Option option) {
  option.of_machine = true;
  return option;
}

// ---------------------------------------------------------------- options with a life of their own

/// One of a few words that no enum of the library has.
std::string one_of(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == text) return text;
  }
  throw Error(Status::kUsage, "'" + printable(text) + "' is not one of " + joined(words));
}

void set_no_resize(Settings& s, const std::string&) { s.size = "as-is"; }

/// Layers that the new network does not have fall back to its own.
void keep_known_layers(const Graph& graph, std::string& layers, std::string* weights) {
  try {
    for (const std::string& layer : parse_list(layers)) graph.tap_node(layer);
  } catch (const Error&) {
    layers.clear();
    if (weights) weights->clear();
  }
}

void set_network(Settings& s, const std::string& name) {
  const Graph graph = make_network(name);
  s.network = name;
  keep_known_layers(graph, s.style_layers, &s.style_layer_weights);
  keep_known_layers(graph, s.content_layers, &s.content_layer_weights);
  keep_known_layers(graph, s.smoothing_layers, nullptr);
}

/// Not every loss compares from one scale to the next.
void set_loss(Settings& s, const std::string& name) {
  const LossMode loss = parse_loss(name);
  s.api.loss = static_cast<swag_loss>(loss);
  if (!is_size_free(loss)) s.api.scales = 1;
}

/// Another optimiser, another customary step. Bounds and averages are for steps as even as Adam's.
void set_optimizer(Settings& s, const std::string& name) {
  s.api.optimizer = static_cast<swag_optimizer>(parse_optimizer(name));
  s.api.learning_rate = 0;
  if (s.api.optimizer != SWAG_ADAM) s.api.clamp = 0, s.api.average = 0;
}

/// The first scale keeps its share.
void set_iterations(Settings& s, const std::string& text) {
  const int before = s.api.iterations, now = parse_integer(text, ranges::kIterations);
  const double initial = before > 0 ? 1.0 * s.api.initial_iterations / before * now : 0;
  s.api.initial_iterations = static_cast<int>(std::lround(std::min(initial, ranges::kIterations.high)));
  s.api.iterations = now;
}

void set_clamp(Settings& s, const std::string& text) {
  s.api.clamp = one_of(text, {"on", "off"}) == "on" ? 1 : 0;
}

void set_temperature(Settings& s, const std::string& text) {
  s.api.temperature = text == "auto" ? 0 : parse_number(text, ranges::kTemperature);
}

Json get_temperature(const Settings& s) {
  return s.api.temperature == 0 ? Json("auto") : Json(s.api.temperature);
}

void set_init_image(Settings& s, const std::string& path) {
  s.init_image = path;
  s.api.init = SWAG_INIT_IMAGE;
}

void set_weights(Settings& s, const std::string& text) {
  s.weights = text;
  s.weights_named_by.clear();
}

std::vector<Option> picture_options() {
  return {
      word("-s,--size", "N|WxH|orig", kPicture, "Longest side of the output in pixels, or its size",
           &Settings::size),
      choice("--fit", "stretch|crop|pad", kPicture,
             "Content of another shape than WxH: distort it, take its middle, or leave transparent margins",
             &swag_options::fit, parse_fit, name_of),
      {"--no-resize", "", kPicture, "Take every image at its decoded size, at one scale", set_no_resize, {}},
      choice("--resample", "lanczos|bicubic", kPicture,
             "What larger pictures are shrunk by: lanczos is the sharper one", &swag_options::resample,
             parse_resample, name_of),
      number("--style-scale", kPicture,
             "Size of the style images relative to the output: smaller, finer strokes",
             &swag_options::style_scale, ranges::kStyleScale),
      numbers("--style-blend", kPicture, "How much of each of several style images", &Settings::style_blend),
      choice("--init", "content|random|image", kPicture, "What to start from", &swag_options::init,
             parse_init, name_of),
      {"--init-image", "FILE", kPicture, "Start from this picture; implies --init image", set_init_image, {}},
      {"--seed", "N", kPicture, "Of a random start, of random and of fitted weights",
       [](Settings& s, const std::string& text) { s.api.seed = parse_seed(text); },
       [](const Settings& s) { return Json(s.api.seed); }},
  };
}

std::vector<Option> network_options() {
  return {
      {"--network", "NAME", kNetwork, "See 'swag model list'", set_network,
       [](const Settings& s) { return Json(s.network); }},
      {"--pooling", "max|avg|auto", kNetwork, "auto: average for fitted weights, else max",
       [](Settings& s, const std::string& text) {
         s.pooling = one_of(text, {"max", "avg", "auto"});
       },
       [](const Settings& s) { return Json(s.pooling); }},
      choice("--padding", "zeros|replicate", kNetwork,
             "Around the picture: replicate repeats its edge, and no frame is painted",
             &swag_options::padding, parse_padding, name_of),
      {"--weights", "FILE|fitted|random|splitmix:SEED|auto", kNetwork,
       "auto: $SWAG_WEIGHTS, then NETWORK.safetensors in the folders of 'swag model list', then fitted for "
       "VGG and random for the others",
       set_weights, [](const Settings& s) { return Json(s.weights); }},
  };
}

std::vector<Option> weighing_options() {
  return {
      {"--loss", "paper|authors|balanced|mse", kWeighing,
       "The paper's, its released code's, the dimensionless one, or plain mean squares; the last two go over "
       "several scales",
       set_loss, [](const Settings& s) { return Json(name_of(static_cast<LossMode>(s.api.loss))); }},
      choice("--style-loss", "gram|wasserstein", kWeighing,
             "What style is compared by: Gram matrices, or means and covariances", &swag_options::style_loss,
             parse_style_loss, name_of),
      number("--content-weight", kWeighing, "Weight of the content loss", &swag_options::content_weight,
             ranges::kWeight),
      number("--style-weight", kWeighing, "Weight of the style loss", &swag_options::style_weight,
             ranges::kWeight),
      number("--tv-weight", kWeighing, "Weight of the total variation: more, smoother",
             &swag_options::tv_weight, ranges::kWeight),
      choice("--tv-stencil", "five-point|nine-point", kWeighing,
             "Between which neighbours: nine-point is fair to slanted lines", &swag_options::tv_stencil,
             parse_tv_stencil, name_of),
      layers("--style-layers", kWeighing, "Where style is compared; the network's own by default",
             &Settings::style_layers, &Settings::style_layer_weights),
      numbers("--style-layer-weights", kWeighing, "One for each style layer", &Settings::style_layer_weights),
      layers("--content-layers", kWeighing, "Where content is compared", &Settings::content_layers,
             &Settings::content_layer_weights),
      numbers("--content-layer-weights", kWeighing, "One for each content layer",
              &Settings::content_layer_weights),
  };
}

std::vector<Option> smoothing_options() {
  return {
      choice("--smoothing", "none|softmax|channel|scale", kSmoothing, "Of the features, before the losses",
             &swag_options::smoothing, parse_smoothing, name_of),
      layers("--smoothing-layers", kSmoothing, "The layers to smooth; all by default",
             &Settings::smoothing_layers, nullptr),
      {"--temperature", "NUMBER|auto", kSmoothing, "auto: for each layer the one that gives --entropy",
       set_temperature, get_temperature},
      number("--entropy", kSmoothing, "Of the smoothed style features, for --temperature auto",
             &swag_options::entropy, ranges::kEntropy),
  };
}

std::vector<Option> optimisation_options() {
  return {
      {"--optimizer", "lbfgs|lbfgs-plain|adam", kOptimisation,
       "lbfgs-plain is torch's, without a line search", set_optimizer,
       [](const Settings& s) { return Json(name_of(static_cast<OptimizerKind>(s.api.optimizer))); }},
      number("--learning-rate", kOptimisation,
             "Step of lbfgs-plain, or of adam in a picture's values, 0 to 1: its own is 0.02",
             &swag_options::learning_rate, ranges::kLearningRate),
      {"-n,--iterations", "N", kOptimisation, "Steps at each scale", set_iterations,
       [](const Settings& s) { return Json(s.api.iterations); }},
      integer("--initial-iterations", kOptimisation, "Steps at the first scale; 0: as at the others",
              &swag_options::initial_iterations, ranges::kIterations),
      {"--clamp", "on|off", kOptimisation, "Keep adam's steps within what a picture can show", set_clamp,
       [](const Settings& s) { return Json(s.api.clamp ? "on" : "off"); }},
      number("--average", kOptimisation,
             "Show an exponential average of the steps with this decay, 0.99 say; 0: the best step",
             &swag_options::average, ranges::kAverage),
      integer("--history", kOptimisation, "Steps that L-BFGS remembers", &swag_options::history,
              ranges::kHistory),
      integer("--scales", kOptimisation, "From coarse to fine; fewer where the first would be too small",
              &swag_options::scales, ranges::kScales),
      number("--scale-factor", kOptimisation,
             "Size of each scale relative to the one before: 1.41 has twice as many on the way as 2",
             &swag_options::scale_factor, ranges::kScaleFactor),
      integer("--min-scale", kOptimisation, "Longest side of the first scale in pixels, at least",
              &swag_options::min_scale, ranges::kMinScale),
  };
}

std::vector<Option> machine_options() {
  return {
      of_machine(word("--device", "cpu|cuda|cuda:N|auto", kMachine, "Where to compute; see 'swag devices'",
                      &Settings::device)),
      of_machine(integer("--threads", kMachine, "Of the CPU; 0: one per core", &swag_options::threads,
                         ranges::kThreads)),
      choice("--precision", "auto|single|tf32|half|double", kMachine,
             "tf32, half: on a GPU's tensor cores; auto: tf32 where the device has it and digits allow, else "
             "single; double is slow and for checks",
             &swag_options::precision, parse_precision, name_of),
      choice("--conv", "auto|direct|winograd", kMachine,
             "auto: Winograd's convolution where it is faster; direct takes less memory", &swag_options::conv,
             parse_conv, name_of),
  };
}

std::vector<Option> file_options() {
  return {
      of_this_call(word("-o,--output", "FILE", kFiles, "The picture to write: .png, .jpg or .jpeg",
                        &Settings::output)),
      of_this_call(word("--grid", "FILE", kFiles, "Also write content, styles and output side by side",
                        &Settings::grid)),
      flag("--overwrite", kFiles, "Replace an output that is there already; never an input",
           &Settings::overwrite),
      {"--jpeg-quality", "N", kFiles, "Of a .jpg output, 1 to 100",
       [](Settings& s, const std::string& text) { s.jpeg_quality = parse_integer(text, kJpegQuality); },
       [](const Settings& s) { return Json(s.jpeg_quality); }},
      {"--save-every",
       "N",
       kFiles,
       "Save OUT-0050.png and so on, every N steps",
       [](Settings& s, const std::string& text) { s.save_every = parse_integer(text, kSaveEvery); },
       {}},
      of_this_call(word("--save-weights", "FILE", kFiles, "Keep fitted or random weights as safetensors",
                        &Settings::save_weights)),
      of_this_call(word("--log", "FILE", kFiles, "A line of JSON for every evaluation; - for standard output",
                        &Settings::log)),
      flag("-q,--quiet", kFiles, "No word unless something is wrong", &Settings::quiet),
      flag("-v,--verbose", kFiles, "More words", &Settings::verbose),
  };
}

}  // namespace

const std::vector<Option>& option_table() {
  static const std::vector<Option> kTable = [] {
    std::vector<Option> table;
    for (auto part : {picture_options, network_options, weighing_options, smoothing_options,
                      optimisation_options, machine_options, file_options}) {
      for (Option& option : part()) table.push_back(std::move(option));
    }
    return table;
  }();
  return kTable;
}

}  // namespace swag::cli
