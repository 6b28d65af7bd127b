#include <doctest/doctest.h>

#include "tests/codecs/picture_files.h"

using namespace std::string_literals;

namespace swag::test {
namespace {

struct Bmp {
  uint32_t header = 40;
  int w = 2, h = 1, bits = 24;
  uint32_t compression = 0, colours = 0;
  std::string behind,
      pixels;       // behind the first 40 bytes of the header: masks, what more it has, the palette
  int64_t at = -1;  // of the pixels; else right behind that

  std::string bytes() const {
    std::string fields = little_endian(header, 4);
    if (header == 12) {
      fields += little_endian(w, 2) + little_endian(h, 2) + little_endian(1, 2) + little_endian(bits, 2);
    } else {
      fields += little_endian(static_cast<uint32_t>(w), 4) + little_endian(static_cast<uint32_t>(h), 4) +
                little_endian(1, 2) + little_endian(bits, 2) + little_endian(compression, 4) +
                std::string(12, '\0') + little_endian(colours, 4) + std::string(4, '\0');
    }
    fields += behind;
    const size_t place = at >= 0 ? static_cast<size_t>(at) : 14 + fields.size();
    return "BM"s + std::string(8, '\0') + little_endian(place, 4) + fields + pixels;
  }
};

std::string masks(uint32_t r, uint32_t g, uint32_t b) {
  return little_endian(r, 4) + little_endian(g, 4) + little_endian(b, 4);
}

const std::string kPalette = "\0\0\0\0\3\2\1\0\6\5\4\0"s;  // black, (1, 2, 3), (4, 5, 6)

}  // namespace

TEST_CASE("BMP's rows run from the bottom up, or from the top down where the height is negative") {
  Bmp file;
  file.w = 1;
  file.h = 2;
  file.pixels = "\3\2\1\0\6\5\4\0"s;
  const Image upwards = decode(file.bytes());
  check_pixel(upwards, 0, 4, 5, 6, 1e-4);
  check_pixel(upwards, 1, 1, 2, 3, 1e-4);
  file.h = -2;
  const Image downwards = decode(file.bytes());
  CHECK(downwards.h == 2);
  check_pixel(downwards, 0, 1, 2, 3, 1e-4);
  check_pixel(downwards, 1, 4, 5, 6, 1e-4);
}

TEST_CASE("BMP of every header and of 1 to 8 bits takes its colours from the palette, black beyond its end") {
  for (const uint32_t header : {12u, 40u, 52u, 56u, 64u, 108u, 124u}) {
    for (const int bits : {1, 2, 4, 8}) {
      CAPTURE(header);
      CAPTURE(bits);
      Bmp file;
      file.header = header;
      file.bits = bits;
      file.colours = 3;
      file.w = bits == 1 ? 2 : 3;
      std::string palette = kPalette;
      if (header == 12) palette = "\0\0\0\3\2\1\6\5\4"s;
      file.behind = std::string(header == 12 ? 0 : header - 40, '\0') + palette;
      const int last = (1 << bits) - 1;
      const int numbers[] = {1, bits == 1 ? 0 : 2, last};
      uint32_t row = 0;
      for (int x = 0; x < 3; ++x) row |= static_cast<uint32_t>(numbers[x]) << (32 - bits * (x + 1));
      for (int byte = 3; byte >= 0; --byte) file.pixels += static_cast<char>(row >> (8 * byte));
      const Image image = decode(file.bytes());
      check_pixel(image, 0, 1, 2, 3, 1e-4);
      if (bits == 1) check_pixel(image, 1, 0, 0, 0, 1e-4);
      if (bits > 1) check_pixel(image, 1, 4, 5, 6, 1e-4);
      if (bits > 1) check_pixel(image, 2, 0, 0, 0, 1e-4);  // there is no such colour
    }
  }
}

TEST_CASE("BMP of 16 and 32 bits follows its masks, of any width, wherever its header has them") {
  Bmp file;
  file.compression = 3;
  for (const uint32_t header : {40u, 52u, 56u, 108u, 124u}) {
    CAPTURE(header);
    file.header = header;
    const std::string rest(header > 52 ? header - 52 : 0, '\0');
    file.bits = 16;
    file.behind = masks(0xf800, 0x07e0, 0x001f) + rest;
    file.pixels = little_endian(0xf800 | 0x0010, 2) + little_endian(0x07e0, 2);  // red and half blue; green
    const Image small = decode(file.bytes());
    check_pixel(small, 0, 255, 0, 255 * 16 / 31.0, 1e-2);
    check_pixel(small, 1, 0, 255, 0, 1e-4);
    file.bits = 32;
    file.behind = masks(0xff, 0xff00, 0xff0000) + rest;
    file.pixels = "\1\2\3\0\4\5\6\0"s;
    check_pixel(decode(file.bytes()), 0, 1, 2, 3, 1e-4);
    file.behind = masks(0x3ff00000, 0x000ffc00, 0x000003ff) + rest;
    file.pixels = little_endian(1023u << 20 | 512, 4) + little_endian(0, 4);
    check_pixel(decode(file.bytes()), 0, 255, 0, 255 * 512 / 1023.0, 1e-2);
  }
  file.behind = masks(0, 0, 0) + std::string(72, '\0');
  CHECK(error_of(file.bytes()) == "3: in: is damaged (its masks hold no colours)");
}

TEST_CASE(
    "BMP has an alpha where a mask says so and it is not 0 everywhere; else its fourth byte is nothing") {
  Bmp file;
  file.bits = 32;
  file.pixels = "\3\2\1\x7f\6\5\4\xff"s;
  CHECK(decode(file.bytes()).alpha.empty());
  file.header = 56;
  file.compression = 3;
  file.behind = masks(0xff0000, 0xff00, 0xff) + little_endian(0xff000000, 4);
  const Image image = decode(file.bytes());
  REQUIRE(image.alpha.size() == 2);
  CHECK(image.alpha[0] == doctest::Approx(127 / 255.0));
  CHECK(image.alpha[1] == 1);
  file.pixels = "\3\2\1\0\6\5\4\0"s;
  CHECK(decode(file.bytes()).alpha.empty());
}

TEST_CASE("BMP that does not fit together is refused, and no byte outside of the file is shown") {
  Bmp file;
  file.bits = 8;
  file.colours = 3;
  file.behind = kPalette;
  file.pixels = "\1\2\0\0"s;
  CHECK(error_of(file.bytes()) == "");
  for (const int at : {0, 20, 53}) {
    file.at = at;
    CHECK(error_of(file.bytes()) == "3: in: is damaged (its pixels would begin within its header)");
  }
  file.at = 54;  // a palette without room: all black
  check_pixel(decode(file.bytes()), 0, 0, 0, 0, 1e-4);
  file.at = 1 << 20;
  CHECK(error_of(file.bytes()) == "3: in: is truncated; copy or download it again");
  file.at = -1;
  const std::string whole = file.bytes();
  for (size_t size = 2; size + 2 < whole.size(); ++size) {  // the padding of the last row may be missing
    CHECK(error_of(whole.substr(0, size)) != "");
  }
  CHECK(error_of(whole.substr(0, whole.size() - 2)) == "");
  file.w = -2;
  CHECK(error_of(file.bytes()) == "3: in: states a size of -2x1 pixels");
  file.w = 2;
  file.header = 41;
  CHECK(error_of(file.bytes()) == "3: in: is a BMP of a kind that is not read (a header of 41 bytes)");
  file.header = 40;
  file.compression = 5;
  CHECK(error_of(file.bytes()) == "3: in: is a BMP of a kind that is not read (8 bits, compression 5)");
}

TEST_CASE("BMP with primaries of its own says that they are not followed") {
  Bmp file;
  file.header = 108;
  file.pixels = "\1\2\3\4\5\6\0\0"s;
  std::string rest(68, '\0');
  file.behind = rest;
  CHECK(notes_of(file.bytes()) == "");
  file.behind = rest.replace(96 - 40, 4, little_endian(1 << 16, 4));
  CHECK(notes_of(file.bytes()) == "in: its primaries and gammas are not followed; sRGB is assumed");
}

TEST_CASE("a truncated BMP is noticed, where zeros would be painted") {
  Bmp file;
  file.pixels = "\1\2\3\4\5\6\0\0"s;
  const std::string whole = file.bytes();
  CHECK(decode(whole).w == 2);
  CHECK(decode(whole.substr(0, whole.size() - 2)).w == 2);  // the last row need not be padded
  for (size_t size = 2; size < whole.size() - 2; ++size)
    CHECK(error_of(whole.substr(0, size)) == "3: in: is truncated; copy or download it again");
}

}  // namespace swag::test
