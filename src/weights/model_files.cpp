#include "src/weights/model_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "src/support/error.h"
#include "src/support/file.h"
#include "src/support/printable.h"
#include "src/support/trusted_file.h"
#include "src/weights/download.h"
#include "src/weights/safetensors.h"
#include "src/weights/sha256.h"
#include "src/weights/subprocess.h"
#include "src/weights/weights.h"

namespace swag {
namespace {

namespace fs = std::filesystem;

constexpr char kSourceDigest[] = "source_sha256";  // of the converter's metadata
constexpr int64_t kMostNoteBytes = 65536;

constexpr char kPrivateFolder[] = ".swag-fetch-", kSixUnknown[] = "XXXXXX";

/// The folder, locked; nothing when somebody else has the lock, or it is not a private one of this user's.
Descriptor lock_private_folder(const std::string& path) {
  Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info = {};
  const bool own = folder && fstat(folder.get(), &info) == 0 && info.st_uid == geteuid() &&
                   (info.st_mode & 0777) == 0700 && info.st_nlink > 0;
  if (!own || flock(folder.get(), LOCK_EX | LOCK_NB) != 0) folder.close();
  return folder;
}

/// Removes the private folders that a killed process left in `parent`.
void remove_private_folders(const std::string& parent) {
  const std::string prefix = kPrivateFolder;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.size() != prefix.size() + std::strlen(kSixUnknown) || name.rfind(prefix, 0) != 0) continue;
    const Descriptor locked = lock_private_folder(entry.path().string());
    if (locked) fs::remove_all(entry.path(), ignored);
  }
}

/// A new folder inside `parent` that nobody else can look into, and that goes away with what is in it: at the
/// latest when the next one is made, which knows by the lock whether anybody still needs it.
class PrivateFolder {
 public:
  explicit PrivateFolder(const std::string& parent) {
    remove_private_folders(parent);
    while (!locked_) {  // before the lock, another process may have removed it
      path_ = (fs::path(parent) / (std::string(kPrivateFolder) + kSixUnknown)).string();
      if (!mkdtemp(path_.data())) {
        throw Error(Status::kOutput, parent + ": no file can be made in it: " + std::strerror(errno));
      }
      locked_ = lock_private_folder(path_);
    }
  }
  ~PrivateFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;
  fs::path file(const std::string& name) const { return fs::path(path_) / name; }

 private:
  std::string path_;
  Descriptor locked_;
};

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return printable(text, 1000);
}

/// A path as one word of a shell's command line that is no option.
std::string shell_word(const std::string& path) {
  const std::string text = path[0] == '-' ? "./" + path : path;
  const std::string plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";
  if (text.find_first_not_of(plain) == std::string::npos) return text;
  std::string word = "'";
  for (char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::string by_hand(const ModelFile& file, const fs::path& folder) {
  return "; by hand: download " + file.url + " and run `swag model convert " + file.file + " " +
         shell_word((folder / (file.name + ".safetensors")).string()) + "`";
}

/// The published file, checked and open: one that is there already, or a new one.
Descriptor published_file(const ModelFile& file, const fs::path& archive, const FetchOptions& options,
                          std::string& digest) {
  std::error_code error;
  if (fs::exists(archive, error)) {
    Descriptor opened = open_regular_file(archive.string(), Status::kWeights);
    const std::string problem = download_problem(file, opened.get(), digest);
    if (problem.empty()) return opened;
    throw Error(Status::kWeights, archive.string() + ": " + problem + "; remove it and try again");
  }
  DownloadOptions how;
  how.curl = options.tools.curl;
  how.stall_seconds = options.stall_seconds;
  how.manual = by_hand(file, archive.parent_path());
  how.progress = options.progress;
  return download(file, archive.string(), how, digest);
}

/// Weights that are good, and of this very file.
void check_converted(const std::string& path, const Graph& graph, const std::string& digest,
                     const std::string& source) {
  const Weights weights = load_weights(path, graph);
  const auto found = weights.metadata.find(kSourceDigest);
  if (found == weights.metadata.end() || found->second != digest) {
    throw Error(Status::kWeights, source + ": was changed while it was converted; try again");
  }
}

bool memory_is_limited() {
  rlimit limit = {};
  return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

/// Throws what the end of Python means that the converter did not choose.
[[noreturn]] void fail_unexpectedly(const ProgramResult& result, const std::string& source) {
  if (result.interrupted()) throw Error(Status::kInterrupted, source + ": its conversion was interrupted");
  const std::string cannot = "cannot convert " + source + ": python3 ended ";
  if (result.exit_code > 128) {
    const int signal = result.exit_code - 128;
    throw Error(Status::kMemory, cannot + "by signal " + std::to_string(signal) + " (" + strsignal(signal) +
                                     "), as programs do that the system has no memory for");
  }
  // The last line of what Python says of an exception is the one that names it.
  const std::string last = result.errors.substr(result.errors.rfind('\n') + 1);
  const std::string how =
      cannot + "with " + std::to_string(result.exit_code) + (last.empty() ? "" : ": " + one_line(last));
  // Under a limit there may be no memory for Python to say so, or even to start.
  if (memory_is_limited())
    throw Error(Status::kMemory, how + "; the limit on memory (ulimit -v) may be too low");
  throw Error(Status::kWeights, how);
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
                   const ConvertOptions& options) {
  // -I: neither the user's environment nor the working folder can put a module in the script's way.
  std::vector<std::string> arguments = {tools.python,      "-I",       tools.converter,
                                        "--without-heads", "--pixels", options.pixels};
  if (options.overwrite) arguments.push_back("--overwrite");
  if (options.opened >= 0) arguments.push_back("--name=" + source);
  arguments.insert(arguments.end(), {"--", options.opened >= 0 ? "/proc/self/fd/0" : source, target});
  const std::string folder = fs::path(target).parent_path().string();
  remove_leftovers(folder.empty() ? "." : folder);
  const ProgramResult result = run_program(arguments, {}, {options.opened, -1});
  if (!result.not_run.empty()) {
    throw Error(Status::kWeights, "python3 " + result.not_run + "; run tools/convert_weights.py on " +
                                      source + " where there is Python 3.8 or newer");
  }
  if (result.exit_code == 0) return;
  std::string message = one_line(result.errors);
  const std::string prefix = "convert_weights.py: ";
  if (message.compare(0, prefix.size(), prefix) == 0) {
    message.erase(0, prefix.size());
    for (Status status : {Status::kWeights, Status::kMemory, Status::kOutput}) {
      if (result.exit_code == static_cast<int>(status)) throw Error(status, message);
    }
  }
  fail_unexpectedly(result, source);
}

std::string check_sha256_note(const std::string& path) {
  std::error_code error;
  const std::string beside = path + ".sha256";
  if (!fs::exists(beside, error)) return "";
  const Descriptor opened = open_regular_file(beside, Status::kWeights);
  const std::vector<uint8_t> note = read_file(opened.get(), beside, Status::kWeights, kMostNoteBytes);
  const std::string noted(
      note.begin(), std::find_if(note.begin(), note.end(), [](uint8_t c) { return c == ' ' || c == '\n'; }));
  const std::string digest = sha256_file(path);
  if (noted == digest) return digest;
  throw Error(Status::kWeights, path + ": has the SHA-256 " + digest + ", not the one of " + beside + ", " +
                                    printable(noted, 64) +
                                    "; fetch it again, or remove the note if the file was meant to change");
}

std::string fetch_model(const ModelFile& file, const std::string& folder, const FetchOptions& options) {
  const fs::path target = fs::path(folder) / (file.name + ".safetensors");
  const fs::path archive = fs::path(folder) / file.file;
  const Graph graph = make_network(file.network);
  std::error_code error;
  if (!fs::is_directory(folder, error)) throw Error(Status::kOutput, folder + ": no such folder");
  if (fs::exists(target, error)) {
    check_sha256_note(target.string());
    load_weights(target.string(), graph);
    return target.string();
  }
  std::string digest;
  const Descriptor opened = published_file(file, archive, options, digest);
  if (options.note) {
    options.note(file.file + ": SHA-256 " + digest +
                 (file.whole_sha256_known()
                      ? ", as published"
                      : ", of which only the first 8 digits are published and compared"));
  }
  const PrivateFolder temporary(folder);
  const std::string converted = temporary.file(target.filename().string()).string();
  ConvertOptions convert;
  convert.opened = opened.get();
  convert.pixels = "torchvision";
  convert_model(archive.string(), converted, options.tools, convert);
  check_converted(converted, graph, digest, archive.string());
  const std::string note = sha256_file(converted) + "  " + target.filename().string() + "\n";
  atomic_write_file(converted + ".sha256", note.data(), note.size());
  for (const char* suffix : {"", ".sha256"}) {  // a link in the way is replaced, not followed
    fs::rename(converted + suffix, target.string() + suffix, error);
    if (error) {
      throw Error(Status::kOutput, target.string() + suffix + ": cannot be written: " + error.message());
    }
  }
  if (!options.keep) fs::remove(archive, error);
  return target.string();
}

}  // namespace swag
