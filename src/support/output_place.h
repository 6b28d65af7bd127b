// Where a file lands that is written under a name: links followed, and what is there already.
#pragma once
#include <sys/types.h>

#include <string>

namespace swag {

struct OutputPlace {
  enum class Kind {
    kNew,     // nothing is there
    kFile,    // a regular file, which would be replaced
    kStream,  // a terminal, a pipe, a device: what is written goes through it, and it stays what it is
  };
  Kind kind = Kind::kNew;
  bool through_link = false;
  std::string folder, name;  // where the last link leads
  bool keeps = false;        // what is there is a file or a pipe, in which two outputs would mix; no device
  dev_t device = 0;          // of what is there; of the folder for kNew
  ino_t inode = 0;
  mode_t mode = 0;  // permissions and owners of a kFile
  uid_t owner = 0;
  gid_t group = 0;

  std::string path() const;
};

/// Where `path` leads. A link is followed, as an editor does: the file that it names is written, and the link
/// stays. Throws Error(kOutput) for what no file can be written to: an empty name, one that is too long, a
/// missing folder, a folder, a disk, a socket, links in a circle.
OutputPlace find_output_place(const std::string& path);

/// The same, asked before long work, and what can be known to fail: a file that is there and a link that
/// leads nowhere, both without `overwrite`; a folder or device that is not writable. Throws Error(kOutput).
OutputPlace check_output_file(const std::string& path, bool overwrite);

/// What is open as `descriptor`, for what is written to it. Throws Error(kOutput) when nothing is.
OutputPlace place_of_descriptor(int descriptor, const std::string& name);

/// Whether two places are one file or pipe, however they are spelt. Names of new files that differ in nothing
/// but the case of letters count as one: on some file systems they are.
bool same_file(const OutputPlace& a, const OutputPlace& b);

}  // namespace swag
