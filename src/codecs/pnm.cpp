#include "src/codecs/pnm.h"

#include <algorithm>
#include <cctype>

#include "src/codecs/picture_builder.h"

namespace swag {
namespace {

constexpr double kMostPixels =
    1 << 28;  // the samples are counted below, where truncation has a word of its own

/// The next number of a header, behind white space and comments; -1 where there is none.
int next_number(const uint8_t* file, size_t size, size_t& at) {
  while (at < size && (std::isspace(file[at]) || file[at] == '#')) {
    const bool comment = file[at++] == '#';
    while (comment && at < size && file[at] != '\n' && file[at] != '\r') ++at;
  }
  if (at == size || !std::isdigit(file[at])) return -1;
  int value = 0;
  for (; at < size && std::isdigit(file[at]); ++at) value = std::min(1 << 24, value * 10 + (file[at] - '0'));
  return value;
}

}  // namespace

bool parse_pnm(PnmHeader& header, const uint8_t* file, size_t size) {
  if (size < 3 || file[0] != 'P' || (file[1] != '5' && file[1] != '6') ||
      (!std::isspace(file[2]) && file[2] != '#')) {
    return false;
  }
  size_t at = 2;
  header.channels = file[1] == '6' ? 3 : 1;
  header.w = next_number(file, size, at);
  header.h = next_number(file, size, at);
  header.largest = next_number(file, size, at);
  // A single white space follows, which a comment may precede: it ends with one.
  if (at < size && file[at] == '#') {
    while (at < size && file[at] != '\n' && file[at] != '\r') ++at;
  }
  header.samples = at + 1;
  return header.w > 0 && header.h > 0 && header.largest > 0 && header.largest < 65536;
}

Image decode_pnm(const PnmHeader& header, const PictureFile& file) {
  file.check_size(header.h, header.w, kMostPixels);
  const size_t row_samples = static_cast<size_t>(header.w) * static_cast<size_t>(header.channels);
  const size_t row_bytes = row_samples * (header.largest > 255 ? 2 : 1);
  if (file.size < header.samples || file.size - header.samples < row_bytes * static_cast<size_t>(header.h)) {
    file.fail_truncated();
  }
  PictureBuilder builder(file, {header.h, header.w, {header.channels, 2}, 1, 0, header.largest});
  std::vector<uint16_t> row(row_samples);
  const uint8_t* p = file.data + header.samples;
  for (int r = 0; r < header.h; ++r) {
    for (uint16_t& sample : row) {
      int value = *p++;
      if (header.largest > 255) value = value << 8 | *p++;
      sample = static_cast<uint16_t>(std::min(value, header.largest));
    }
    builder.add_row(row.data());
  }
  return builder.finish();
}

}  // namespace swag
