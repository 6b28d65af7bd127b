// The size that a picture states, read the shortest way: a fuzzer that draws headers at random would spend
// its time on pictures that are large and allowed.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace swag::fuzz {

/// Pixels that the header of a JPEG, PNG, BMP, GIF or binary PNM states, 0 where none is seen. Not a check of
/// anything. TGA has no magic bytes; its size is two 16-bit numbers, which is taken for a size when nothing
/// else is.
inline int64_t stated_pixels(const uint8_t* file, size_t size) {
  const auto little = [&](size_t at, int bytes) {
    int64_t value = 0;
    for (int i = bytes - 1; i >= 0; --i) value = value << 8 | file[at + static_cast<size_t>(i)];
    return value;
  };
  const auto big = [&](size_t at, int bytes) {
    int64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = value << 8 | file[at + static_cast<size_t>(i)];
    return value;
  };
  const auto area = [](int64_t w, int64_t h) { return w >> 31 != 0 || h >> 31 != 0 ? INT64_MAX : w * h; };
  const auto starts = [&](const char* magic) {
    return size >= std::strlen(magic) && std::memcmp(file, magic, std::strlen(magic)) == 0;
  };
  if (size < 26) return 0;
  if (starts("\x89PNG")) return area(big(16, 4), big(20, 4));
  if (starts("GIF8")) return little(6, 2) * little(8, 2);
  if (starts("BM")) {
    const int64_t h = static_cast<int32_t>(little(22, 4));
    return area(little(18, 4), std::llabs(h));
  }
  if (starts("P5") || starts("P6")) return 0;  // their samples are not compressed
  if (starts("\xff")) {
    int64_t most = 0;
    for (size_t at = 0; at + 9 < size; ++at) {
      const bool frame = file[at] == 0xff && file[at + 1] >= 0xc0 && file[at + 1] <= 0xcf;
      if (frame && big(at + 5, 2) * big(at + 7, 2) > most) most = big(at + 5, 2) * big(at + 7, 2);
    }
    return most;
  }
  return little(12, 2) * little(14, 2);
}

}  // namespace swag::fuzz
