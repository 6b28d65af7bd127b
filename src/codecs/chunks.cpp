#include "src/codecs/chunks.h"

#include <algorithm>

namespace swag {

bool for_each_png_chunk(const uint8_t* file, size_t size,
                        const std::function<void(const char*, const uint8_t*, size_t)>& body) {
  size_t at = 8;
  while (at + 12 <= size) {
    const size_t length = big_endian32(file + at);
    if (length > size - at - 12) return false;
    const char* type = reinterpret_cast<const char*>(file + at + 4);
    if (std::memcmp(type, "IEND", 4) == 0) return true;
    body(type, file + at + 8, length);
    at += 12 + length;
  }
  return false;
}

bool for_each_jpeg_segment(const uint8_t* file, size_t size,
                           const std::function<void(uint8_t, const uint8_t*, size_t)>& body) {
  for (size_t at = 2; at + 1 < size;) {
    const uint8_t marker = file[at + 1];
    // Compressed data stuffs a 0 behind 0xff and holds restart markers; any number of 0xff may come before a
    // marker.
    const bool alone = marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd8) || marker == 0xff;
    if (file[at] != 0xff || alone) {
      const void* next = std::memchr(file + at + 1, 0xff, size - at - 1);
      if (next == nullptr) return false;
      at = static_cast<size_t>(static_cast<const uint8_t*>(next) - file);
      continue;
    }
    if (marker == 0xd9) return true;
    if (size - at < 4) return false;
    // It counts itself; libjpeg reads on behind one that does not.
    const size_t length = std::max(size_t{2}, size_t{file[at + 2]} << 8 | file[at + 3]);
    if (length > size - at - 2) return false;
    body(marker, file + at + 4, length - 2);
    at += 2 + length;
  }
  return false;
}

uint32_t crc32(const uint8_t* data, size_t size) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < size; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

}  // namespace swag
