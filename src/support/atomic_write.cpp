// The writing half of src/support/file.h.
//
// A temporary file has no name at all where the file system can do that (O_TMPFILE), so that nothing is left
// when the process is killed. Elsewhere, and for the moment between its link and the renaming that replaces
// an old file, it is called .swag-XXXXXXXXXXXXXXXX.part and is locked.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/support/descriptor.h"
#include "src/support/file.h"
#include "src/support/output_place.h"

namespace swag {
namespace {

constexpr char kPrefix[] = ".swag-", kSuffix[] = ".part";
constexpr size_t kDigits = 16;   // between them, hexadecimal
constexpr int kMostTries = 100;  // to find a name that is free

/// Nobody can tell it beforehand and put something else there.
std::string random_name() {
  uint64_t bits = 0;
  if (::getentropy(&bits, sizeof bits) != 0) {  // at least another one every time
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    bits = static_cast<uint64_t>(now.tv_nsec) << 32 ^ static_cast<uint64_t>(now.tv_sec) ^
           static_cast<uint64_t>(::getpid());
  }
  char digits[kDigits + 1];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(bits));
  return kPrefix + std::string(digits) + kSuffix;
}

/// One that random_name() could give: what a user calls ".swag-photo.part" is the user's.
bool is_temporary_name(std::string_view name) {
  const std::string_view prefix = kPrefix, suffix = kSuffix;
  if (name.size() != prefix.size() + kDigits + suffix.size()) return false;
  return name.substr(0, prefix.size()) == prefix && name.substr(prefix.size() + kDigits) == suffix &&
         name.substr(prefix.size(), kDigits).find_first_not_of("0123456789abcdef") == name.npos;
}

/// The way to a file that has no name.
std::string proc_path(int descriptor) { return "/proc/self/fd/" + std::to_string(descriptor); }

/// A file that goes away unless it is put into its place. Functions that fail leave their reason in errno.
class TemporaryFile {
 public:
  TemporaryFile(int folder, mode_t mode) : folder_(folder) {
    if (!open_without_name(mode)) open_with_name(mode);
  }
  ~TemporaryFile() {
    if (!name_.empty()) ::unlinkat(folder_, name_.c_str(), 0);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  explicit operator bool() const { return static_cast<bool>(file_); }
  int get() const { return file_.get(); }

  /// Gives it the name, whatever had that before.
  bool put(const std::string& name) {
    if (name_.empty()) {
      if (link(name)) return true;
      if (errno != EEXIST) return false;
      // There is no way to link over a file: a name for a moment, then a rename.
      std::string between = random_name();
      if (!link(between)) return false;
      name_ = std::move(between);
    }
    if (::renameat(folder_, name_.c_str(), folder_, name.c_str()) != 0) return false;
    name_.clear();
    return true;
  }

 private:
  bool open_without_name(mode_t mode) {
#ifdef O_TMPFILE
    file_ = Descriptor(::openat(folder_, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, mode));
    if (file_ && ::access(proc_path(file_.get()).c_str(), F_OK) != 0) file_.close();
    if (file_) ::flock(file_.get(), LOCK_EX);
#else
    (void)mode;
#endif
    return static_cast<bool>(file_);
  }

  void open_with_name(mode_t mode) {
    for (int tries = 0; tries < kMostTries && !file_; ++tries) {
      const std::string name = random_name();
      file_ = Descriptor(::openat(folder_, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
      if (!file_ && errno != EEXIST) return;
      if (!file_) continue;
      // Before the lock, another process may have taken it for a leftover and removed it.
      struct stat info {};
      ::flock(file_.get(), LOCK_EX);
      if (::fstat(file_.get(), &info) != 0 || info.st_nlink > 0) name_ = name;
      if (name_.empty()) file_.close();
    }
  }

  bool link(const std::string& name) {
    return ::linkat(AT_FDCWD, proc_path(file_.get()).c_str(), folder_, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
  }

  int folder_;
  std::string name_;  // empty while it has none
  Descriptor file_;
};

constexpr char kAccessList[] = "system.posix_acl_access";

/// The rights of single users and groups (an ACL) beside a file's mode; empty where there are none.
std::vector<char> access_list(const std::string& path) {
  std::vector<char> list(1 << 16);  // as large as an attribute can be
  const ssize_t size = ::getxattr(path.c_str(), kAccessList, list.data(), list.size());
  list.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return list;
}

/// Owner, group and permissions of the file that is replaced. What cannot be kept must not hand its rights to
/// someone else: the group's to another group, or, of an ACL, whose mask stands in their place, to the group.
bool take_over(int file, const OutputPlace& place) {
  constexpr mode_t kGroup = 070;
  struct stat now {};
  if (::fstat(file, &now) != 0) return false;
  mode_t mode = place.mode;
  // Where the owner cannot be kept, it is this user, as after any other program that replaces files.
  [[maybe_unused]] const int kept = ::fchown(file, place.owner, static_cast<gid_t>(-1));
  const bool same_group =
      now.st_gid == place.group || ::fchown(file, static_cast<uid_t>(-1), place.group) == 0;
  if (!same_group) mode = (mode & ~kGroup) | ((mode & 07) << 3);
  const std::vector<char> list = access_list(place.path());
  if (!list.empty() && same_group && ::fsetxattr(file, kAccessList, list.data(), list.size(), 0) == 0) {
    return true;  // the mode is in it
  }
  if (!list.empty()) mode &= ~kGroup;
  return ::fchmod(file, mode) == 0;
}

/// That the name is in the folder, too. Not every file system can, and the file itself is safe by now.
void sync_folder(int folder) {
  const Descriptor readable(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (readable) ::fsync(readable.get());
}

[[noreturn]] void fail(const std::string& path, const char* what) {
  const char* reason = std::strerror(errno);
  throw Error(Status::kOutput, path + ": " + what + ": " + reason);
}

bool is_regular(int file) {
  struct stat info {};
  return ::fstat(file, &info) == 0 && S_ISREG(info.st_mode);
}

/// Appending, so that a shell's `>>` means what it says.
void write_stream(const std::string& path, const char* data, size_t size) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY));
  if (!file) fail(path, "cannot be opened");
  if (!write_all(file.get(), data, size)) fail(path, "cannot be written");
}

}  // namespace

bool write_all(int descriptor, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(descriptor, data, size);
    if (written < 0 && errno == EINTR && is_regular(descriptor)) continue;
    if (written == 0) errno = EIO;
    if (written <= 0) return false;
    data += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

void atomic_write_file(const std::string& path, const void* data, size_t size) {
  const OutputPlace place = find_output_place(path);
  const char* bytes = static_cast<const char*>(data);
  if (place.kind == OutputPlace::Kind::kStream) return write_stream(path, bytes, size);
  const bool replaces = place.kind == OutputPlace::Kind::kFile;
  const Descriptor folder(::open(place.folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) fail(path, "cannot be created");
  TemporaryFile file(folder.get(), replaces ? 0600 : 0666);
  if (!file) fail(path, "cannot be created");
  if (!write_all(file.get(), bytes, size)) fail(path, "cannot be written");
  if (replaces && !take_over(file.get(), place)) fail(path, "cannot be given its permissions");
  if (::fsync(file.get()) != 0) fail(path, "cannot be written");
  if (!file.put(place.name)) fail(path, "cannot be put into its place");
  sync_folder(folder.get());
}

void remove_leftovers(const std::string& folder) noexcept {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), ::closedir);
  if (!entries) return;
  const int place = ::dirfd(entries.get());
  while (const dirent* entry = ::readdir(entries.get())) {
    if (!is_temporary_name(entry->d_name)) continue;
    const Descriptor file(::openat(place, entry->d_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) != 0) continue;
    if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid()) continue;
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlinkat(place, entry->d_name, 0);
  }
}

}  // namespace swag
