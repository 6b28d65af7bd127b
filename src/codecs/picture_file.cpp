#include "src/codecs/picture_file.h"

#include <algorithm>

#include "src/support/error.h"
#include "src/support/host_memory.h"

namespace swag {
namespace {

constexpr int kLargestSide = 32768;
constexpr int64_t kMostPixels = int64_t{1} << 28;

std::string size_text(int64_t h, int64_t w) { return std::to_string(w) + "x" + std::to_string(h); }

}  // namespace

void PictureFile::fail(const std::string& what) const { throw Error(Status::kImage, name + ": " + what); }

void PictureFile::fail_truncated() const { fail("is truncated; copy or download it again"); }

uint32_t PictureFile::little_endian(size_t at, int bytes) const {
  if (at > size || size - at < static_cast<size_t>(bytes)) fail_truncated();
  uint32_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = value << 8 | data[at + static_cast<size_t>(i)];
  return value;
}

void PictureFile::note(const std::string& what) const {
  if (notes == nullptr) return;
  const std::string line = name + ": " + what;
  if (std::find(notes->begin(), notes->end(), line) == notes->end()) notes->push_back(line);
}

void PictureFile::check_size(int64_t h, int64_t w, double most_pixels) const {
  const std::string states = "states a size of " + size_text(h, w) + " pixels";
  if (w > kLargestSide || h > kLargestSide || w * h > kMostPixels) {
    fail(states + "; at most " + std::to_string(kLargestSide) + " a side and 2^28 in all can be read");
  }
  if (w < 1 || h < 1) fail(states);
  if (w == 1 && h == 1) fail("is a single pixel; there is nothing to see in it");
  if (static_cast<double>(w * h) > most_pixels) {
    fail(states + ", more than its " + std::to_string(size) +
         " bytes can hold; it is truncated or damaged: copy or download it again");
  }
}

void PictureFile::check_memory(int64_t h, int64_t w, int64_t bytes) const {
  const int64_t available = available_host_memory_bytes();
  if (bytes <= available) return;
  throw Error(Status::kMemory, name + ": reading its " + size_text(h, w) + " pixels takes " +
                                   std::to_string(bytes >> 20) + " MiB, " + std::to_string(available >> 20) +
                                   " MiB are free; make it smaller first");
}

}  // namespace swag
