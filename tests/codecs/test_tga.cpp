#include <doctest/doctest.h>

#include "tests/codecs/picture_files.h"

using namespace std::string_literals;

namespace swag::test {
namespace {

enum Kind { kIndexed = 1, kColour = 2, kGrey = 3, kRunLengths = 8 };
enum Descriptor { kFromTop = 0x20, kFromRight = 0x10 };

struct Tga {
  int kind = kColour, bits = 24, w = 2, h = 1, descriptor = kFromTop;
  std::string pixels = "\3\2\1\6\5\4"s;
  int first_colour = 0, colours = 0, palette_bits = 0;
  std::string palette = "";
  int attributes = -1;  // what an extension area says of the alpha

  std::string bytes() const {
    std::string file =
        "\0"s + (palette.empty() ? "\0"s : "\1"s) + little_endian(static_cast<uint32_t>(kind), 1) +
        little_endian(static_cast<uint32_t>(first_colour), 2) +
        little_endian(static_cast<uint32_t>(colours), 2) +
        little_endian(static_cast<uint32_t>(palette_bits), 1) + std::string(4, '\0') +
        little_endian(static_cast<uint32_t>(w), 2) + little_endian(static_cast<uint32_t>(h), 2) +
        little_endian(static_cast<uint32_t>(bits), 1) + little_endian(static_cast<uint32_t>(descriptor), 1) +
        palette + pixels;
    if (attributes < 0) return file;
    const size_t extension = file.size();
    return file + std::string(494, '\0') + little_endian(static_cast<uint32_t>(attributes), 1) +
           little_endian(static_cast<uint32_t>(extension), 4) + std::string(4, '\0') + "TRUEVISION-XFILE.\0"s;
  }
};

/// 2 x 1 pixels of BGRA.
Tga with_alpha(const std::string& pixels, int attributes = -1) {
  Tga file;
  file.bits = 32;
  file.pixels = pixels;
  file.attributes = attributes;
  return file;
}

}  // namespace

TEST_CASE("TGA of every depth") {
  Tga file;
  check_pixel(decode(file.bytes()), 0, 1, 2, 3, 1e-4);
  check_pixel(decode(file.bytes()), 1, 4, 5, 6, 1e-4);
  for (const int bits : {15, 16}) {
    file.bits = bits;
    file.pixels = "\x00\x7c\xe1\x03"s;
    check_pixel(decode(file.bytes()), 0, 255, 0, 0, 1e-4);
    check_pixel(decode(file.bytes()), 1, 0, 255, 255 / 31.0, 2e-3);
  }
  file.kind = kGrey;
  file.bits = 8;
  file.pixels = "\7\xff"s;
  check_pixel(decode(file.bytes()), 0, 7, 7, 7, 1e-4);
  file.bits = 16;
  file.pixels = "\7\x80\xff\xff"s;
  check_pixel(decode(file.bytes()), 0, 7, 7, 7, 1e-4);
  CHECK(decode(file.bytes()).alpha == std::vector<float>{128 / 255.0f, 1});
}

TEST_CASE("TGA with a palette, which may begin at another number than 0; beyond it is black") {
  Tga file;
  file.kind = kIndexed;
  file.bits = 8;
  file.colours = 2;
  file.palette_bits = 24;
  file.palette = "\3\2\1\6\5\4"s;
  file.pixels = "\1\0"s;
  check_pixel(decode(file.bytes()), 0, 4, 5, 6, 1e-4);
  check_pixel(decode(file.bytes()), 1, 1, 2, 3, 1e-4);
  file.first_colour = 5;
  file.pixels = "\5\4"s;
  check_pixel(decode(file.bytes()), 0, 1, 2, 3, 1e-4);
  check_pixel(decode(file.bytes()), 1, 0, 0, 0, 1e-4);
  file.bits = 16;
  file.pixels = "\6\0\7\0"s;
  check_pixel(decode(file.bytes()), 0, 4, 5, 6, 1e-4);
  check_pixel(decode(file.bytes()), 1, 0, 0, 0, 1e-4);
  file.palette_bits = 32;
  file.palette = "\3\2\1\xff\6\5\4\0"s;
  file.pixels = "\5\0\6\0"s;
  CHECK(decode(file.bytes()).alpha == std::vector<float>{1, 0});
  file.kind = kColour;  // a palette without use is skipped
  file.bits = 24;
  file.pixels = "\3\2\1\6\5\4"s;
  check_pixel(decode(file.bytes()), 1, 4, 5, 6, 1e-4);
  file.colours = 60000;
  CHECK(error_of(file.bytes()) == "3: in: is truncated; copy or download it again");
}

TEST_CASE("TGA with run lengths: runs go on in the next row, and end with the picture") {
  Tga file;
  file.kind = kGrey | kRunLengths;
  file.bits = 8;
  file.h = 2;
  file.pixels = "\x82\7\0\x9"s;
  CHECK(letters(decode(file.bytes())) == "\7\7/\7\x9");
  file.pixels = "\0\x9\xff\7"s;
  CHECK(letters(decode(file.bytes())) == "\x9\7/\7\7");
  for (const std::string& cut : {"\x82\7"s, "\x82\7\0"s, "\x82"s, "\3abc"s}) {
    file.pixels = cut;
    CHECK(error_of(file.bytes()) == "3: in: is truncated; copy or download it again");
  }
}

TEST_CASE("TGA the right way up from each of its corners") {
  Tga file;
  file.kind = kGrey;
  file.bits = 8;
  file.h = 2;
  file.pixels = "abcd";
  const auto seen = [&](int descriptor) {
    file.descriptor = descriptor;
    return letters(decode(file.bytes()));
  };
  CHECK(seen(kFromTop) == "ab/cd");
  CHECK(seen(kFromTop | kFromRight) == "ba/dc");
  CHECK(seen(0) == "cd/ab");
  CHECK(seen(kFromRight) == "dc/ba");
  file.descriptor = 0x60;
  CHECK(error_of(file.bytes()) == "3: in: is a TGA of a kind that is not read (interleaved)");
}

TEST_CASE("the alpha of a TGA: as the extension area says, and none where it is 0 everywhere") {
  const std::string half = "\x10\x20\x40\x80\1\2\3\xff"s;
  const Image straight = decode(with_alpha(half).bytes());
  check_pixel(straight, 0, 64, 32, 16, 1e-4);
  CHECK(straight.alpha == std::vector<float>{128 / 255.0f, 1});
  CHECK(decode(with_alpha("\3\2\1\0\6\5\4\0"s).bytes()).alpha.empty());
  CHECK(decode(with_alpha("\3\2\1\xff\6\5\4\xff"s).bytes()).alpha.empty());
  for (const int none : {0, 1, 2}) CHECK(decode(with_alpha(half, none).bytes()).alpha.empty());
  CHECK(decode(with_alpha(half, 3).bytes()).alpha.size() == 2);
  const Image premultiplied = decode(with_alpha(half, 4).bytes());
  check_pixel(premultiplied, 0, 64 * 255 / 128.0, 32 * 255 / 128.0, 16 * 255 / 128.0, 0.01);
  CHECK(premultiplied.alpha == straight.alpha);
}

TEST_CASE("a truncated TGA is noticed, where zeros would be painted") {
  Tga file;
  const std::string whole = file.bytes();
  for (size_t size = 18; size < whole.size(); ++size)
    CHECK(error_of(whole.substr(0, size)) == "3: in: is truncated; copy or download it again");
  for (size_t size = 1; size < 18; ++size) CHECK(error_of(whole.substr(0, size)) != "");
  file.w = file.h = 10000;
  CHECK(error_of(file.bytes()).find("states a size of 10000x10000 pixels, more than its ") !=
        std::string::npos);
}

TEST_CASE("what is no header of a TGA is no picture") {
  for (const auto& [at, value] :
       {std::pair{1, 2}, {2, 4}, {2, 0}, {2, 33}, {12, 0}, {14, 0}, {16, 17}, {16, 1}}) {
    std::string file = Tga().bytes();
    file[static_cast<size_t>(at)] = static_cast<char>(value);
    CHECK(error_of(file).find("is not a picture that can be read") != std::string::npos);
  }
  std::string text;  // of 16 bits a letter
  for (const char letter : "-\na text as some editors write it"s + std::string(5000, '.'))
    text += letter + "\0"s;
  CHECK(error_of(text).find("is not a picture that can be read") != std::string::npos);
}

}  // namespace swag::test
