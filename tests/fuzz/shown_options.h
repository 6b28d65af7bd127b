// `swag run --show-options --options-from FILE` in this process, with FILE and the standard output in memory.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "src/cli/command.h"
#include "tests/fuzz/fuzz.h"

namespace swag::fuzz {

/// A file in memory, with a path.
class MemoryFile {
 public:
  explicit MemoryFile(const char* name) : file_(memfd_create(name, MFD_CLOEXEC)) {}
  int descriptor() const { return file_; }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

  void write(const void* data, size_t size) {
    const bool written =
        ftruncate(file_, 0) == 0 && pwrite(file_, data, size, 0) == static_cast<ssize_t>(size);
    require(written, "the test's own files work");
  }
  /// What was written since the last time.
  std::string take() {
    std::string text(static_cast<size_t>(lseek(file_, 0, SEEK_END)), '\0');
    require(pread(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()),
            "they can be read");
    require(ftruncate(file_, 0) == 0 && lseek(file_, 0, SEEK_SET) == 0, "and emptied");
    return text;
  }

 private:
  int file_;
};

/// Everything that a program prints afterwards goes nowhere, and nothing outside decides what it does.
inline void seal_off(int standard_output) {
  for (const char* variable : {"SWAG_WEIGHTS", "XDG_DATA_HOME", "HOME"}) unsetenv(variable);
  dup2(standard_output, STDOUT_FILENO);
}

/// The options that a file of these bytes leads to, as JSON; "" when they were refused as they should be.
inline std::string shown_options(const void* data, size_t size) {
  static MemoryFile input("options"), output("shown");
  static const bool kSealed = (seal_off(output.descriptor()), true);
  require(kSealed, "the output is ours");
  input.write(data, size);
  const bool shown = answers({Status::kUsage, Status::kImage, Status::kWeights}, [&] {
    cli::run_command({"--show-options", "--options-from", input.path()});
  });
  std::fflush(stdout);
  const std::string text = output.take();
  require(shown != text.empty(), "options are shown or refused", text);
  return text;
}

}  // namespace swag::fuzz
