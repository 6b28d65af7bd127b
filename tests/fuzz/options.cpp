// A file of options: applied, spelt out, written down and read back.
#include "tests/fuzz/shown_options.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string once = swag::fuzz::shown_options(data, size);
  if (once.empty()) return 0;
  const std::string twice = swag::fuzz::shown_options(once.data(), once.size());
  swag::fuzz::require(once == twice, "options that are written and read back stay as they are", once + twice);
  return 0;
}
