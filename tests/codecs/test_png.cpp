// PNG: which files are read, and what becomes of damaged ones.
#include <doctest/doctest.h>

#include "tests/codecs/picture_files.h"

using namespace std::string_literals;

namespace swag::test {

TEST_CASE("decode reads a PNG with a palette, and its transparency") {
  const std::string palette = png_chunk("PLTE", "\1\2\3\xff\x80\x40"s);
  const Image opaque = decode(png(8, 1, 1, 3, "\0\x40"s, palette));
  check_pixel(opaque, 0, 1, 2, 3, 1e-4);
  check_pixel(opaque, 1, 255, 128, 64, 1e-4);
  CHECK(opaque.alpha.empty());
  const Image clear = decode(png(2, 1, 8, 3, "\0\0\1"s, palette + png_chunk("tRNS", "\x33")));
  CHECK(clear.alpha == std::vector<float>{0x33 / 255.0f, 1});
  check_pixel(clear, 0, 1, 2, 3, 1e-4);
}

TEST_CASE("decode makes the transparent colour of a PNG transparent") {
  CHECK(decode(letters_png(png_chunk("tRNS", "\0b"s))).alpha == std::vector<float>{1, 0, 1, 1, 1, 1});
}

TEST_CASE("transparency of a PNG that fails its sum is noted") {
  std::string damaged = png_chunk("tRNS", "\0b"s);
  damaged.back() ^= 1;
  CHECK(decode(letters_png(damaged)).alpha.empty());
  CHECK(notes_of(letters_png(damaged)) == "in: its transparency is damaged; it is taken for opaque");
  CHECK(notes_of(letters_png(damaged + damaged)) == notes_of(letters_png(damaged)));
}

TEST_CASE("decode reads grey PNG of 1, 2 and 4 bits") {
  CHECK(decode(png(8, 1, 1, 0, "\0\x80"s)).rgb[0] == 1);
  check_pixel(decode(png(4, 1, 2, 0, "\0\x1b"s)), 1, 85, 85, 85, 1e-4);
  check_pixel(decode(png(2, 1, 4, 0, "\0\x1f"s)), 0, 17, 17, 17, 1e-4);
}

TEST_CASE("decode reads an interlaced PNG") {
  // 3 x 2: passes 1 (0,0), 4 (2,0), 6 (1,0), 7 (row 1); the others are empty.
  const std::string rows = "\0a\0c\0b\0def"s;
  const std::string file =
      png_header(3, 2, 8, 0, 1) + png_chunk("IDAT", zlib_stored(rows)) + png_chunk("IEND", "");
  CHECK(letters(decode(file)) == "abc/def");
}

TEST_CASE("decode keeps 16 bits of a PNG with alpha") {
  const Image image = decode(png(2, 1, 16, 6, "\0\x12\x34\x56\x78\x9a\xbc\x80\0\0\1\0\2\0\3\xff\xff"s));
  CHECK(image.rgb[0] == doctest::Approx(0x1234 / 65535.0).epsilon(1e-6));
  CHECK(image.rgb[5] == doctest::Approx(3 / 65535.0).epsilon(1e-6));
  CHECK(image.alpha[0] == doctest::Approx(0x8000 / 65535.0).epsilon(1e-6));
}

TEST_CASE("a PNG whose pixels fail a sum is damaged") {
  const std::string file = letters_png();
  const size_t pixels = file.find("IDAT");
  std::string crc = file;
  crc[pixels + 4 + 7 + 8 + 4] ^= 1;  // behind the rows and what is around them
  CHECK(error_of(crc) == "3: in: is damaged, or of a kind that is not read (IDAT: CRC error)");
  std::string pixel = file;
  pixel[pixels + 4 + 7 + 2] ^= 1;
  CHECK(error_of(pixel).find("3: in: is damaged") == 0);
  // The chunk's sum is right, that of what is compressed in it is not.
  std::string data = zlib_stored("\0abc\0def"s);
  data.back() ^= 1;
  const std::string adler = png_header(3, 2, 8, 0) + png_chunk("IDAT", data) + png_chunk("IEND", "");
  CHECK(error_of(adler).find("3: in: is damaged") == 0);
  std::string header = file;
  header[19] ^= 4;  // a width of 7
  CHECK(error_of(header).find("3: in: is damaged") == 0);
}

TEST_CASE("a PNG whose text fails its sum is read") {
  std::string text = png_chunk("tEXt", "Comment\0x"s);
  text.back() ^= 1;
  CHECK(letters(decode(letters_png(text))) == "abc/def");
}

TEST_CASE("a PNG without pixels says so") {
  const std::string file = png_header(24, 18, 8, 0) + png_chunk("IEND", "");
  CHECK(error_of(file) == "3: in: is damaged (it holds no pixels)");
}

TEST_CASE("a PNG without IEND is truncated") {
  const std::string file = letters_png();
  CHECK(error_of(file.substr(0, file.size() - 12)) == "3: in: is truncated; copy or download it again");
}

TEST_CASE("a chunk's name never reaches the terminal as it is") {
  const std::string error = error_of(letters_png(png_chunk("A\n\x1b[", "")));
  CHECK(error.substr(0, 3) == "3: ");
  for (const char c : error) CHECK(static_cast<unsigned char>(c) >= 0x20);
  CHECK(error_of(letters_png(png_chunk("XyZw", ""))) ==
        "3: in: is damaged, or of a kind that is not read (XyZw: unhandled critical chunk)");
}

TEST_CASE("a file's name reaches messages printable") {
  CHECK(error_of("", "a\n\x1b[2Jb.png") == "3: a\\x0a\\x1b[2Jb.png: is empty");
}

TEST_CASE("Apple's PNG for iPhones is called by its name") {
  std::string file = letters_png();
  file.insert(8, png_chunk("CgBI", "\x50\0\x20\2"s));
  CHECK(error_of(file, "icon.png") ==
        "3: icon.png: Apple's PNG for iPhones (CgBI) is not supported; convert it first: "
        "sips -s format png icon.png --out icon-converted.png");
}

TEST_CASE("a PNG that states more pixels than its bytes can hold is refused by its header") {
  const std::string file =
      png_header(16384, 16384, 8, 6) + png_chunk("IDAT", zlib_stored("x")) + png_chunk("IEND", "");
  CHECK(error_of(file).find("states a size of 16384x16384 pixels, more than its 69 bytes can hold") !=
        std::string::npos);
}

TEST_CASE("an animated PNG says that its first picture is taken, a still one says nothing") {
  CHECK(notes_of(letters_png(png_chunk("acTL", big_endian(2) + big_endian(0)))) ==
        "in: is animated; its first picture is taken");
  CHECK(notes_of(letters_png(png_chunk("acTL", big_endian(1) + big_endian(0)))) == "");
  CHECK(notes_of(letters_png()) == "");
}

TEST_CASE("texts that decompress to much are not kept by the hundred") {
  std::string chunks;
  for (int i = 0; i < 200; ++i) chunks += png_chunk("zTXt", "a\0\0"s + zlib_stored("text"));
  CHECK(letters(decode(letters_png(chunks))) == "abc/def");
}

}  // namespace swag::test
