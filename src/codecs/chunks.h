// The outer structure of JPEG and PNG files, as far as metadata needs it. Every length is checked against the
// file.
#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

namespace swag {

inline bool is_jpeg(const uint8_t* file, size_t size) {
  return size >= 3 && file[0] == 0xff && file[1] == 0xd8 && file[2] == 0xff;
}
inline bool is_png(const uint8_t* file, size_t size) {
  return size >= 8 && std::memcmp(file, "\x89PNG\r\n\x1a\n", 8) == 0;
}

inline uint32_t big_endian32(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}

/// body(type, data, length) for every chunk up to IEND or the end of the file; returns whether IEND was
/// found.
bool for_each_png_chunk(
    const uint8_t* file, size_t size,
    const std::function<void(const char* type, const uint8_t* data, size_t length)>& body);

/// body(marker, data, length) for every segment up to the end marker (EOI) or the end of the file; returns
/// whether EOI was found. The compressed data between segments is skipped.
bool for_each_jpeg_segment(
    const uint8_t* file, size_t size,
    const std::function<void(uint8_t marker, const uint8_t* data, size_t length)>& body);

/// CRC-32 as PNG uses it (ISO 3309).
uint32_t crc32(const uint8_t* data, size_t size);

}  // namespace swag
