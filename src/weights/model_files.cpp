#include "src/weights/model_files.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "src/support/error.h"
#include "src/support/trusted_file.h"
#include "src/weights/sha256.h"
#include "src/weights/subprocess.h"
#include "src/weights/weights.h"

namespace swag {
namespace {

namespace fs = std::filesystem;

constexpr int kCurlWriteError = 23;
constexpr int64_t kSizeTolerance = 1024;  // of ModelFile::bytes

/// A file that goes away unless it was renamed.
struct TemporaryFile {
  fs::path path;
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
};

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string by_hand(const ModelFile& file, const fs::path& folder) {
  return "; by hand: download " + file.url + " and run `swag model convert " + file.file + " " +
         (folder / (file.name + ".safetensors")).string() + "`";
}

void move_file(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) throw Error(Status::kOutput, to.string() + ": cannot be written: " + error.message());
}

int64_t file_bytes(const fs::path& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

/// Why the file at `path` is not the published one; empty when it is.
std::string download_problem(const ModelFile& file, const fs::path& path) {
  const int64_t bytes = file_bytes(path);
  if (std::abs(bytes - file.bytes) > kSizeTolerance) {
    return "has " + std::to_string(bytes) + " bytes, expected about " + std::to_string(file.bytes);
  }
  const std::string digest = sha256_file(path.string());
  if (digest.compare(0, file.sha256_prefix.size(), file.sha256_prefix) == 0) return "";
  return "has the SHA-256 " + digest + ", expected " + file.sha256_prefix + "...";
}

/// Downloads to `part`, or continues where it ends.
void run_curl(const ModelFile& file, const fs::path& part, const FetchOptions& options) {
  const std::vector<std::string> arguments = {options.tools.curl,
                                              "--fail",
                                              "--location",
                                              "--proto",
                                              "=https",
                                              "--proto-redir",
                                              "=https",
                                              "--silent",
                                              "--show-error",
                                              "--connect-timeout",
                                              "30",
                                              "--speed-limit",
                                              "1000",
                                              "--speed-time",
                                              "60",
                                              "--continue-at",
                                              "-",
                                              "--output",
                                              part.string(),
                                              file.url};
  const ProgramResult result = run_program(arguments, [&] {
    if (options.progress) options.progress(file_bytes(part), file.bytes);
  });
  if (result.exit_code == 0 && result.found) return;
  const std::string manual = by_hand(file, part.parent_path());
  if (!result.found) throw Error(Status::kWeights, "curl is not installed" + manual);
  if (result.exit_code == static_cast<int>(Status::kInterrupted)) {
    throw Error(Status::kInterrupted, "download interrupted; the same command continues it");
  }
  const std::string code = "curl ended with " + std::to_string(result.exit_code);
  const std::string reason = result.errors.empty() ? code : one_line(result.errors);
  if (result.exit_code == kCurlWriteError) {
    throw Error(Status::kOutput, part.string() + ": cannot be written: " + reason);
  }
  throw Error(Status::kWeights, "cannot download " + file.file + ": " + reason + manual);
}

/// Downloads to `path` by way of PATH.part, which stays when the connection breaks.
void download(const ModelFile& file, const fs::path& path, const FetchOptions& options) {
  const fs::path part = path.string() + ".part";
  if (std::abs(file_bytes(part) - file.bytes) > kSizeTolerance) run_curl(file, part, options);
  const std::string problem = download_problem(file, part);
  if (!problem.empty()) {
    std::error_code ignored;
    fs::remove(part, ignored);  // nothing to continue from
    throw Error(Status::kWeights, file.url + ": the download " + problem + "; it was removed, try again");
  }
  move_file(part, path);
}

}  // namespace

std::string find_converter(const std::vector<std::string>& folders) {
  std::string searched;
  for (const std::string& folder : folders) {
    const fs::path path = fs::path(folder) / "convert_weights.py";
    std::error_code error;
    if (fs::is_regular_file(path, error)) {
      const std::string distrust = reason_for_distrust(path.string());
      if (!distrust.empty()) throw Error(Status::kWeights, path.string() + " is not run: " + distrust);
      return path.string();
    }
    searched += (searched.empty() ? "" : ", ") + folder;
  }
  throw Error(Status::kWeights,
              "convert_weights.py is not in " + searched + "; it is in tools/ of the source");
}

void convert_model(const std::string& source, const std::string& target, const ModelTools& tools,
                   bool overwrite) {
  // -I: neither the user's environment nor the working folder can put a module in the script's way.
  std::vector<std::string> arguments = {tools.python, "-I", tools.converter, "--without-heads"};
  if (overwrite) arguments.push_back("--overwrite");
  arguments.insert(arguments.end(), {"--", source, target});
  const ProgramResult result = run_program(arguments);
  if (!result.found) {
    throw Error(Status::kWeights, "python3 is not installed; run tools/convert_weights.py on " + source +
                                      " where there is Python 3.8 or newer");
  }
  if (result.exit_code == 0) return;
  std::string message = one_line(result.errors);
  const std::string prefix = "convert_weights.py: ";
  if (message.compare(0, prefix.size(), prefix) == 0) message.erase(0, prefix.size());
  if (message.empty()) message = "python3 ended with " + std::to_string(result.exit_code);
  for (Status status : {Status::kWeights, Status::kMemory, Status::kOutput, Status::kInterrupted}) {
    if (result.exit_code == static_cast<int>(status)) throw Error(status, message);
  }
  throw Error(Status::kInternal, "cannot convert " + source + ": " + message);
}

std::string fetch_model(const ModelFile& file, const std::string& folder, const FetchOptions& options) {
  const fs::path target = fs::path(folder) / (file.name + ".safetensors");
  const fs::path archive = fs::path(folder) / file.file;
  const Graph graph = make_network(file.network);
  std::error_code error;
  if (!fs::is_directory(folder, error)) throw Error(Status::kOutput, folder + ": no such folder");
  if (fs::exists(target, error)) {
    load_weights(target.string(), graph);
    return target.string();
  }
  if (fs::exists(archive, error)) {
    const std::string problem = download_problem(file, archive);
    if (!problem.empty()) {
      throw Error(Status::kWeights, archive.string() + ": " + problem + "; remove it and try again");
    }
  } else {
    download(file, archive, options);
  }
  const TemporaryFile converted{target.string() + ".unchecked"};
  convert_model(archive.string(), converted.path.string(), options.tools, true);
  load_weights(converted.path.string(), graph);
  move_file(converted.path, target);
  if (!options.keep) fs::remove(archive, error);
  return target.string();
}

}  // namespace swag
