#include <doctest/doctest.h>

#include <string>

#include "src/codecs/encode.h"
#include "tests/codecs/picture_files.h"
#include "tests/helpers.h"
#include "tests/weights/weight_files.h"

using namespace std::string_literals;

namespace swag::test {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

Image gradient(int h, int w) {
  Image image{h, w, std::vector<float>(static_cast<size_t>(h) * w * 3), {}};
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<float>(i) / image.rgb.size();
  return image;
}

std::string saved(const Image& image, const std::string& suffix) {
  const TemporaryFolder folder;
  save_image(folder.file("x" + suffix), image, 90, "");
  return read_text(folder.file("x" + suffix));
}

// 16 x 8, made by another program: left half (230, 31, 40), right half (40, 60, 221), as inverted CMYK.
const std::string kCmykJpeg = from_hex(
    "ffd8ffee000e41646f626500640000000000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e17202e"
    "2931302e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffc00014080008001004431100"
    "4d11005911004b1100ffc40017000003010000000000000000000000000000060705ffc40014100100000000000000000000"
    "000000000000ffda000e0443004d0059004b00003f007f219254e429a4b787ffd9");

}  // namespace

TEST_CASE("decode reads grey, grey with alpha, RGB and RGBA PNG") {
  CHECK(letters(decode(letters_png())) == "abc/def");
  const Image grey = decode(png(2, 1, 8, 4, "\0\x10\xff\x20\x80"s));
  check_pixel(grey, 0, 16, 16, 16, 1e-4);
  check_pixel(grey, 1, 32, 32, 32, 1e-4);
  REQUIRE(grey.alpha.size() == 2);
  CHECK(grey.alpha[0] == 1.0f);
  CHECK(grey.alpha[1] == 128 / 255.0f);
  const Image rgb = decode(png(2, 1, 8, 2, "\0\1\2\3\xff\xfe\xfd"s));
  check_pixel(rgb, 0, 1, 2, 3, 1e-4);
  check_pixel(rgb, 1, 255, 254, 253, 1e-4);
  CHECK(rgb.alpha.empty());
  CHECK(decode(png(2, 1, 8, 6, "\0\1\2\3\xff\4\5\6\xff"s)).alpha.empty());  // opaque everywhere
  CHECK(decode(png(2, 1, 8, 6, "\0\1\2\3\xff\4\5\6\x00"s)).alpha == std::vector<float>{1, 0});
}

TEST_CASE("decode keeps all 16 bits of PNG and PGM") {
  const Image from_png = decode(png(2, 1, 16, 0, "\0\x12\x34\xff\xff"s));
  CHECK(from_png.rgb[0] == doctest::Approx(0x1234 / 65535.0).epsilon(1e-6));
  CHECK(from_png.rgb[3] == 1.0f);
  const Image from_pgm = decode("P5\n# a comment\n2 1 65535\n\x12\x34\xff\xff"s);
  CHECK(from_pgm.rgb == from_png.rgb);
}

TEST_CASE("decode reads PPM, whatever value is white") {
  const Image image = decode("P6 1 2 100\n\0\x32\x64\x19\xff\x64"s);
  CHECK(image.h == 2);
  CHECK(image.w == 1);
  CHECK(image.rgb == std::vector<float>{0, 0.5f, 1, 0.25f, 1, 1});
}

TEST_CASE("decode gives the colours of inverted CMYK and of YCCK JPEG") {
  const Image cmyk = decode(kCmykJpeg);
  REQUIRE(cmyk.w == 16);
  check_pixel(cmyk, 0, 230, 31, 40);
  check_pixel(cmyk, 15, 40, 60, 221);
  std::string ycck = kCmykJpeg;
  ycck[ycck.find("Adobe") + 11] = 2;  // the same numbers as Y, Cb, Cr, K
  const Image transformed = decode(ycck);
  check_pixel(transformed, 0, 148, 0, 197);
  check_pixel(transformed, 15, 85, 255, 255);
}

TEST_CASE("decode turns pictures the right way up, from JPEG and PNG, in both byte orders") {
  const std::string expected[] = {"abc/def",  "cba/fed",  "fed/cba",  "def/abc",
                                  "ad/be/cf", "da/eb/fc", "fc/eb/da", "cf/be/ad"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool little : {false, true}) {
      CAPTURE(orientation);
      const std::string block = tiff(little, orientation);
      const std::string chunk = png_chunk("eXIf", block);
      CHECK(letters(decode(letters_png(chunk))) == expected[orientation - 1]);

      // In the JPEG only the corner that is dark tells, but the parser of PNG and JPEG is one.
      Image corner{8, 16, std::vector<float>(8 * 16 * 3, 1.0f), {}};
      for (int i = 0; i < 4; ++i) std::fill_n(corner.rgb.begin() + i * 16 * 3, 4 * 3, 0.0f);
      const std::string exif = "Exif\0\0"s + block;
      const std::string segment = "\xff\xe1\0"s + static_cast<char>(exif.size() + 2) + exif;
      const Image turned = decode(saved(corner, ".jpg").insert(2, segment));
      CHECK(turned.h == (orientation < 5 ? 8 : 16));
      const bool bottom = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
      const bool right = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
      const size_t dark =
          static_cast<size_t>(bottom ? turned.h - 1 : 0) * turned.w + (right ? turned.w - 1 : 0);
      CHECK(turned.rgb[dark * 3] < 0.3f);
    }
  }
}

TEST_CASE("decode turns the alpha with the colours") {
  const std::string file = png(2, 1, 8, 4, "\0\x10\xff\x20\x80"s);
  CHECK(decode(std::string(file).insert(33, png_chunk("eXIf", tiff(true, 2)))).alpha ==
        std::vector<float>{128 / 255.0f, 1});
}

TEST_CASE("decode ignores damaged EXIF data") {
  for (const bool little : {false, true}) {
    const std::string whole = tiff(little, 6);
    for (size_t size = 0; size + 6 < whole.size();
         ++size) {  // the last 4 bytes, of the next directory, are not needed
      CHECK(letters(decode(letters_png(png_chunk("eXIf", whole.substr(0, size))))) == "abc/def");
    }
  }
  for (const int orientation : {0, 9, 0xffff}) {
    CHECK(letters(decode(letters_png(png_chunk("eXIf", tiff(true, orientation))))) == "abc/def");
  }
  std::string lost = tiff(true, 6);
  lost.replace(4, 4, "\xff\xff\xff\xff");  // the directory's offset
  CHECK(letters(decode(letters_png(png_chunk("eXIf", lost)))) == "abc/def");
}

TEST_CASE("load_image says what is wrong with a path") {
  const TemporaryFolder folder;
  const std::string path = folder.file("in.png");
  CHECK(error_text([&] { load_image(path); }) == "3: " + path + ": there is no such file");
  CHECK(error_text([&] { load_image(folder.path()); }) ==
        "3: " + folder.path() + ": is a folder, a file is needed");
  write_text(path, "");
  CHECK(error_text([&] { load_image(path); }) == "3: " + path + ": is empty");
  write_text(path, letters_png());
  CHECK(letters(load_image(path)) == "abc/def");
}

TEST_CASE("decode names the format that has to be converted, and the command") {
  const auto advice = [](const std::string& bytes, const std::string& name) { return error_of(bytes, name); };
  CHECK(advice("\0\0\0\x18"
               "ftypheic\0\0\0\0"s,
               "a/photo.heic") ==
        "3: a/photo.heic: HEIC is not supported; convert it first: heif-convert a/photo.heic a/photo.jpg");
  CHECK(advice("RIFF\0\0\0\0WEBPVP8 "s, "p.webp") ==
        "3: p.webp: WebP is not supported; convert it first: dwebp p.webp -o p.png");
  CHECK(advice("II*\0\0\0\0\0"s, "my scan.tif") ==
        "3: my scan.tif: TIFF is not supported; convert it first: convert 'my scan.tif[0]' 'my scan.png'");
  CHECK(advice("%PDF-1.7", "v1.2/doc") ==
        "3: v1.2/doc: PDF is not supported; convert it first: pdftoppm -png -singlefile v1.2/doc v1.2/doc");
  CHECK(advice("<?xml version='1.0'?>\n<!-- x --><svg/>", "i.svg").find(": SVG is not supported") !=
        std::string::npos);
  CHECK(advice("\0\0\0\x18"
               "ftypavif\0\0\0\0"s,
               "p")
            .find(": AVIF is not supported") != std::string::npos);
  CHECK(advice("\0\0\0\x18"
               "ftypmif1\0\0\0\0"s,
               "p")
            .find(": HEIF is not supported") != std::string::npos);
  CHECK(advice("MM\0*\0\0\0\0"s, "p").find(": TIFF is not supported") != std::string::npos);
  CHECK(advice("\xff\x0a\0\0"s, "p").find(": JPEG XL is not supported") != std::string::npos);
  CHECK(advice("\0\0\0\x0cJXL \r\n"s, "p").find(": JPEG XL is not supported") != std::string::npos);
}

TEST_CASE("decode refuses what is no picture, a single pixel and sizes beyond reason") {
  CHECK(error_of("") == "3: in: is empty");
  CHECK(error_of("hello, world").find("is not a picture that can be read") != std::string::npos);
  CHECK(error_of(png(1, 1, 8, 0, "\0a"s)).find("single pixel") != std::string::npos);
  // From the header alone: nothing follows it.
  CHECK(error_of(png_header(60000, 60000, 8, 2)).find("size of 60000x60000 pixels") != std::string::npos);
  CHECK(error_of(png_header(4294967295u, 7, 8, 2)).find("size of 4294967295x7 pixels") != std::string::npos);
  CHECK(error_of(png_header(32768, 32768, 8, 2)).find("2^28") != std::string::npos);
  CHECK(error_of(png_header(0, 5, 8, 2)).find("size of 0x5") != std::string::npos);
  // libpng would pass over a chunk before the header.
  const std::string late = png_header(18432, 24576, 8, 2);
  CHECK(error_of(late).find("size of 18432x24576 pixels") != std::string::npos);
  CHECK(error_of(std::string(late).insert(8, png_chunk("gAMA", big_endian(45455)))).find("is damaged") !=
        std::string::npos);
  // What is beside the pixels holds none.
  const std::string padded = png_header(18432, 12288, 1, 3) + png_chunk("tEXt", std::string(40000, 'a'));
  CHECK(error_of(padded + png_chunk("IDAT", "ab") + png_chunk("IEND", "")).find("bytes can hold") !=
        std::string::npos);
  CHECK(error_of("P6 60000 60000 255\n").find("size of 60000x60000 pixels") != std::string::npos);
  CHECK(error_of("P5 99999999999999999999 2 255\n").find("pixels; at most") != std::string::npos);
}

TEST_CASE("every truncation of a file is an error, never a crash") {
  const std::string files[] = {letters_png(), saved(gradient(9, 13), ".jpg"), saved(gradient(5, 7), ".png"),
                               kCmykJpeg, "P6 2 2 255\n0123456789ab"s};
  for (const std::string& file : files) {
    CHECK(error_of(file) == "");
    const bool is_jpeg = file[0] == '\xff';
    const size_t needed = is_jpeg ? file.size() - 2 : file.size();  // the end marker alone may be missing
    for (size_t size = 0; size < needed; ++size) {
      CAPTURE(size);
      CHECK(error_of(file.substr(0, size)).substr(0, 3) == "3: ");
    }
  }
}

TEST_CASE("decode survives every byte being wrong") {
  const std::string files[] = {letters_png(png_chunk("eXIf", tiff(false, 6))), kCmykJpeg};
  for (const std::string& file : files) {
    for (size_t i = 0; i < file.size(); ++i) {
      for (const char wrong : {'\0', '\x01', '\x7f', '\xff'}) {
        std::string damaged = file;
        damaged[i] = wrong;
        const std::string error = error_of(damaged);
        CHECK((error == "" || error.substr(0, 3) == "3: "));
      }
    }
  }
}

}  // namespace swag::test
