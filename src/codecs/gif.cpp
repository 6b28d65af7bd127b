#include "src/codecs/gif.h"

#include <algorithm>
#include <cstring>

namespace swag {
namespace {

/// Behind a colour table, whose size is in the flags before it.
size_t after_colours(size_t at, uint8_t flags) {
  return flags & 0x80 ? at + (size_t{3} << ((flags & 7) + 1)) : at;
}

/// Behind blocks with a length each, of which the last is empty.
size_t after_blocks(const uint8_t* file, size_t size, size_t at) {
  while (at < size && file[at] != 0) at += size_t{file[at]} + 1;
  return at + 1;
}

}  // namespace

bool is_gif(const uint8_t* file, size_t size) {
  return size >= 6 && (std::memcmp(file, "GIF87a", 6) == 0 || std::memcmp(file, "GIF89a", 6) == 0);
}

bool has_several_frames(const uint8_t* file, size_t size) {
  constexpr uint8_t kExtension = 0x21, kFrame = 0x2c;
  if (size < 13) return false;
  size_t at = after_colours(13, file[10]);
  for (int frames = 0; at + 1 < size;) {
    if (file[at] == kExtension) {
      at = after_blocks(file, size, at + 2);
    } else if (file[at] == kFrame) {
      if (++frames == 2) return true;
      if (size - at < 11) return false;
      at = after_blocks(file, size, after_colours(at + 10, file[at + 9]) + 1);
    } else {
      return false;
    }
  }
  return false;
}

double most_gif_pixels(size_t size) {
  return std::max(double{1 << 22}, static_cast<double>(size) * 4096 / 1.5);
}

}  // namespace swag
