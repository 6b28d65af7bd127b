// Files that are no pictures: whether they can be written, asked before the long work.
#pragma once
#include <string>

namespace swag::cli {

/// Refuses a missing or unwritable folder, a folder for a file, and an existing file without `overwrite`.
/// Throws Error(kOutput).
void check_file_output(const std::string& path, bool overwrite);

/// "out.png" -> "out-0050.png"
std::string numbered(const std::string& path, int number);

}  // namespace swag::cli
