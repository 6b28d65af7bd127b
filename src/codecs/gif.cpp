#include "src/codecs/gif.h"

#include <algorithm>
#include <cstring>

namespace swag {
namespace {

/// Behind a colour table, whose size is in the flags before it.
size_t after_colours(size_t at, uint8_t flags) {
  return flags & 0x80 ? at + (size_t{3} << ((flags & 7) + 1)) : at;
}

/// Behind blocks with a length each, of which the last is empty; `data` gets what they hold.
size_t after_blocks(const uint8_t* file, size_t size, size_t at, std::vector<uint8_t>* data = nullptr) {
  for (size_t length = 0; at < size && (length = file[at]) != 0; at += length + 1) {
    const uint8_t* begin = file + at + 1;
    if (data != nullptr) data->insert(data->end(), begin, begin + std::min(length, size - at - 1));
  }
  return at + 1;
}

}  // namespace

bool is_gif(const uint8_t* file, size_t size) {
  return size >= 6 && (std::memcmp(file, "GIF87a", 6) == 0 || std::memcmp(file, "GIF89a", 6) == 0);
}

GifSigns gif_signs(const uint8_t* file, size_t size) {
  constexpr uint8_t kExtension = 0x21, kFrame = 0x2c;
  constexpr char kProfile[] = "\xff\x0bICCRGBG1012";  // an application's, a block of 11 bytes
  constexpr size_t kProfileSize = sizeof kProfile - 1;
  GifSigns signs;
  if (size < 13) return signs;
  size_t at = after_colours(13, file[10]);
  for (int frames = 0; at + 1 < size;) {
    if (file[at] == kExtension) {
      const bool icc = size - at > kProfileSize && std::memcmp(file + at + 1, kProfile, kProfileSize) == 0;
      at = icc ? after_blocks(file, size, at + 1 + kProfileSize, &signs.icc)
               : after_blocks(file, size, at + 2);
    } else if (file[at] == kFrame) {
      signs.several_frames = ++frames == 2;
      if (signs.several_frames || size - at < 11) return signs;
      at = after_blocks(file, size, after_colours(at + 10, file[at + 9]) + 1);
    } else {
      return signs;
    }
  }
  return signs;
}

double most_gif_pixels(size_t size) {
  return std::max(double{1 << 22}, static_cast<double>(size) * 4096 / 1.5);
}

}  // namespace swag
