// The options that a picture's metadata holds.
#include "tests/fuzz/picture_mutator.h"
#include "tests/fuzz/shown_options.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  swag::fuzz::shown_options(data, size);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return swag::fuzz::mutate_picture(data, size, max_size, seed);
}
