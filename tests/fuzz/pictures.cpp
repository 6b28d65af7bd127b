// Bytes to a picture: an image in range, or a refusal.
#include <cmath>

#include "src/codecs/decode.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/picture_mutator.h"
#include "tests/fuzz/stated_size.h"

using namespace swag;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int64_t kMost = 1 << 20, kAllowed = int64_t{1} << 28;
  const int64_t pixels = fuzz::stated_pixels(data, size);
  if (pixels > kMost && pixels <= kAllowed) return -1;
  fuzz::answers({Status::kImage, Status::kMemory}, [&] {
    const Image image = decode_image(data, size, "picture");
    const size_t count = static_cast<size_t>(image.h) * static_cast<size_t>(image.w);
    fuzz::require(image.h > 0 && image.w > 0 && count > 1, "a picture has pixels");
    fuzz::require(image.rgb.size() == 3 * count, "every pixel has its colours");
    fuzz::require(image.alpha.empty() || image.alpha.size() == count, "every pixel has its alpha or none");
    for (float value : image.rgb) fuzz::require(value >= 0 && value <= 1, "colours lie in [0, 1]");
    for (float value : image.alpha) fuzz::require(value >= 0 && value <= 1, "alpha lies in [0, 1]");
  });
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  return fuzz::mutate_picture(data, size, max_size, seed);
}
