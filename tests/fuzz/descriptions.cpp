// The options that a picture's metadata holds: bytes to a description, and the description to settings.
#include <sys/mman.h>
#include <unistd.h>

#include "src/cli/settings.h"
#include "tests/fuzz/codecs.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/picture_mutator.h"

using namespace swag;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int file = memfd_create("picture", MFD_CLOEXEC);
  const bool written = ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == static_cast<ssize_t>(size);
  fuzz::require(written, "the file system of the test works");
  std::string text;
  fuzz::answers({Status::kImage}, [&] { text = read_description("/proc/self/fd/" + std::to_string(file)); });
  if (text.empty()) return 0;
  cli::Settings settings;
  fuzz::answers({Status::kUsage}, [&] { cli::apply_json(settings, text, "picture"); });
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return fuzz::mutate_picture(data, size, max_size, seed);
}
