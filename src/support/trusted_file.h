// Where code may come from: what this program loads or runs must be out of other people's reach, and nothing
// is found through the current folder or the name by which the program was called.
#pragma once
#include <string>

namespace swag {

/// The folder of the program or library that holds this code, as the system mapped it: absolute and without
/// links. Empty where the system does not tell.
std::string own_folder();

/// Why code in the file at `path` must not be run, "/opt/x can be changed by others"; empty when it may. The
/// path must be absolute and lead to a regular file; the file, links on the way to it and all folders above
/// must belong to root or to this user, and nobody else may write to them. A sticky folder such as /tmp may
/// stand further above.
std::string reason_for_distrust(const std::string& path);

/// The program `name` of the first folder in `search_path` (as in $PATH) that has one to be trusted,
/// absolute. Where none is to be trusted, the first one, so that whoever is about to run it can say why it is
/// not; empty when there is none at all. Folders that are not absolute are passed over.
std::string find_program(const std::string& name, const std::string& search_path);

}  // namespace swag
