#include "src/support/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace swag {
namespace {

/// Closes on the way out.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

bool write_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

}  // namespace

std::vector<uint8_t> read_file(const std::string& path, Status status, int64_t max_bytes) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) {
    throw Error(status, path + ": " + (errno == ENOENT ? "there is no such file" : std::strerror(errno)));
  }
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) throw Error(status, path + ": " + std::strerror(errno));
  if (S_ISDIR(info.st_mode)) throw Error(status, path + ": is a folder, a file is needed");
  std::vector<uint8_t> bytes;
  // Not by the size the system states: pipes and special files have none.
  std::vector<uint8_t> piece(1 << 20);
  while (true) {
    const ssize_t got = ::read(file.fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(status, path + ": cannot be read: " + std::strerror(errno));
    if (got == 0) break;
    if (static_cast<int64_t>(bytes.size()) + got > max_bytes) {
      throw Error(status, path + ": is larger than " + std::to_string(max_bytes >> 20) + " MiB");
    }
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + got);
  }
  if (bytes.empty()) throw Error(status, path + ": is empty");
  return bytes;
}

void atomic_write_file(const std::string& path, const void* data, size_t size) {
  static std::atomic<unsigned> counter{0};
  // Not the file's name and a suffix: that may be longer than a name can be.
  const std::string temporary = path.substr(0, path.rfind('/') + 1) + ".swag-" + std::to_string(::getpid()) +
                                "-" + std::to_string(counter++) + ".part";
  const auto fail = [&](const char* what) {
    const std::string reason = std::strerror(errno);
    ::unlink(temporary.c_str());
    throw Error(Status::kOutput, path + ": " + what + ": " + reason);
  };
  {
    const Descriptor file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)};
    if (file.fd < 0) {
      throw Error(Status::kOutput, path + ": cannot be created: " + std::strerror(errno));
    }
    if (!write_all(file.fd, static_cast<const char*>(data), size) || ::fsync(file.fd) != 0)
      fail("cannot be written");
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) fail("cannot be renamed to");
}

}  // namespace swag
