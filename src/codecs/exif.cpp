#include "src/codecs/exif.h"

#include <utility>

#include "src/codecs/chunks.h"

namespace swag {
namespace {

/// The TIFF structure inside: "II*\0" or "MM\0*", an offset, then the first directory's 12-byte entries.
int orientation_in_tiff(const uint8_t* tiff, size_t size) {
  constexpr int kOrientationTag = 0x0112;
  if (size < 14) return 1;
  const bool little = std::memcmp(tiff, "II*\0", 4) == 0;
  if (!little && std::memcmp(tiff, "MM\0*", 4) != 0) return 1;
  const auto read = [&](size_t at, int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint32_t{tiff[at + i]} << 8 * (little ? i : bytes - 1 - i);
    return value;
  };
  const size_t directory = read(4, 4);
  if (directory > size - 2) return 1;
  const size_t entries = read(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + 12 * i;
    if (entry + 12 > size) return 1;
    if (read(entry, 2) != kOrientationTag) continue;
    const uint32_t value = read(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

}  // namespace

int exif_orientation(const uint8_t* file, size_t size) {
  int orientation = 1;
  if (is_jpeg(file, size)) {
    for_each_jpeg_segment(file, size, [&](uint8_t marker, const uint8_t* data, size_t length) {
      const bool exif = marker == 0xe1 && length > 6 && std::memcmp(data, "Exif\0\0", 6) == 0;
      if (exif && orientation == 1) orientation = orientation_in_tiff(data + 6, length - 6);
    });
  } else if (is_png(file, size)) {
    for_each_png_chunk(file, size, [&](const char* type, const uint8_t* data, size_t length) {
      if (std::memcmp(type, "eXIf", 4) == 0) orientation = orientation_in_tiff(data, length);
    });
  }
  return orientation;
}

Image oriented(Image image, int orientation) {
  if (orientation == 1) return image;
  // 1 0th row top, 0th column left; 2 top, right; 3 bottom, right; 4 bottom, left; 5 to 8 the same with rows
  // and columns exchanged: left, top; right, top; right, bottom; left, bottom.
  const bool exchanged = orientation >= 5;
  const bool flip_row = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool flip_column = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  Image result;
  result.h = exchanged ? image.w : image.h;
  result.w = exchanged ? image.h : image.w;
  result.rgb.resize(image.rgb.size());
  result.alpha.resize(image.alpha.size());
  for (int row = 0; row < result.h; ++row) {
    for (int column = 0; column < result.w; ++column) {
      int r = flip_row ? result.h - 1 - row : row, q = flip_column ? result.w - 1 - column : column;
      if (exchanged) std::swap(r, q);
      const int64_t from = int64_t{r} * image.w + q, to = int64_t{row} * result.w + column;
      for (int c = 0; c < 3; ++c) result.rgb[to * 3 + c] = image.rgb[from * 3 + c];
      if (!image.alpha.empty()) result.alpha[to] = image.alpha[from];
    }
  }
  return result;
}

}  // namespace swag
