#include "src/cli/run_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>

#include "src/cli/weights_search.h"
#include "src/codecs/encode.h"
#include "src/support/error.h"
#include "src/support/file.h"

namespace swag::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostDigits = 18;  // that 64 bits hold

/// The number in a name that numbered() makes of `path`, whatever the case of its letters; 0 for other names.
int64_t number_in(const std::string& name, const std::string& path) {
  const fs::path whole = path;
  const std::string before = whole.stem().string() + "-", after = whole.extension().string();
  if (name.size() <= before.size() + after.size()) return 0;
  const std::string digits = name.substr(before.size(), name.size() - before.size() - after.size());
  if (digits.size() > kMostDigits || digits.find_first_not_of("0123456789") != std::string::npos) return 0;
  const int64_t number = std::stoll(digits);
  const std::string made = fs::path(numbered(path, number)).filename().string();
  return ::strcasecmp(made.c_str(), name.c_str()) == 0 ? number : 0;
}

/// A log is no picture that takes the place of an old one: it is written into the file that is there.
void check_log_file(const std::string& path) {
  if (access(path.c_str(), F_OK) == 0 && access(path.c_str(), W_OK) != 0) {
    throw Error(Status::kOutput, path + ": is not writable");
  }
}

}  // namespace

std::string numbered(const std::string& path, int64_t number) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "-%04lld", static_cast<long long>(number));
  const fs::path whole = path;
  return (whole.parent_path() / whole.stem()).string() + digits + whole.extension().string();
}

// ---------------------------------------------------------------- one by one

void RunFiles::reads(const std::string& what, const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return;
  OutputPlace place;
  place.kind = OutputPlace::Kind::kFile;
  place.keeps = true;
  place.device = info.st_dev;
  place.inode = info.st_ino;
  inputs_.push_back({what, place});
}

void RunFiles::reads_weights(const Settings& settings) {
  const std::string path = weight_file_of(settings);
  if (!path.empty()) reads("the file of the weights", path);
}

void RunFiles::refuse_double(const std::string& option, const std::string& path,
                             const OutputPlace& place) const {
  for (const Named& input : inputs_) {
    if (!same_file(input.place, place)) continue;
    throw Error(Status::kOutput,
                path + ": is " + input.what +
                    "; an input is never replaced, not even with --overwrite; give another name");
  }
  for (const Named& other : outputs_) {
    if (!same_file(other.place, place)) continue;
    throw Error(Status::kOutput,
                path + ": " + other.what + " and " + option + " are one file; give each another name");
  }
}

OutputPlace RunFiles::checked(const std::string& option, const std::string& path) const {
  const OutputPlace place = find_output_place(path);
  refuse_double(option, path, place);
  check_output_file(path, overwrite_);
  return place;
}

void RunFiles::writes(const std::string& option, const std::string& path) {
  outputs_.push_back({option, checked(option, path)});
}

void RunFiles::writes_picture(const std::string& option, const std::string& path) {
  check_output_path(path, true);  // whether it can be a picture at all
  writes(option, path);
}

void RunFiles::writes_standard_output(const std::string& option) {
  const int flags = fcntl(STDOUT_FILENO, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {  // closed, it is a place that only can be read
    throw Error(Status::kOutput, option + ": standard output is closed; give a file");
  }
  const OutputPlace place = place_of_descriptor(STDOUT_FILENO, "standard output");
  refuse_double(option, place.name, place);
  outputs_.push_back({option, place});
}

// ---------------------------------------------------------------- the numbered ones

/// There may be millions: the names that are there already are compared with the pattern, not the other way.
void RunFiles::writes_numbered(const std::string& path, int64_t every, int64_t most) {
  if (every <= 0 || every >= most) return;
  const int64_t last = (most - 1) / every * every;
  const OutputPlace longest = find_output_place(numbered(path, last));  // refuses a name that is too long
  const auto number_of = [&](const std::string& name) {
    const int64_t number = number_in(name, path);
    return number % every == 0 && number < most ? number : 0;
  };
  const fs::path beside = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : ".";
  struct stat folder {};
  if (::stat(beside.c_str(), &folder) != 0) return;
  for (const Named& other : outputs_) {
    const OutputPlace& place = other.place;
    if (place.kind == OutputPlace::Kind::kNew && place.device == folder.st_dev &&
        place.inode == folder.st_ino && number_of(place.name) > 0) {
      throw Error(Status::kOutput, place.path() + ": " + other.what +
                                       " and a picture of --save-every are one file; give another name");
    }
  }
  std::set<int64_t> present;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(beside.c_str()), ::closedir);
  while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
    const int64_t number = number_of(entry->d_name);
    if (number > 0) present.insert(number);
  }
  for (const int64_t number : present) checked("--save-every", numbered(path, number));
  outputs_.push_back({"--save-every", longest});
}

void RunFiles::clear_folders() const {
  std::set<std::string> folders;
  for (const Named& output : outputs_) {
    if (output.place.kind != OutputPlace::Kind::kStream) folders.insert(output.place.folder);
  }
  for (const std::string& folder : folders) remove_leftovers(folder);
}

// ---------------------------------------------------------------- of a run

void check_run_files(const Settings& settings, const std::vector<std::string>& images,
                     const std::string& options_from) {
  RunFiles files(settings.overwrite);
  for (size_t i = 0; i < images.size(); ++i) {
    files.reads(i == 0 ? "the content picture" : "a style picture", images[i]);
  }
  if (!settings.init_image.empty()) files.reads("the picture of --init-image", settings.init_image);
  files.reads_weights(settings);
  files.writes_picture("-o", settings.output);
  // A picture may be painted anew over the one that its options come from, but no other file over that one.
  if (!options_from.empty()) files.reads("the file of --options-from", options_from);
  if (!settings.grid.empty()) files.writes_picture("--grid", settings.grid);
  if (!settings.save_weights.empty()) files.writes("--save-weights", settings.save_weights);
  if (settings.log == "-") {
    files.writes_standard_output("--log");
  } else if (!settings.log.empty()) {
    files.writes("--log", settings.log);
    check_log_file(settings.log);
  }
  files.writes_numbered(settings.output, settings.save_every,
                        int64_t{settings.api.iterations} * settings.api.scales);
  files.clear_folders();
}

std::string space_warning(const std::string& path, int64_t bytes) {
  struct statvfs system {};
  const OutputPlace place = find_output_place(path);
  if (place.kind == OutputPlace::Kind::kStream || ::statvfs(place.folder.c_str(), &system) != 0) return "";
  const double free = static_cast<double>(system.f_bavail) * static_cast<double>(system.f_frsize);
  if (free >= static_cast<double>(bytes)) return "";
  return path + ": the disk has " + std::to_string(static_cast<int64_t>(free) >> 20) +
         " MiB left, and the picture may take " + std::to_string((bytes >> 20) + 1) + " MiB";
}

}  // namespace swag::cli
