#include "src/weights/download.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "src/support/error.h"
#include "src/support/printable.h"
#include "src/weights/sha256.h"
#include "src/weights/subprocess.h"

namespace swag {
namespace {

// curl's exit codes.
constexpr int kWriteError = 23, kOutOfMemory = 27, kTimeout = 28, kNoRanges = 33;
constexpr int64_t kSizeTolerance = 1024;  // of ModelFile::bytes

int64_t bytes_of(int descriptor) {
  struct stat info = {};
  return fstat(descriptor, &info) == 0 ? static_cast<int64_t>(info.st_size) : 0;
}

bool is_complete(const ModelFile& file, int64_t bytes) {
  return std::abs(bytes - file.bytes) <= kSizeTolerance;
}

/// A new file, or what an earlier download of this user left.
Descriptor open_part(const std::string& part) {
  // O_NONBLOCK: a pipe that somebody put here is not waited for.
  Descriptor file(open(part.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644));
  const int error = errno;
  if (!file && error != ELOOP) {
    throw Error(Status::kOutput, part + ": cannot be written: " + std::strerror(error));
  }
  struct stat info = {};
  const bool plain = file && fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1;
  if (!plain || info.st_uid != geteuid()) {
    throw Error(Status::kOutput, part + ": is there already and is no plain file of yours; remove it");
  }
  return file;
}

/// Takes away a file into which nothing came, whatever ended the download.
struct EmptyFileRemoval {
  const std::string& path;
  const Descriptor& file;
  ~EmptyFileRemoval() {
    if (file && bytes_of(file.get()) == 0) unlink(path.c_str());
  }
};

std::string start_over(const std::string& part) {
  unlink(part.c_str());  // nothing to continue from
  return "; it was removed, try again";
}

/// From https only https is followed; a test's plain http may go where it likes on the web.
std::string protocols_for(const std::string& url) {
  return url.compare(0, 8, "https://") == 0 ? "=https" : "=http,https";
}

ProgramResult run_curl(const ModelFile& file, int part, const DownloadOptions& options) {
  const int64_t begin = lseek(part, 0, SEEK_END);
  // -q, which must come first: the user's .curlrc could write other files or go other ways.
  std::vector<std::string> arguments = {options.curl,
                                        "-q",
                                        "--fail",
                                        "--location",
                                        "--proto",
                                        protocols_for(file.url),
                                        "--proto-redir",
                                        protocols_for(file.url),
                                        "--silent",
                                        "--show-error",
                                        "--connect-timeout",
                                        "30",
                                        "--speed-limit",
                                        "1000",
                                        "--speed-time",
                                        std::to_string(options.stall_seconds),
                                        "--max-filesize",
                                        std::to_string(file.bytes + kSizeTolerance)};
  if (begin > 0) arguments.insert(arguments.end(), {"--continue-at", std::to_string(begin)});
  arguments.push_back(file.url);
  const auto tick = [&] {
    if (options.progress) options.progress(bytes_of(part), file.bytes);
  };
  return run_program(arguments, tick, {-1, part});
}

/// Throws what curl's end means, unless it is good.
void check_curl(const ProgramResult& result, const ModelFile& file, const std::string& part,
                const DownloadOptions& options) {
  if (!result.not_run.empty()) throw Error(Status::kWeights, "curl " + result.not_run + options.manual);
  if (result.exit_code == 0) return;
  if (result.interrupted()) {
    throw Error(Status::kInterrupted, "download interrupted; the same command continues it");
  }
  std::string reason =
      result.errors.empty() ? "curl ended with " + std::to_string(result.exit_code) : result.errors;
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  reason = printable(reason, 1000);
  if (result.exit_code == kWriteError) {
    throw Error(Status::kOutput, part + ": cannot be written: " + reason);
  }
  if (result.exit_code == kOutOfMemory || result.exit_code == 128 + SIGKILL) {
    throw Error(Status::kMemory, "curl was out of memory: " + reason + "; the same command continues it");
  }
  const std::string again = result.exit_code == kTimeout ? "; the same command continues it" : "";
  throw Error(Status::kWeights, "cannot download " + file.file + ": " + reason + again + options.manual);
}

}  // namespace

std::string download_problem(const ModelFile& file, int descriptor, std::string& digest) {
  const int64_t bytes = bytes_of(descriptor);
  if (!is_complete(file, bytes)) {
    return "has " + std::to_string(bytes) + " bytes, expected about " + std::to_string(file.bytes);
  }
  digest = sha256_of(descriptor, file.file);
  if (digest.compare(0, file.sha256.size(), file.sha256) == 0) return "";
  return "has the SHA-256 " + digest + ", expected " + file.sha256 + (file.whole_sha256_known() ? "" : "...");
}

Descriptor download(const ModelFile& file, const std::string& path, const DownloadOptions& options,
                    std::string& digest) {
  const std::string part = path + ".part";
  Descriptor opened = open_part(part);
  const EmptyFileRemoval removal{part, opened};
  if (bytes_of(opened.get()) > file.bytes + kSizeTolerance && ftruncate(opened.get(), 0) != 0) {
    throw Error(Status::kOutput, part + ": cannot be written: " + std::strerror(errno));
  }
  if (!is_complete(file, bytes_of(opened.get()))) {
    ProgramResult result = run_curl(file, opened.get(), options);
    // A server that cannot continue a file, or takes another one for it: from the start, once.
    if (result.exit_code == kNoRanges && ftruncate(opened.get(), 0) == 0) {
      result = run_curl(file, opened.get(), options);
    }
    check_curl(result, file, part, options);
  }
  const std::string problem = download_problem(file, opened.get(), digest);
  if (!problem.empty()) {
    throw Error(Status::kWeights, file.url + ": the download " + problem + start_over(part));
  }
  if (std::rename(part.c_str(), path.c_str()) != 0) {
    throw Error(Status::kOutput, path + ": cannot be written: " + std::strerror(errno));
  }
  return opened;
}

}  // namespace swag
