#include "src/cli/rescue.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

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
