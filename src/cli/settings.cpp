#include "src/cli/settings.h"

#include <algorithm>

#include "src/cli/check.h"
#include "src/network/graph.h"
#include "src/run/options.h"

namespace swag::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string text_or_empty(const char* text) { return text ? text : ""; }

const char* null_if_empty(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

/// What a description adds to the options: for people, not for reading back.
constexpr const char* kInformation[] = {"program", "content", "styles", "init_image", "weights_source"};

/// A JSON value as it would stand on the command line.
std::string command_line_text(const Json& value, const std::string& file, const std::string& key) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.dump();
  if (!value.is_array()) {
    throw Error(Status::kUsage,
                file + ": " + key + ": " + value.dump() + " is no text, number or list of them");
  }
  std::vector<std::string> items;
  for (const Json& item : value) items.push_back(command_line_text(item, file, key));
  return joined(items, ",");
}

void check_layers(const char* option, const std::vector<std::string>& layers, const Graph& graph) {
  try {
    for (const std::string& layer : layers) graph.tap_node(layer);
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

nlohmann::ordered_json to_json(const Settings& settings) {
  Json json = Json::object();
  for (const Option& option : option_table()) {
    if (option.get) json[option.key()] = option.get(settings);
  }
  return json;
}

void apply_json(Settings& settings, const std::string& text, const std::string& name) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) {
    throw Error(Status::kUsage, name + ": no JSON object with options; make one with --show-options");
  }
  for (const Option& option : option_table()) {
    const auto entry = json.find(option.key());
    if (!option.get || entry == json.end()) continue;
    apply(option, settings, command_line_text(*entry, name, option.key()), name + ": " + option.key());
  }
  for (const auto& entry : json.items()) {
    const std::string& key = entry.key();
    const bool known =
        std::any_of(option_table().begin(), option_table().end(),
                    [&](const Option& option) { return option.get && option.key() == key; }) ||
        std::find(std::begin(kInformation), std::end(kInformation), key) != std::end(kInformation);
    if (!known) {
      throw Error(Status::kUsage,
                  name + ": '" + key + "' is no option; see --show-options for those there are");
    }
  }
}

}  // namespace swag::cli
