#include "src/codecs/pnm.h"

#include <algorithm>
#include <cctype>

#include "src/support/error.h"

namespace swag {
namespace {

/// The next number of a header, behind white space and comments; -1 where there is none.
int next_number(const uint8_t* file, size_t size, size_t& at) {
  while (at < size && (std::isspace(file[at]) || file[at] == '#')) {
    const bool comment = file[at++] == '#';
    while (comment && at < size && file[at] != '\n') ++at;
  }
  if (at == size || !std::isdigit(file[at])) return -1;
  int value = 0;
  for (; at < size && std::isdigit(file[at]); ++at) value = std::min(1 << 24, value * 10 + (file[at] - '0'));
  return value;
}

}  // namespace

bool parse_pnm(PnmHeader& header, const uint8_t* file, size_t size) {
  if (size < 3 || file[0] != 'P' || (file[1] != '5' && file[1] != '6') || !std::isspace(file[2]))
    return false;
  size_t at = 2;
  header.channels = file[1] == '6' ? 3 : 1;
  header.w = next_number(file, size, at);
  header.h = next_number(file, size, at);
  header.largest = next_number(file, size, at);
  header.samples = at + 1;  // a single white space follows
  return header.w > 0 && header.h > 0 && header.largest > 0 && header.largest < 65536;
}

Image decode_pnm(const PnmHeader& header, const uint8_t* file, size_t size, const std::string& name) {
  const size_t count = static_cast<size_t>(header.h) * header.w, bytes = header.largest > 255 ? 2 : 1;
  if (size < header.samples || size - header.samples < count * header.channels * bytes) {
    throw Error(Status::kImage, name + ": is truncated; copy or download it again");
  }
  Image image;
  image.h = header.h;
  image.w = header.w;
  image.rgb.resize(count * 3);
  for (size_t i = 0; i < count * 3; ++i) {
    const size_t sample = header.channels == 3 ? i : i / 3;
    const uint8_t* p = file + header.samples + sample * bytes;
    const int value = bytes == 2 ? p[0] << 8 | p[1] : p[0];
    image.rgb[i] = std::min(1.0f, static_cast<float>(value) / static_cast<float>(header.largest));
  }
  return image;
}

}  // namespace swag
