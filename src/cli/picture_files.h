// The pictures that a run writes: on its way, in the end, and somewhere else when their place fails.
#pragma once
#include <functional>
#include <string>

#include "src/cli/settings.h"
#include "src/image/image.h"

namespace swag::cli {

class PictureFiles {
 public:
  /// `complain` says what went wrong without ending the run.
  PictureFiles(const Settings& settings, std::function<void(const std::string&)> complain);

  /// What is written into each picture about how it was made.
  void describe(const std::string& description) { description_ = description; }

  /// Writes what `picture` returns as OUT-0050.png. The run is worth more than a picture on its way: of
  /// these, the first that fails is complained about, and that is all.
  void save_on_the_way(int steps, const std::function<Image()>& picture);

  /// Writes OUT, or when that fails the same picture elsewhere, with a complaint that says where. Throws
  /// Error(kOutput) only when every place fails.
  void save(const Image& picture);

  /// Writes what `grid` returns. It can be made again, so that a failure is only complained about.
  void save_grid(const std::function<Image()>& grid);

  /// Where save() put the picture.
  const std::string& saved() const { return saved_; }

  /// Whether any picture is not in its place.
  bool missing() const { return missing_; }

 private:
  void write(const Image& picture, const std::string& path) const;
  /// Why what `picture` returns could not be written; empty when it was.
  std::string failure(const std::function<Image()>& picture, const std::string& path) const;
  void miss(const std::string& problem);

  const Settings& settings_;
  std::function<void(const std::string&)> complain_;
  std::string description_, saved_;
  bool missing_ = false, missing_on_the_way_ = false;
};

/// Calls `save` with one name after the other until it succeeds, and returns that name: another name in the
/// same folder, then a new folder of the user's own in $TMPDIR (/tmp) and in the user's state folder
/// ($XDG_STATE_HOME, ~/.local/state). Empty when every place fails. Nothing that is there is replaced.
std::string rescue(const std::string& path, const std::function<void(const std::string&)>& save);

}  // namespace swag::cli
