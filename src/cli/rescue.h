// What becomes of a picture whose place fails at the end: it is kept somewhere else.
#pragma once
#include <functional>
#include <string>

namespace swag::cli {

/// Calls `save` with one name after the other until it succeeds, and returns that name: another name in the
/// same folder, then a new folder of the user's own in $TMPDIR (/tmp) and in the user's state folder
/// ($XDG_STATE_HOME, ~/.local/state). Empty when every place fails. Nothing that is there is replaced.
std::string rescue(const std::string& path, const std::function<void(const std::string&)>& save);

}  // namespace swag::cli
