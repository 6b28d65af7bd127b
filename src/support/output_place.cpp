#include "src/support/output_place.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "src/support/error.h"

namespace swag {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // as many as Linux follows

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Error(Status::kOutput, path + ": " + why);
}

std::string reason_of(int error) {
  if (error == ENAMETOOLONG) return "the name is too long for this file system; give a shorter one";
  return std::strerror(error);
}

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : "."; }

/// Whether a link is one of /proc/self/fd, where /dev/stdout leads: it names an open file, not a path.
bool is_descriptor(const fs::path& link) {
  struct statfs system {};
  return ::statfs(folder_of(link).c_str(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

/// Whether what a link of /proc/self/fd names is open for writing, as far as that can be told. A new opening
/// of it would succeed in any case: the program opens a closed standard output as /dev/null, to be read.
bool is_open_for_writing(const fs::path& link) {
  std::error_code error;
  const fs::path folder = fs::canonical(folder_of(link), error);
  std::ifstream info(folder.parent_path() / "fdinfo" / link.filename());
  std::string name;
  int flags = O_RDWR;
  while (info >> name && name != "flags:") {
  }
  info >> std::oct >> flags;
  return (info ? flags & O_ACCMODE : O_RDWR) != O_RDONLY;
}

/// Where the link at the end of `target` leads, one step further.
fs::path next_step(const fs::path& target, const std::string& path) {
  std::error_code error;
  const fs::path link = fs::read_symlink(target, error);
  if (error) refuse(path, error.message());
  return link.is_absolute() ? link : folder_of(target) / link;
}

void describe_new(OutputPlace& place, const std::string& path) {
  struct stat folder {};
  if (::stat(place.folder.c_str(), &folder) != 0 || !S_ISDIR(folder.st_mode)) {
    refuse(path, "there is no folder " + place.folder + "; make it first");
  }
  struct statfs system {};
  const bool of_kernel = ::statfs(place.folder.c_str(), &system) == 0 &&
                         (system.f_type == PROC_SUPER_MAGIC || system.f_type == SYSFS_MAGIC);
  if (of_kernel) refuse(path, "no file can be made in " + place.folder + "; give another folder");
  if (folder.st_nlink == 0) refuse(path, "the folder " + place.folder + " was removed; give another one");
  if (place.name.empty()) refuse(path, "is a folder; name a file");
  place.device = folder.st_dev;
  place.inode = folder.st_ino;
}

void describe_existing(OutputPlace& place, const struct stat& info, const std::string& path) {
  if (S_ISDIR(info.st_mode)) refuse(path, "is a folder; name a file");
  if (S_ISBLK(info.st_mode)) refuse(path, "is a disk; name a file");
  if (S_ISSOCK(info.st_mode)) refuse(path, "is a socket; name a file");
  if (place.kind != OutputPlace::Kind::kStream) {
    place.kind = S_ISREG(info.st_mode) ? OutputPlace::Kind::kFile : OutputPlace::Kind::kStream;
  }
  place.keeps = S_ISREG(info.st_mode) || S_ISFIFO(info.st_mode);
  place.device = info.st_dev;
  place.inode = info.st_ino;
  place.mode = info.st_mode & 0777;
  place.owner = info.st_uid;
  place.group = info.st_gid;
}

/// In a folder like /tmp, a file can be replaced by its owner alone.
bool is_kept_by_its_owner(const OutputPlace& place, const struct stat& folder) {
  const uid_t user = ::geteuid();
  return place.kind == OutputPlace::Kind::kFile && (folder.st_mode & S_ISVTX) && user != 0 &&
         user != place.owner && user != folder.st_uid;
}

}  // namespace

std::string OutputPlace::path() const { return (fs::path(folder) / name).string(); }

OutputPlace find_output_place(const std::string& path) {
  if (path.empty()) refuse("output", "its name is empty");
  OutputPlace place;
  fs::path target = path;
  struct stat info {};
  bool exists = false;
  for (int links = 0;; ++links) {
    exists = ::lstat(target.c_str(), &info) == 0;
    if (!exists && errno != ENOENT && errno != ENOTDIR) refuse(path, reason_of(errno));
    if (!exists || !S_ISLNK(info.st_mode)) break;
    if (links == kMostLinks) refuse(path, "is a link in a circle; name a file");
    place.through_link = true;
    if (is_descriptor(target)) {
      if (::stat(target.c_str(), &info) != 0) refuse(path, reason_of(errno));
      if (!is_open_for_writing(target)) refuse(path, "is closed, or open for reading alone; name a file");
      place.kind = OutputPlace::Kind::kStream;
      break;
    }
    target = next_step(target, path);
  }
  place.folder = folder_of(target).string();
  place.name = target.filename().string();
  exists ? describe_existing(place, info, path) : describe_new(place, path);
  return place;
}

OutputPlace check_output_file(const std::string& path, bool overwrite) {
  const OutputPlace place = find_output_place(path);
  if (place.kind == OutputPlace::Kind::kStream) {
    if (::access(path.c_str(), W_OK) != 0) refuse(path, "is not writable");
    return place;
  }
  struct stat folder {};
  if (::access(place.folder.c_str(), W_OK | X_OK) != 0 || ::stat(place.folder.c_str(), &folder) != 0) {
    refuse(path, "the folder " + place.folder + " is not writable");
  }
  if (!overwrite && place.kind == OutputPlace::Kind::kFile) {
    refuse(path, "exists already; give --overwrite or another name");
  }
  if (!overwrite && place.through_link) {
    refuse(path, "is a link to " + place.path() +
                     ", which is not there; give --overwrite to make that file, or another name");
  }
  if (is_kept_by_its_owner(place, folder)) {
    refuse(path, "belongs to someone else, whose files the folder " + place.folder + " protects");
  }
  return place;
}

OutputPlace place_of_descriptor(int descriptor, const std::string& name) {
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) refuse(name, reason_of(errno));
  OutputPlace place;
  place.kind = OutputPlace::Kind::kStream;
  place.name = name;
  describe_existing(place, info, name);
  return place;
}

bool same_file(const OutputPlace& a, const OutputPlace& b) {
  if (a.device != b.device || a.inode != b.inode) return false;
  if (a.keeps && b.keeps) return true;
  const bool new_ones = a.kind == OutputPlace::Kind::kNew && b.kind == OutputPlace::Kind::kNew;
  return new_ones && ::strcasecmp(a.name.c_str(), b.name.c_str()) == 0;
}

}  // namespace swag
