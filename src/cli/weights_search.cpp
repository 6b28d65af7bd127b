#include "src/cli/weights_search.h"

#include <cstdlib>
#include <filesystem>

#include "src/network/graph.h"
#include "src/support/error.h"
#include "src/support/parse.h"
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

/// The folder of the running program, without links.
fs::path program_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? fs::path(".") : program.parent_path();
}

std::string file_of(const std::string& network) { return network + ".safetensors"; }

}  // namespace

std::string user_weight_folder() {
  const std::string data = environment("XDG_DATA_HOME");
  if (!data.empty()) return fs::path(data) / "swag" / "weights";
  const std::string home = environment("HOME");
  return home.empty() ? "" : fs::path(home) / ".local" / "share" / "swag" / "weights";
}

std::vector<std::string> weight_folders() {
  std::vector<std::string> folders;
  std::error_code ignored;
  const std::string chosen = environment("SWAG_WEIGHTS");
  if (fs::is_directory(chosen, ignored)) folders.push_back(chosen);
  for (const char* beside : {"weights", "../weights", "../share/swag/weights"}) {
    folders.push_back((program_folder() / beside).lexically_normal());
  }
  if (!user_weight_folder().empty()) folders.push_back(user_weight_folder());
  return folders;
}

std::vector<std::string> converter_folders() {
  return {(program_folder() / "../tools").lexically_normal(),
          (program_folder() / "../share/swag").lexically_normal()};
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
  for (const fs::path folder : weight_folders()) {
    if (is_file(folder / file_of(network))) return folder / file_of(network);
  }
  return "";
}

std::string weight_file(const std::string& name) {
  std::error_code ignored;
  if (fs::exists(name, ignored)) return name;
  if (!fs::path(name).has_parent_path()) {
    for (const fs::path folder : weight_folders()) {
      if (is_file(folder / name)) return folder / name;
    }
  }
  throw Error(Status::kWeights,
              name + ": no such weight file; give a .safetensors file, fitted, random or auto");
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
  if (settings.weights == "auto") {
    const std::string found = find_weights(settings.network);
    settings.weights = !found.empty() ? found : is_vgg(settings.network) ? "fitted" : "random";
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
    if (is_weight_file(settings.weights)) {
      const SafetensorsFile file = SafetensorsFile::open(weight_file(settings.weights));
      const auto fitted_with = file.metadata().find("pooling");
      if (fitted_with != file.metadata().end()) {
        settings.pooling = fitted_with->second == "max" ? "max" : "avg";
      }
    }
  }
  return warning;
}

std::string shareable_name(const std::string& weights) {
  const fs::path path = weights;
  for (const fs::path folder : weight_folders()) {
    if (path == folder / path.filename() && !is_file(path.filename())) return path.filename();
  }
  return weights;
}

}  // namespace swag::cli
