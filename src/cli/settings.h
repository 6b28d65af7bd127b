// Everything the command line decides, and the one table of options that fills it, documents it and writes it
// down.
#pragma once
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "include/swag.h"

namespace swag::cli {

/// Presets, then a file of options, then the command line write here, each over the one before.
struct Settings {
  swag_options api;  // its numbers and choices; its strings stay empty, options() sets them from these:
  std::string size, device;
  std::string style_layers, style_layer_weights, content_layers, content_layer_weights, style_blend,
      smoothing_layers;

  std::string network;
  std::string pooling;  // max, avg, or auto: by the weights
  std::string weights;  // auto, fitted, random, splitmix:SEED or a file
  /// The picture that says so, if one does: its word is no reason to read a file that it names, see
  /// resolve_weights().
  std::string weights_named_by;
  std::string preset;              // where the options start from
  bool preset_by_weights = false;  // `default` was asked for, and the weights in use made this of it
  int jpeg_quality = 95;

  // Of this call only; the picture does not depend on them.
  std::string output, grid, init_image, log, save_weights;
  int save_every = 0;
  bool quiet = false, verbose = false, overwrite = false;

  Settings() { load_preset("default"); }
  void load_preset(const std::string& name);

  /// For the C API, pointing into this object.
  swag_options options() const;
};

struct Option {
  std::string flags;  // "-s,--size"
  std::string value;  // what stands for the value in the help; empty for a flag
  const char* group = "";
  std::string help;
  std::function<void(Settings&, const std::string& text)> set;  // throws Error(kUsage) saying what is allowed
  std::function<nlohmann::ordered_json(const Settings&)> get;   // empty: of this call only
  bool of_machine = false;  // where and how fast, not what: a picture's description does not have it

  std::string name() const;  // "--style-weight"
  std::string key() const;   // of JSON: "style_weight"
};

/// In the order in which they are applied and listed.
const std::vector<Option>& option_table();

/// Sets one option; Error(kUsage) with `where` ("--size", "file.json: size") before the reason.
void apply(const Option& option, Settings& settings, const std::string& text, const std::string& where);

/// For the help: " [512]", nothing for lists.
std::string default_text(const Option& option);

/// Spells out what the network, the optimiser and the numbers of layers leave to be understood. Throws
/// Error(kUsage).
void expand(Settings& settings);

nlohmann::ordered_json to_json(const Settings& settings);

/// The same for the description of a picture: what made it look so, files by their bare names.
nlohmann::ordered_json description_of(const Settings& settings);

/// Applies the options of a JSON file, or of a picture that swag wrote. A picture may come from anyone, so it
/// decides nothing but how the new one looks: no device, no file to read or write. What else its description
/// tells is passed over. Throws Error(kUsage), for unknown keys too, and Error(kImage).
void apply_options_from(Settings& settings, const std::string& path);

}  // namespace swag::cli
