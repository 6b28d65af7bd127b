#include "src/cli/weights_search.h"

#include <cstdlib>
#include <filesystem>

#include "src/network/graph.h"
#include "src/support/error.h"
#include "src/support/parse.h"
#include "src/support/printable.h"
#include "src/support/trusted_file.h"
#include "src/weights/safetensors.h"

namespace swag::cli {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) && !fs::is_directory(path, ignored);
}

constexpr size_t kMostName = 1000;  // bytes that a message shows: a file of options may say anything

/// The first of the folders' files of that bare name, or nothing.
std::string find_in_folders(const std::string& file) {
  for (const fs::path folder : weight_folders()) {
    if (is_file(folder / file)) return folder / file;
  }
  return "";
}

std::string named_by_picture(const Settings& settings) {
  const std::string name = bare_name(settings.weights), chosen = weights_of_environment();
  if (!chosen.empty() && bare_name(chosen) == name) return chosen;
  const std::string found = name.empty() ? "" : find_in_folders(name);
  if (!found.empty()) return found;
  throw Error(Status::kWeights, settings.weights_named_by + ": was made with the weights " + printable(name) +
                                    ", which no folder of 'swag model list' has; name the file by --weights");
}

}  // namespace

std::string user_weight_folder() {
  // The standard passes over paths that are not absolute.
  const fs::path data = environment("XDG_DATA_HOME"), home = environment("HOME");
  if (data.is_absolute()) return data / "swag" / "weights";
  return home.is_absolute() ? home / ".local" / "share" / "swag" / "weights" : "";
}

std::vector<std::string> weight_folders() {
  std::vector<std::string> folders;
  std::error_code ignored;
  const std::string chosen = environment("SWAG_WEIGHTS");
  if (fs::is_directory(chosen, ignored)) folders.push_back(chosen);
  const fs::path program = own_folder();
  for (const char* beside : {"weights", "../weights", "../share/swag/weights"}) {
    if (!program.empty()) folders.push_back((program / beside).lexically_normal());
  }
  if (!user_weight_folder().empty()) folders.push_back(user_weight_folder());
  return folders;
}

ModelTools model_tools() {
  const fs::path program = own_folder();
  ModelTools tools;
  tools.converter = find_converter({(program / "../tools").lexically_normal().string(),
                                    (program / "../share/swag").lexically_normal().string()});
  tools.curl = find_program("curl", environment("PATH"));
  tools.python = find_program("python3", environment("PATH"));
  return tools;
}

std::string weights_of_environment() {
  const std::string chosen = environment("SWAG_WEIGHTS");
  std::error_code ignored;
  if (!chosen.empty() && !fs::exists(chosen, ignored)) {
    throw Error(Status::kWeights, chosen + ": no such file or folder; correct or unset SWAG_WEIGHTS");
  }
  return is_file(chosen) ? chosen : "";
}

std::string find_weights(const std::string& network) {
  const std::string chosen = weights_of_environment();
  if (!chosen.empty()) return chosen;
  return find_in_folders(network + ".safetensors");
}

std::string weight_file(const std::string& name) {
  std::error_code ignored;
  if (fs::exists(name, ignored)) return name;
  const std::string found = fs::path(name).has_parent_path() ? "" : find_in_folders(name);
  if (!found.empty()) return found;
  throw Error(
      Status::kWeights,
      printable(name, kMostName) + ": no such weight file; give a .safetensors file, fitted, random or auto");
}

std::string weight_file_of(const Settings& settings) {
  if (settings.weights == "auto") return find_weights(settings.network);
  if (!is_weight_file(settings.weights)) return "";
  return settings.weights_named_by.empty() ? weight_file(settings.weights) : named_by_picture(settings);
}

bool is_weight_file(const std::string& weights) {
  return weights != "auto" && weights != "fitted" && weights != "random" &&
         weights.compare(0, 9, "splitmix:") != 0;
}

bool parse_splitmix(const std::string& weights, uint64_t& seed) {
  if (weights.compare(0, 9, "splitmix:") != 0) return false;
  try {
    seed = parse_seed(weights.substr(9));
  } catch (const Error& error) {
    throw Error(Status::kUsage, std::string("--weights splitmix: ") + error.what());
  }
  return true;
}

std::string resolve_weights(Settings& settings) {
  std::string warning;
  const std::string file = weight_file_of(settings);
  if (!file.empty()) {
    settings.weights = file;
    settings.weights_named_by.clear();
  } else if (settings.weights == "auto") {
    settings.weights = is_vgg(settings.network) ? "fitted" : "random";
    if (settings.weights == "random") {
      warning = "no weights for " + settings.network +
                " were found, so they are random: expect colours, not strokes; for trained ones: swag model "
                "fetch " +
                settings.network;
    }
  }
  if (settings.weights == "fitted" && !is_vgg(settings.network)) {
    throw Error(Status::kUsage, "--weights: 'fitted' is for the VGG family, not for " + settings.network +
                                    "; give a file or random");
  }
  if (settings.pooling == "auto") {
    settings.pooling = settings.weights == "fitted" ? "avg" : "max";
    if (!file.empty()) {
      const SafetensorsFile weights = SafetensorsFile::open(file);
      const auto fitted_with = weights.metadata().find("pooling");
      if (fitted_with != weights.metadata().end()) {
        settings.pooling = fitted_with->second == "max" ? "max" : "avg";
      }
    }
  }
  return warning;
}

std::string preset_for_weights(const Settings& settings) {
  const std::string usual = "default";
  if (!is_vgg(settings.network)) return usual;
  if (settings.weights == "random") return settings.weights;
  try {
    const std::string file = weight_file_of(settings);
    if (file.empty()) return usual;
    const auto metadata = SafetensorsFile::open(file).metadata();
    const auto method = metadata.find("method");  // of weights that swag made
    if (method == metadata.end()) return "trained";
    return method->second == "random" ? method->second : usual;
  } catch (const Error&) {
    return usual;
  }
}

std::string bare_name(const std::string& weights) {
  return is_weight_file(weights) ? fs::path(weights).filename().string() : weights;
}

}  // namespace swag::cli
