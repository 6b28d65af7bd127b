#include "src/cli/settings.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "src/cli/check.h"
#include "src/cli/weights_search.h"
#include "src/codecs/encode.h"
#include "src/network/graph.h"
#include "src/run/options.h"
#include "src/support/file.h"
#include "src/support/json.h"
#include "src/support/printable.h"

namespace swag::cli {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMostOptionBytes = 1 << 20;

std::string text_or_empty(const char* text) { return text ? text : ""; }

const char* null_if_empty(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

/// What a description adds to the options: for people, not for reading back.
constexpr const char* kInformation[] = {"program",    "content",        "styles",
                                        "init_image", "weights_source", "preset"};

/// A JSON value as it would stand on the command line.
std::string command_line_text(const Json& value, const std::string& file, const std::string& key) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return json_text(value);
  if (!value.is_array()) {
    throw Error(Status::kUsage, file + ": " + key + ": " + printable(json_text(value)) +
                                    " is no text, number or list of them");
  }
  std::vector<std::string> items;
  for (const Json& item : value) items.push_back(command_line_text(item, file, key));
  return joined(items, ",");
}

/// The option of a key, if a file of options may have it.
const Option* find_option(const std::string& key) {
  for (const Option& option : option_table()) {
    if (option.get && option.key() == key) return &option;
  }
  return nullptr;
}

bool is_information(const std::string& key) {
  return std::find(std::begin(kInformation), std::end(kInformation), key) != std::end(kInformation);
}

struct OptionsText {
  std::string text;  // JSON
  bool picture = false;
};

/// The text of a JSON file, or the description in a picture that swag wrote. What is called like a picture is
/// none of the user's own files of options, whatever it holds.
OptionsText read_options(const std::string& path) {
  const std::vector<uint8_t> bytes = read_file(path, Status::kUsage, int64_t{1} << 30);
  const auto first =
      std::find_if(bytes.begin(), bytes.end(), [](uint8_t byte) { return !std::isspace(byte); });
  const bool short_enough = static_cast<int64_t>(bytes.size()) <= kMostOptionBytes;
  const bool object = short_enough && first != bytes.end() && *first == '{' && !is_picture_name(path);
  const OptionsText source{object ? std::string(bytes.begin(), bytes.end()) : read_description(bytes),
                           !object};
  if (static_cast<int64_t>(source.text.size()) > kMostOptionBytes) {
    throw Error(Status::kUsage, path + ": its description is larger than any that swag writes");
  }
  if (source.text.empty()) {
    throw Error(Status::kUsage, path +
                                    ": neither JSON nor a picture that says how swag made it; make a file of "
                                    "options with --show-options");
  }
  return source;
}

void check_layers(const char* option, const std::vector<std::string>& layers, const Graph& graph) {
  try {
    std::set<int> nodes;
    for (const std::string& layer : layers) {
      if (!nodes.insert(graph.tap_node(layer)).second)
        throw Error(Status::kUsage, "names " + layer + " twice");
    }
  } catch (const Error& error) {
    throw Error(error.status(), std::string(option) + ": " + error.what());
  }
}

/// The network's own layers where none are named, and a weight for each.
void spell_out(std::string& layers, std::string& weights, const std::vector<std::string>& own) {
  if (layers.empty()) layers = joined(own, ",");
  if (weights.empty()) weights = joined(std::vector<std::string>(parse_list(layers).size(), "1"), ",");
}

}  // namespace

void Settings::load_preset(const std::string& name) {
  const Preset& preset = find_preset(name);
  check(swag_options_init(&api, name.c_str()));
  size = text_or_empty(api.size);
  device = text_or_empty(api.device);
  style_layers = text_or_empty(api.style_layers);
  style_layer_weights = text_or_empty(api.style_layer_weights);
  content_layers = text_or_empty(api.content_layers);
  content_layer_weights = text_or_empty(api.content_layer_weights);
  style_blend = text_or_empty(api.style_blend);
  smoothing_layers = text_or_empty(api.smoothing_layers);
  this->preset = name;
  network = preset.network;
  pooling = !preset.average_pooling ? "auto" : *preset.average_pooling ? "avg" : "max";
  weights = "auto";
}

swag_options Settings::options() const {
  swag_options options = api;
  options.size = size.c_str();
  options.device = device.c_str();
  options.style_layers = null_if_empty(style_layers);
  options.style_layer_weights = null_if_empty(style_layer_weights);
  options.content_layers = null_if_empty(content_layers);
  options.content_layer_weights = null_if_empty(content_layer_weights);
  options.style_blend = null_if_empty(style_blend);
  options.smoothing_layers = null_if_empty(smoothing_layers);
  return options;
}

std::string Option::name() const { return flags.substr(flags.find("--")); }

std::string Option::key() const {
  std::string key = name().substr(2);
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

void apply(const Option& option, Settings& settings, const std::string& text, const std::string& where) {
  try {
    option.set(settings, text);
  } catch (const Error& error) {
    throw Error(error.status(), where + ": " + error.what());
  }
}

void expand(Settings& settings) {
  const Graph graph = make_network(settings.network);
  spell_out(settings.style_layers, settings.style_layer_weights, graph.default_style_taps);
  spell_out(settings.content_layers, settings.content_layer_weights, graph.default_content_taps);
  check_layers("--style-layers", parse_list(settings.style_layers), graph);
  check_layers("--content-layers", parse_list(settings.content_layers), graph);
  check_layers("--smoothing-layers", parse_list(settings.smoothing_layers), graph);
  if (settings.api.learning_rate == 0) {
    settings.api.learning_rate = default_learning_rate(static_cast<OptimizerKind>(settings.api.optimizer));
  }
  const swag_options options = settings.options();
  int width = 0, height = 0;
  check(swag_output_size(&options, 2, 2, &width, &height));  // the library's own check of all of them
}

std::string default_text(const Option& option) {
  static const Settings kDefaults = [] {
    Settings settings;
    expand(settings);
    return settings;
  }();
  const nlohmann::ordered_json value = option.get ? option.get(kDefaults) : nullptr;
  if (value.is_string()) return " [" + value.get<std::string>() + "]";
  return value.is_number() ? " [" + number_text(value.get<double>()) + "]" : "";
}

nlohmann::ordered_json to_json(const Settings& settings) {
  nlohmann::ordered_json json = {{"preset", settings.preset}};
  for (const Option& option : option_table()) {
    if (option.get) json[option.key()] = option.get(settings);
  }
  return json;
}

nlohmann::ordered_json description_of(const Settings& settings) {
  nlohmann::ordered_json json = to_json(settings);
  for (const Option& option : option_table()) {
    if (option.of_machine) json.erase(option.key());
  }
  json["weights"] = bare_name(settings.weights);
  return json;
}

void apply_options_from(Settings& settings, const std::string& path) {
  const OptionsText source = read_options(path);
  const Json json = parse_json(source.text, path + ": its list of options", Status::kUsage);
  if (!json.is_object()) {
    throw Error(Status::kUsage, path + ": no JSON object with options; make one with --show-options");
  }
  for (const auto& [key, value] : json.items()) {
    if (!find_option(key) && !is_information(key)) {
      throw Error(Status::kUsage,
                  path + ": '" + printable(key) + "' is no option; see --show-options for those there are");
    }
  }
  for (const Option& option : option_table()) {
    const auto entry = json.find(option.key());
    if (!option.get || entry == json.end() || (source.picture && option.of_machine)) continue;
    apply(option, settings, command_line_text(*entry, path, option.key()), path + ": " + option.key());
  }
  if (source.picture && json.contains("weights")) settings.weights_named_by = path;
  for (const Preset& preset : presets()) {
    if (json.contains("preset") && json["preset"] == preset.name) settings.preset = preset.name;
  }
}

}  // namespace swag::cli
