// All files of a command: what it reads, what it writes, and that no two of them are one.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "src/cli/settings.h"
#include "src/support/output_place.h"

namespace swag::cli {

/// Files are told apart by what they are, not by how they are spelt. Inputs come first, then outputs, the
/// numbered ones last; each is checked when it is named, and everything that does not depend on the time
/// until it is written is told then. Throws Error(kOutput).
class RunFiles {
 public:
  /// Without `overwrite`, no file that is there is replaced; with it, none that is an input.
  explicit RunFiles(bool overwrite) : overwrite_(overwrite) {}

  /// `what` names the file in messages: "the content picture". One that is not there is left to its reader.
  void reads(const std::string& what, const std::string& path);

  /// The file that a run with these settings takes its weights from, where there is one. Throws
  /// Error(kWeights) when it is missing.
  void reads_weights(const Settings& settings);

  /// `option` is what the user gave the name with.
  void writes(const std::string& option, const std::string& path);
  void writes_picture(const std::string& option, const std::string& path);
  void writes_standard_output(const std::string& option);

  /// The pictures of --save-every beside `path`: a multiple of `every` below `most` in each name.
  void writes_numbered(const std::string& path, int64_t every, int64_t most);

  /// Removes what runs that were killed left in the folders of the outputs.
  void clear_folders() const;

 private:
  struct Named {
    std::string what;
    OutputPlace place;
  };
  void refuse_double(const std::string& option, const std::string& path, const OutputPlace& place) const;
  OutputPlace checked(const std::string& option, const std::string& path) const;

  bool overwrite_;
  std::vector<Named> inputs_, outputs_;
};

/// Checks the files of a run (content and styles, what its settings name, the file its options come from) and
/// clears their folders.
void check_run_files(const Settings& settings, const std::vector<std::string>& images,
                     const std::string& options_from);

/// "out.png" -> "out-0050.png"
std::string numbered(const std::string& path, int64_t number);

/// A warning when the folder of `path` has room for fewer than `bytes`, else nothing.
std::string space_warning(const std::string& path, int64_t bytes);

}  // namespace swag::cli
