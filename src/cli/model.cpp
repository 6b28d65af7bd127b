// `swag model`: what weights there are, whether a file is good, and how to get one.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>

#include "src/cli/command.h"
#include "src/cli/progress_bar.h"
#include "src/cli/run_files.h"
#include "src/cli/weights_search.h"
#include "src/network/graph.h"
#include "src/support/error.h"
#include "src/support/parse.h"
#include "src/support/printable.h"
#include "src/weights/model_files.h"
#include "src/weights/safetensors.h"
#include "src/weights/weights.h"

namespace swag::cli {
namespace {

namespace fs = std::filesystem;

constexpr double kMega = 1e6;
constexpr size_t kMostMetadata = 1000;  // bytes of one entry that are shown

/// A path, whole and on one line.
std::string shown(const std::string& path) { return printable(path, path.size()); }

double megabytes(int64_t bytes) { return static_cast<double>(bytes) / kMega; }

/// Numbers that the trunk of a network reads.
int64_t value_count(const Graph& graph) {
  int64_t total = 0;
  for (const StateEntry& entry : graph.state) {
    int64_t count = entry.used ? 1 : 0;
    for (int extent : entry.shape) count *= extent;
    total += count;
  }
  return total;
}

const ModelFile* published_file(const std::string& network) {
  for (const ModelFile& file : model_files()) {
    if (file.name == network) return &file;
  }
  return nullptr;
}

std::string megabytes_text(const ModelFile* file) {
  return file ? std::to_string(std::lround(megabytes(file->bytes))) + " MB" : "-";
}

int list(const Arguments& arguments) {
  Parser parser("model list", "swag model list",
                "The networks, the weights published for them, and the files found here.");
  if (!parser.parse(arguments)) return 0;
  std::printf("%-16s %11s  %-9s  %s\n", "network", "parameters", "published", "found");
  for (const std::string& network : network_names()) {
    const double millions = static_cast<double>(value_count(make_network(network))) / kMega;
    const std::string found = find_weights(network);
    std::printf("%-16s %9.1f M  %-9s  %s\n", network.c_str(), millions,
                megabytes_text(published_file(network)).c_str(), found.empty() ? "-" : shown(found).c_str());
  }
  for (const ModelFile& file : model_files()) {
    if (file.name == file.network) continue;
    std::printf("%-16s %11s  %-9s  for %s: %s\n", file.name.c_str(), "", megabytes_text(&file).c_str(),
                file.network.c_str(), file.note.c_str());
  }
  if (!weights_of_environment().empty()) {
    std::printf("\nSWAG_WEIGHTS is a file, which every network takes before any other.\n");
  }
  std::printf("\nNETWORK.safetensors is looked for in\n");
  for (const std::string& folder : weight_folders()) std::printf("  %s\n", shown(folder).c_str());
  return 0;
}

int info(const Arguments& arguments) {
  Parser parser("model info", "swag model info FILE", "What a safetensors file holds.");
  std::string path;
  parser.add_option("file", path, "The weight file").required();
  if (!parser.parse(arguments)) return 0;
  const SafetensorsFile file = SafetensorsFile::open(weight_file(path));
  int64_t values = 0, bytes = 0;
  for (const auto& [name, entry] : file.entries()) {
    std::printf("%-48s %-5s %s\n", printable(name).c_str(), entry.dtype.c_str(),
                shape_text(entry.shape).c_str());
    values += entry.count;
    bytes += entry.end - entry.begin;
  }
  for (const auto& [key, value] : file.metadata()) {
    std::printf("%s: %s\n", printable(key).c_str(), printable(value, kMostMetadata).c_str());
  }
  const std::string networks = joined(fitting_networks(file));
  std::printf("%zu tensors, %lld values, %.1f MB; fits %s\n", file.entries().size(),
              static_cast<long long>(values), megabytes(bytes),
              networks.empty() ? "no network that swag knows" : networks.c_str());
  return 0;
}

int verify(const Arguments& arguments) {
  Parser parser(
      "model verify", "swag model verify FILE [--network NAME]",
      "Whether a safetensors file can be used: every name, shape and value. Exit code 4 when it cannot.");
  std::string path, network;
  parser.add_option("file", path, "The weight file").required();
  parser.add_option("--network", network, "The network it should be for; else any that fits")
      .type_name("NAME");
  if (!parser.parse(arguments)) return 0;
  if (!network.empty()) make_network(network);  // an unknown one is told before the file is read
  path = weight_file(path);
  std::vector<std::string> networks = {network};
  if (network.empty()) networks = fitting_networks(SafetensorsFile::open(path));
  if (networks.empty()) {
    throw Error(Status::kWeights,
                path + ": its names and shapes fit no network that swag knows; name the one it is " +
                    "meant for with --network to see what differs");
  }
  load_weights(path, make_network(networks.front()));
  const std::string digest = check_sha256_note(path);
  std::printf("%s: good, for %s%s\n", shown(path).c_str(), joined(networks).c_str(),
              digest.empty() ? "" : (", SHA-256 " + digest + " as noted").c_str());
  return 0;
}

int convert(const Arguments& arguments) {
  Parser parser(
      "model convert", "swag model convert IN.pth OUT.safetensors",
      "PyTorch's weights to safetensors, or safetensors under other names. Needs python3, no torch.");
  std::string source, target;
  ConvertOptions options;
  parser.add_option("in", source, "PyTorch's file").required();
  parser.add_option("out", target, "The file to write").required();
  parser.add_flag("--overwrite", options.overwrite, "Replace a file that is there already");
  parser
      .add_option(
          "--pixels", options.pixels,
          "What a VGG expects: torchvision's RGB, or Caffe's BGR from 0 to 255 less a mean, whose first "
          "layer is then turned; auto: by the names of file and layers, and the first layer's values [auto]")
      .type_name("auto|torchvision|caffe")
      .one_of({"auto", "torchvision", "caffe"});
  if (!parser.parse(arguments)) return 0;
  RunFiles files(options.overwrite);
  files.reads("the file to convert", source);
  files.writes("OUT", target);
  const OutputPlace place = find_output_place(target);
  if (place.kind == OutputPlace::Kind::kStream) {
    throw Error(Status::kOutput, target + ": is a device or a pipe; name a file");
  }
  if (place.through_link) target = place.path();  // the link stays
  convert_model(source, target, model_tools(), options);
  const SafetensorsFile file = SafetensorsFile::open(target);
  const std::string networks = joined(fitting_networks(file));
  const auto assumed = file.metadata().find("assumed");
  std::printf(
      "%s: written, fits %s%s\n", shown(target).c_str(),
      networks.empty() ? "no network that swag knows" : networks.c_str(),
      assumed == file.metadata().end() ? "" : ("; " + printable(assumed->second, kMostMetadata)).c_str());
  return 0;
}

/// The program's own weights folder where it may write there, else the user's.
std::string default_fetch_folder() {
  const std::vector<std::string> folders = weight_folders();
  for (const std::string& folder : folders) {
    if (access(folder.c_str(), W_OK) == 0) return folder;
  }
  const std::string folder = user_weight_folder();
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error(Status::kOutput,
                folder + ": cannot be made: " + error.message() + "; give a folder with --to");
  }
  return folder;
}

int fetch(const Arguments& arguments) {
  Parser parser("model fetch", "swag model fetch NAME [--to FOLDER]",
                "Downloads torchvision's published weights with curl, checks and converts them.");
  std::string name, folder;
  bool quiet = false;
  FetchOptions options;
  parser.add_option("name", name, "As 'swag model list' shows them").required();
  parser.add_option("--to", folder, "Where to put NAME.safetensors; else a folder that runs look in")
      .type_name("FOLDER");
  parser.add_flag("--keep", options.keep, "Keep the downloaded .pth too");
  parser.add_flag("-q,--quiet", quiet, "No progress");
  if (!parser.parse(arguments)) return 0;
  const ModelFile& file = find_model_file(name);
  if (folder.empty()) folder = default_fetch_folder();
  options.tools = model_tools();
  ProgressBar bar(quiet);
  bar.message(model_licence_note());
  bar.begin(file.file);
  options.progress = [&](int64_t done, int64_t total) {
    swag_progress progress = {};
    progress.fraction = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
    bar.update(progress);
  };
  options.note = [&](const std::string& line) { bar.message(line); };
  const std::string path = fetch_model(file, folder, options);
  bar.clear();
  std::printf("%s: good, for %s\n", shown(path).c_str(), file.network.c_str());
  return 0;
}

constexpr Command kCommands[] = {
    {"list", "networks, published weights, files found", list},
    {"info", "what a weight file holds", info},
    {"verify", "whether a weight file can be used", verify},
    {"convert", "PyTorch's .pth to safetensors", convert},
    {"fetch", "download, check and convert published weights", fetch},
};

}  // namespace

int model_command(const Arguments& arguments) {
  std::string names;
  for (const Command& command : kCommands) {
    if (!arguments.empty() && arguments.front() == command.name) {
      return command.run(Arguments(arguments.begin() + 1, arguments.end()));
    }
    names += (names.empty() ? "" : ", ") + std::string(command.name);
  }
  if (!arguments.empty() && (arguments.front() == "--help" || arguments.front() == "-h")) {
    std::printf("Usage: swag model COMMAND ...\n\n");
    for (const Command& command : kCommands) std::printf("  %-10s %s\n", command.name, command.summary);
    return 0;
  }
  throw Error(
      Status::kUsage,
      "model: " +
          (arguments.empty() ? "no command" : "'" + printable(arguments.front()) + "' is no command") +
          "; there are " + names);
}

}  // namespace swag::cli
