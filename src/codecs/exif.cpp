#include "src/codecs/exif.h"

#include <cstring>

#include "src/codecs/chunks.h"

namespace swag {
namespace {

/// The TIFF structure inside: "II*\0" or "MM\0*", an offset, then the first directory's 12-byte entries. All
/// numbers that lie outside are 0.
class Tiff {
 public:
  Tiff(const uint8_t* data, size_t size) : data_(data), size_(size) {
    if (size_ >= 6 && std::memcmp(data_, "Exif\0", 5) == 0) {  // the sixth byte is padding
      data_ += 6;
      size_ -= 6;
    }
    little_ = size_ >= 8 && std::memcmp(data_, "II*\0", 4) == 0;
    const bool big = size_ >= 8 && std::memcmp(data_, "MM\0*", 4) == 0;
    if (!little_ && !big) size_ = 0;
  }

  size_t first_directory() const { return number(4, 4); }

  /// The first value of a tag in the directory at `directory`, or `otherwise`: a whole number of 1, 2 or 4
  /// bytes, or the first four bytes of a text of at most four.
  uint32_t value(size_t directory, uint32_t tag, uint32_t otherwise) const {
    const size_t entries = directory == 0 ? 0 : number(directory, 2);
    for (size_t i = 0; i < entries; ++i) {
      const size_t entry = directory + 2 + 12 * i;
      if (entry + 12 > size_) break;
      if (number(entry, 2) != tag) continue;
      switch (number(entry + 2, 2)) {
        case 1:
        case 6:
        case 7: return number(entry + 8, 1);  // BYTE, SBYTE, UNDEFINED
        case 3:
        case 8: return number(entry + 8, 2);  // SHORT, SSHORT
        case 4:
        case 9:
        case 13: return number(entry + 8, 4);            // LONG, SLONG, IFD
        case 2: return big_endian32(data_ + entry + 8);  // ASCII
        default: return otherwise;
      }
    }
    return otherwise;
  }

 private:
  uint32_t number(size_t at, size_t bytes) const {
    uint32_t value = 0;
    if (at > size_ || bytes > size_ - at) return 0;
    for (size_t i = 0; i < bytes; ++i) {
      value |= uint32_t{data_[at + i]} << 8 * (little_ ? i : bytes - 1 - i);
    }
    return value;
  }

  const uint8_t* data_;
  size_t size_;
  bool little_ = false;
};

/// body(data, length) for every EXIF segment of a JPEG file.
template <typename Body>
void for_each_exif_segment(const uint8_t* file, size_t size, Body body) {
  for_each_jpeg_segment(file, size, [&](uint8_t marker, const uint8_t* data, size_t length) {
    if (marker == 0xe1 && length > 6 && std::memcmp(data, "Exif\0", 5) == 0) body(data, length);
  });
}

}  // namespace

int orientation_in_exif(const uint8_t* data, size_t size) {
  constexpr uint32_t kOrientation = 0x0112;
  const Tiff tiff(data, size);
  const uint32_t value = tiff.value(tiff.first_directory(), kOrientation, 0);
  return value <= 8 ? static_cast<int>(value) : 0;
}

int exif_orientation(const uint8_t* file, size_t size) {
  int orientation = 0;
  for_each_exif_segment(file, size, [&](const uint8_t* data, size_t length) {
    if (orientation == 0) orientation = orientation_in_exif(data, length);
  });
  return orientation == 0 ? 1 : orientation;
}

bool exif_says_adobe_rgb(const uint8_t* file, size_t size) {
  constexpr uint32_t kExif = 0x8769, kColourSpace = 0xa001, kInteroperability = 0xa005, kIndex = 0x0001;
  constexpr uint32_t kAdobeRgb = 2, kUncalibrated = 0xffff, kR03 = 0x52303300;
  bool adobe = false;
  for_each_exif_segment(file, size, [&](const uint8_t* data, size_t length) {
    const Tiff tiff(data, length);
    const size_t exif = tiff.value(tiff.first_directory(), kExif, 0);
    const uint32_t space = tiff.value(exif, kColourSpace, 0);
    const uint32_t index = tiff.value(tiff.value(exif, kInteroperability, 0), kIndex, 0);
    adobe |= space == kAdobeRgb || (space == kUncalibrated && index == kR03);
  });
  return adobe;
}

}  // namespace swag
