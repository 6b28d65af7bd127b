#include "src/support/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace swag {
namespace {

/// "64 KiB": in the largest unit that leaves no fraction.
std::string size_text(int64_t bytes) {
  if (bytes % (1 << 20) == 0) return std::to_string(bytes >> 20) + " MiB";
  if (bytes % (1 << 10) == 0) return std::to_string(bytes >> 10) + " KiB";
  return std::to_string(bytes) + " bytes";
}

}  // namespace

Descriptor open_regular_file(const std::string& path, Status status) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file) throw Error(status, path + ": cannot be read: " + std::strerror(errno));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    throw Error(status, path + ": is not a regular file");
  }
  return file;
}

std::vector<uint8_t> read_file(const std::string& path, Status status, int64_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    throw Error(status, path + ": " + (errno == ENOENT ? "there is no such file" : std::strerror(errno)));
  }
  return read_file(file.get(), path, status, max_bytes);
}

std::vector<uint8_t> read_file(int file, const std::string& path, Status status, int64_t max_bytes) {
  struct stat info {};
  if (::fstat(file, &info) != 0) throw Error(status, path + ": " + std::strerror(errno));
  if (S_ISDIR(info.st_mode)) throw Error(status, path + ": is a folder, a file is needed");
  std::vector<uint8_t> bytes;
  // The size that the system states is a hint alone: pipes and special files have none.
  std::vector<uint8_t> piece(static_cast<size_t>(std::clamp<int64_t>(info.st_size + 1, 4 << 10, 1 << 20)));
  while (true) {
    const ssize_t got = ::read(file, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(status, path + ": cannot be read: " + std::strerror(errno));
    if (got == 0) break;
    if (static_cast<int64_t>(bytes.size()) + got > max_bytes) {
      throw Error(status, path + ": is larger than " + size_text(max_bytes));
    }
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + got);
  }
  if (bytes.empty()) throw Error(status, path + ": is empty");
  return bytes;
}

}  // namespace swag
