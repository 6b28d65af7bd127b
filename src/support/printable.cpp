#include "src/support/printable.h"

#include <cstdint>
#include <cstdio>

namespace swag {
namespace {

/// The bytes of the character at `at`, or 0 where it is no UTF-8 (overlong forms, surrogates and numbers
/// beyond Unicode are none); `code` gets its number.
size_t character(const std::string& text, size_t at, uint32_t& code) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(at);
  const size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length == 0 || first > 0xf4 || length > text.size() - at) return 0;
  code = length == 1 ? first : first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(at + i) & 0x3fu);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kSmallest[length] || surrogate || code > 0x10ffff ? 0 : length;
}

bool harmless(uint32_t code) {
  const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  const bool direction = code == 0x061c || code == 0x200e || code == 0x200f ||
                         (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  const bool separator = code == 0x2028 || code == 0x2029;
  return !control && !direction && !separator;
}

}  // namespace

std::string printable(const std::string& text, size_t most) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    if (at >= most) return result + "...";
    uint32_t code = 0;
    const size_t length = character(text, at, code), taken = length == 0 ? 1 : length;
    if (length > 0 && harmless(code)) {
      result.append(text, at, length);
    } else {
      for (size_t i = at; i < at + taken; ++i) {
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(text[i]));
        result += escaped;
      }
    }
    at += taken;
  }
  return result;
}

}  // namespace swag
