#include "src/support/trusted_file.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace swag {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // as many as Linux follows

/// Whether `group` is this user's own and has nobody else in it, as many distributions give to each of their
/// users, whose files are then writable by that group. Root has no such files.
bool is_private_group(gid_t group) {
  std::array<char, 16384> user_text, group_text;
  passwd user_entry, *user = nullptr;
  struct group group_entry, *found = nullptr;
  if (geteuid() == 0 || getpwuid_r(geteuid(), &user_entry, user_text.data(), user_text.size(), &user) != 0 ||
      !user || getgrgid_r(group, &group_entry, group_text.data(), group_text.size(), &found) != 0 || !found) {
    return false;
  }
  bool alone = user->pw_gid == group && std::strcmp(user->pw_name, found->gr_name) == 0;
  for (char** member = found->gr_mem; *member; ++member) {
    alone = alone && std::strcmp(*member, user->pw_name) == 0;
  }
  return alone;
}

/// Whether somebody else than the owner, and this user, may write.
bool others_may_write(const fs::path& path, const struct stat& info) {
  if (S_ISLNK(info.st_mode)) return false;  // its folder decides
  if ((info.st_mode & S_IWOTH) != 0) return true;
  if ((info.st_mode & S_IWGRP) == 0) return false;
  // Where there is an access list, the group's bits stand for everybody in it.
  return getxattr(path.c_str(), "system.posix_acl_access", nullptr, 0) > 0 || !is_private_group(info.st_gid);
}

/// What is wrong with one file, link or folder. In a folder whose sticky bit is set, such as /tmp, nobody can
/// move or remove what belongs to others.
std::string problem_of(const fs::path& path, const struct stat& info, bool sticky_will_do) {
  if (info.st_uid != 0 && info.st_uid != geteuid()) {
    return path.string() + " belongs to another user (" + std::to_string(info.st_uid) + ")";
  }
  if (sticky_will_do && S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0) return "";
  return others_may_write(path, info) ? path.string() + " can be changed by others" : "";
}

/// Puts the parts of a path before those that are still to be walked.
void put_first(std::deque<fs::path>& parts, const fs::path& path) {
  const fs::path relative = path.relative_path();
  parts.insert(parts.begin(), relative.begin(), relative.end());
}

}  // namespace

std::string own_folder() {
  const auto here = reinterpret_cast<uintptr_t>(&own_folder);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    int name = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %*s %*s %*s %*s %n", &begin, &end, &name) < 2 || name == 0)
      continue;
    if (begin <= here && here < end) return fs::path(line.substr(name)).parent_path().string();
  }
  return "";
}

std::string reason_for_distrust(const std::string& path) {
  if (!fs::path(path).is_absolute()) return path + " is no absolute path";
  std::deque<fs::path> ahead;
  put_first(ahead, path);
  ahead.push_front(".");  // "/" itself
  fs::path at = "/";
  struct stat info = {};
  for (int links = 0; !ahead.empty();) {
    const fs::path part = ahead.front();
    ahead.pop_front();
    const fs::path next = part == "." || part.empty() ? at : part == ".." ? at.parent_path() : at / part;
    if (lstat(next.c_str(), &info) != 0) return next.string() + ": " + std::strerror(errno);
    const std::string problem = problem_of(next, info, true);
    if (!problem.empty()) return problem;
    if (S_ISLNK(info.st_mode)) {
      std::error_code error;
      const fs::path target = fs::read_symlink(next, error);
      if (error || ++links > kMostLinks) return next.string() + " is a link that leads nowhere";
      put_first(ahead, target);
      if (target.is_absolute()) at = "/";
    } else {
      at = next;
    }
  }
  if (!S_ISREG(info.st_mode)) return at.string() + " is no file";
  // Directly in a folder that all may write to, a name could still be taken first.
  const fs::path folder = at.parent_path();
  if (lstat(folder.c_str(), &info) != 0) return folder.string() + ": " + std::strerror(errno);
  return problem_of(folder, info, false);
}

std::string find_program(const std::string& name, const std::string& search_path) {
  std::istringstream folders(search_path);
  std::string distrusted;
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path path = fs::path(folder) / name;
    if (!path.is_absolute() || access(path.c_str(), X_OK) != 0) continue;
    if (reason_for_distrust(path.string()).empty()) return path.string();
    if (distrusted.empty()) distrusted = path.string();
  }
  return distrusted;
}

}  // namespace swag
