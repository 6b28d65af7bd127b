#include "src/cli/outputs.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "src/support/error.h"

namespace swag::cli {

namespace fs = std::filesystem;

void check_file_output(const std::string& path, bool overwrite) {
  const auto refuse = [&](const std::string& why) { throw Error(Status::kOutput, path + ": " + why); };
  std::error_code ignored;
  const fs::path folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : fs::path(".");
  if (!fs::is_directory(folder, ignored)) refuse("there is no folder " + folder.string() + "; make it first");
  if (access(folder.c_str(), W_OK | X_OK) != 0) refuse("the folder " + folder.string() + " is not writable");
  if (fs::is_directory(path, ignored)) refuse("is a folder; name a file");
  if (!overwrite && fs::exists(path, ignored)) refuse("exists already; give --overwrite or another name");
}

std::string numbered(const std::string& path, int number) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "-%04d", number);
  const fs::path whole = path;
  return (whole.parent_path() / whole.stem()).string() + digits + whole.extension().string();
}

}  // namespace swag::cli
