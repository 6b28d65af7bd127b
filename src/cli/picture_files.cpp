#include "src/cli/picture_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <vector>

#include "src/cli/run_files.h"
#include "src/cli/signals.h"
#include "src/codecs/encode.h"
#include "src/support/descriptor.h"
#include "src/support/error.h"
#include "src/support/output_place.h"

namespace swag::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kMostNames = 9;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool saved(const std::string& path, const std::function<void(const std::string&)>& save) {
  try {
    check_output_file(path, false);
    save(path);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// An interrupted run does not wait until somebody reads a pipe. Held while the picture is written: a reader
/// takes the end of a writer for the end of the file.
Descriptor pipe_with_reader(const std::string& path) {
  if (InterruptGuard::signal() == 0 || find_output_place(path).kind != OutputPlace::Kind::kStream) return {};
  Descriptor pipe(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!pipe && errno == ENXIO) throw Error(Status::kOutput, path + ": nobody reads this pipe");
  return pipe;
}

/// Folders in which there may be one for the picture.
std::vector<fs::path> other_folders() {
  const std::string temporary = environment("TMPDIR"), state = environment("XDG_STATE_HOME"),
                    home = environment("HOME");
  std::vector<fs::path> folders = {temporary.empty() ? "/tmp" : temporary};
  if (!state.empty()) folders.push_back(state);
  if (state.empty() && !home.empty()) folders.push_back(fs::path(home) / ".local" / "state");
  return folders;
}

}  // namespace

PictureFiles::PictureFiles(const Settings& settings, std::function<void(const std::string&)> complain)
    : settings_(settings), complain_(std::move(complain)) {}

/// A name that was free at the start may not be now, and nothing is replaced unasked.
void PictureFiles::write(const Image& picture, const std::string& path) const {
  check_output_path(path, settings_.overwrite);
  const Descriptor held = pipe_with_reader(path);
  save_image(path, picture, settings_.jpeg_quality, description_);
}

void PictureFiles::miss(const std::string& problem) {
  missing_ = true;
  complain_(problem);
}

std::string PictureFiles::failure(const std::function<Image()>& picture, const std::string& path) const {
  try {
    write(picture(), path);
    return "";
  } catch (const Error& error) {
    return error.what();
  } catch (const std::bad_alloc&) {
    return path + ": there is not enough memory to write it";
  }
}

void PictureFiles::save_on_the_way(int steps, const std::function<Image()>& picture) {
  const std::string problem = failure(picture, numbered(settings_.output, steps));
  if (problem.empty()) return;
  if (!missing_on_the_way_) miss(problem + "; the run goes on");
  missing_on_the_way_ = true;
}

void PictureFiles::save(const Image& picture) {
  try {
    write(picture, saved_ = settings_.output);
  } catch (const Error& error) {
    saved_ = rescue(settings_.output, [&](const std::string& path) {
      save_image(path, picture, settings_.jpeg_quality, description_);
    });
    if (saved_.empty()) throw;
    miss(std::string(error.what()) + "; the picture is in " + saved_);
  }
}

void PictureFiles::save_grid(const std::function<Image()>& grid) {
  const std::string problem = failure(grid, settings_.grid);
  if (!problem.empty()) miss(problem);
}

std::string rescue(const std::string& path, const std::function<void(const std::string&)>& save) {
  const fs::path whole = path;
  const std::string before = (whole.parent_path() / whole.stem()).string() + "-rescued";
  for (int i = 1; i <= kMostNames; ++i) {
    const std::string name = before + (i == 1 ? "" : "-" + std::to_string(i)) + whole.extension().string();
    if (saved(name, save)) return name;
  }
  for (const fs::path& folder : other_folders()) {
    std::error_code error;
    fs::create_directories(folder, error);
    std::string own = (folder / "swag-XXXXXX").string();
    if (mkdtemp(own.data()) == nullptr) continue;  // a folder that nobody else can look into
    const std::string name = (fs::path(own) / whole.filename()).string();
    if (saved(name, save)) return name;
    fs::remove(own, error);
  }
  return "";
}

}  // namespace swag::cli
