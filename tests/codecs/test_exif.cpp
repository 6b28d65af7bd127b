// The orientation in every form that EXIF allows, and from every place where it is kept.
#include <doctest/doctest.h>

#include "src/codecs/exif.h"
#include "tests/codecs/picture_files.h"

using namespace std::string_literals;

namespace swag::test {
namespace {

int orientation_of(const std::string& exif) {
  return orientation_in_exif(reinterpret_cast<const uint8_t*>(exif.data()), exif.size());
}

/// Wider than high, so that 5 to 8 show.
std::string wide_jpeg() { return flat_jpeg({9, 9, 9}, 8, 16); }

bool is_turned(const std::string& file) {
  const Image image = decode(file);
  return image.h > image.w;
}

/// As ImageMagick writes EXIF data into texts of PNG.
std::string raw_profile(const std::string& exif) {
  std::string text = "\nexif\n" + std::string(8 - std::to_string(exif.size()).size(), ' ') +
                     std::to_string(exif.size()) + "\n";
  for (size_t i = 0; i < exif.size(); ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(exif[i]));
    text += digits;
    if (i % 36 == 35) text += '\n';
  }
  return text + "\n";
}

}  // namespace

TEST_CASE("the orientation is read as BYTE, SHORT and LONG, in both byte orders, at odd offsets") {
  for (const bool little : {false, true}) {
    for (const int type : {1, 3, 4}) {
      for (const int padding : {0, 1, 7}) {
        for (int orientation = 1; orientation <= 8; ++orientation) {
          CAPTURE(little);
          CAPTURE(type);
          CHECK(orientation_of(tiff(little, orientation, type, padding)) == orientation);
          CHECK(orientation_of("Exif\0\0"s + tiff(little, orientation, type, padding)) == orientation);
        }
      }
    }
  }
}

TEST_CASE("an orientation of another type, or of no such number, is none") {
  for (const int type : {0, 2, 5, 10, 12, 99}) CHECK(orientation_of(tiff(true, 6, type)) == 0);
  for (const int orientation : {0, 9, 255}) CHECK(orientation_of(tiff(false, orientation)) == 0);
  CHECK(orientation_of("II*\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0"s) == 0);
  CHECK(orientation_of("") == 0);
}

TEST_CASE("the first EXIF segment of a JPEG that has an orientation counts, wherever it stands") {
  const std::string exif = "Exif\0\0"s + tiff(true, 6, 4), xmp = "http://ns.adobe.com/xap/1.0/\0<x/>"s;
  CHECK_FALSE(is_turned(wide_jpeg()));
  CHECK(is_turned(with_segment(wide_jpeg(), 0xe1, exif)));
  CHECK(is_turned(with_segment(with_segment(wide_jpeg(), 0xe1, exif), 0xe1, xmp)));
  CHECK(is_turned(with_segment(with_segment(wide_jpeg(), 0xe1, exif), 0xe1, "Exif\0\0MM\0*\0\0\0\x8\0\0"s)));
  CHECK(is_turned(with_segment(with_segment(wide_jpeg(), 0xe1, exif), 0xe0, "JFIF\0\1\1\0\0\1\0\1\0\0"s)));
  CHECK(is_turned(with_segment(wide_jpeg(), 0xe1, "Exif\0\xff"s + tiff(false, 8))));
  const std::string twice =
      with_segment(with_segment(wide_jpeg(), 0xe1, exif), 0xe1, "Exif\0\0"s + tiff(false, 1));
  CHECK_FALSE(is_turned(twice));
}

TEST_CASE(
    "the orientation of a PNG comes from eXIf, before the pixels or behind, or from ImageMagick's text") {
  const std::string exif = tiff(false, 6), chunk = png_chunk("eXIf", exif), turned = "da/eb/fc";
  CHECK(letters(decode(letters_png(chunk))) == turned);
  std::string behind = letters_png();
  behind.insert(behind.size() - 12, chunk);
  CHECK(letters(decode(behind)) == turned);
  const std::string text = raw_profile("Exif\0\0"s + exif);
  CHECK(letters(decode(letters_png(png_chunk("tEXt", "Raw profile type exif\0"s + text)))) == turned);
  CHECK(letters(decode(letters_png(png_chunk("zTXt", "Raw profile type APP1\0\0"s + zlib_stored(text))))) ==
        turned);
  CHECK(letters(decode(letters_png(png_chunk("tEXt", "Raw profile type exif\0\nexif"s)))) == "abc/def");
}

}  // namespace swag::test
