// Colours: profiles and what else states a colour space, against the formulas.
#include <doctest/doctest.h>

#include "tests/codecs/picture_files.h"

using namespace std::string_literals;

namespace swag::test {
namespace {

const std::vector<double> kColour = {180, 90, 60};
const std::vector<uint8_t> kColourBytes = {180, 90, 60};

std::string rgb_png(const std::string& chunks) {
  return png(2, 1, 8, 2, "\0\xb4\x5a\x3c\xb4\x5a\x3c"s, chunks);
}

std::string iccp(const std::string& icc) { return png_chunk("iCCP", "x\0\0"s + zlib_stored(icc)); }

std::string gama(double exponent) { return png_chunk("gAMA", big_endian(std::lround(exponent * 1e5))); }

std::string chrm(const double (&primaries)[3][2]) {
  std::string data = big_endian(31270) + big_endian(32900);
  for (const auto& xy : primaries)
    data += big_endian(std::lround(xy[0] * 1e5)) + big_endian(std::lround(xy[1] * 1e5));
  return png_chunk("cHRM", data);
}

std::string cicp(int primaries, int transfer, int matrix = 0, int full = 1) {
  std::string data;
  for (const int value : {primaries, transfer, matrix, full}) data += static_cast<char>(value);
  return png_chunk("cICP", data);
}

const std::string kAssumed = "in: its colour profile is damaged or incomplete; sRGB is assumed";

/// EXIF data as cameras write them with Adobe RGB: directory, EXIF directory, interoperability directory.
std::string adobe_exif(int space, const std::string& index) {
  const auto entry = [](int tag, int type, const std::string& value) {
    return little_endian(tag, 2) + little_endian(type, 2) + little_endian(type == 2 ? 4 : 1, 4) + value;
  };
  const auto directory = [](const std::string& entries) {
    return little_endian(entries.size() / 12, 2) + entries + little_endian(0, 4);
  };
  const std::string first = directory(entry(0x8769, 4, little_endian(26, 4)));
  const std::string exif =
      directory(entry(0xa001, 3, little_endian(space, 4)) + entry(0xa005, 4, little_endian(56, 4)));
  return "Exif\0\0II*\0"s + little_endian(8, 4) + first + exif + directory(entry(1, 2, index + '\0'));
}

}  // namespace

TEST_CASE("an ICC profile of JPEG and PNG brings the colours to sRGB") {
  const std::string p3 = rgb_icc(kD65, kDisplayP3, 2.2), adobe = rgb_icc(kD65, kAdobeRgb, 2.19921875);
  check_pixel(decode(with_icc(flat_jpeg(kColourBytes), p3)), 0, to_srgb(kDisplayP3, 2.2, kColour), 2);
  check_pixel(decode(with_icc(flat_jpeg(kColourBytes), adobe)), 0, to_srgb(kAdobeRgb, 2.19921875, kColour),
              2);
  check_pixel(decode(rgb_png(iccp(p3))), 1, to_srgb(kDisplayP3, 2.2, kColour), 0.6);
  check_pixel(decode(rgb_png(iccp(adobe))), 1, to_srgb(kAdobeRgb, 2.19921875, kColour), 0.6);
  CHECK(notes_of(rgb_png(iccp(p3))) == "");
}

TEST_CASE("linear light of 8 and 16 bits keeps its shadows") {
  const std::string linear = iccp(rgb_icc(kD65, kSrgb, 1));
  check_pixel(decode(png(2, 1, 8, 2, "\0\1\2\3\xff\xff\xff"s, linear)), 0, to_srgb(kSrgb, 1, {1, 2, 3}), 0.6);
  const Image deep = decode(png(2, 1, 16, 2, "\0\0\x10\0\x40\1\0\xff\xff\xff\xff\xff\xff"s, linear));
  check_pixel(deep, 0, to_srgb(kSrgb, 1, {16 / 257.0, 64 / 257.0, 256 / 257.0}), 0.1);
  check_pixel(deep, 1, 255, 255, 255, 0.1);
}

TEST_CASE("a profile that is sRGB changes no bit") {
  CHECK(decode(rgb_png(iccp(srgb_icc()))).rgb == decode(rgb_png("")).rgb);
  CHECK(decode(with_icc(flat_jpeg(kColourBytes), srgb_icc())).rgb == decode(flat_jpeg(kColourBytes)).rgb);
  CHECK(decode(rgb_png(gama(1 / 2.2) + chrm(kSrgb))).rgb == decode(rgb_png("")).rgb);
  CHECK(decode(rgb_png(cicp(1, 13))).rgb == decode(rgb_png("")).rgb);
}

TEST_CASE("alpha stays what it is beside a profile") {
  const std::string p3 = iccp(rgb_icc(kD65, kDisplayP3, 2.2));
  const Image image = decode(png(2, 1, 8, 6, "\0\xb4\x5a\x3c\x40\xb4\x5a\x3c\xff"s, p3));
  check_pixel(image, 0, to_srgb(kDisplayP3, 2.2, kColour), 0.6);
  CHECK(image.alpha == std::vector<float>{64 / 255.0f, 1});
}

TEST_CASE("a grey profile counts for grey pictures") {
  const double expected = to_srgb(kSrgb, 1.4, {90, 90, 90})[0];
  check_pixel(decode(png(2, 1, 8, 0, "\0ZZ"s, iccp(grey_icc(1.4)))), 0, {expected, expected, expected}, 0.6);
  const Image both = decode(png(2, 1, 8, 4, "\0Z\x40Z\xff"s, iccp(grey_icc(1.4))));
  check_pixel(both, 0, {expected, expected, expected}, 0.6);
  CHECK(both.alpha[0] == 64 / 255.0f);
  check_pixel(decode(with_icc(flat_jpeg({90}), grey_icc(1.4))), 0, {expected, expected, expected}, 1.1);
}

TEST_CASE("the ICC profile of a CMYK JPEG is followed, and its inks are inverted") {
  for (const bool ycck : {false, true}) {
    JpegOptions options;
    options.ycck = ycck;
    const auto grey = [&](std::vector<uint8_t> stored) {
      const Image image = decode(with_icc(flat_jpeg(stored, 16, 16, options), cmyk_icc()));
      check_pixel(image, 0, image.rgb[1] * 255, image.rgb[1] * 255, image.rgb[1] * 255, 1.5);
      return image.rgb[1] * 255.0;
    };
    CHECK(grey({255, 255, 255, 255}) == doctest::Approx(255).epsilon(0.01));
    CHECK(grey({255, 0, 0, 255}) ==
          doctest::Approx(255).epsilon(0.01));  // magenta and yellow are nothing here
    CHECK(grey({128, 255, 255, 255}) == doctest::Approx(119).epsilon(0.05));  // L = 50
    CHECK(grey({0, 255, 255, 0}) < 3);
  }
}

TEST_CASE("a grey picture with a profile of RGB is read by it") {
  const double expected = to_srgb(kSrgb, 1.4, {90, 90, 90})[0];
  const std::string icc = rgb_icc(kD65, kSrgb, 1.4);
  check_pixel(decode(with_icc(flat_jpeg({90}), icc)), 0, {expected, expected, expected}, 1.1);
}

TEST_CASE(
    "an ICC profile in several segments is put together in their order; with one missing it is not used") {
  const std::string icc = rgb_icc(kD65, kDisplayP3, 2.2), plain = flat_jpeg(kColourBytes);
  const std::string whole = with_icc(plain, icc, 3);
  check_pixel(decode(whole), 0, to_srgb(kDisplayP3, 2.2, kColour), 2);
  CHECK(notes_of(whole) == "");
  std::string missing = whole;
  missing.replace(missing.find("ICC_PROFILE\0\2"s), 11, "ICC_NOTHING");
  CHECK(notes_of(missing) == kAssumed);
  CHECK(decode(missing).rgb == decode(plain).rgb);
  const std::string twice = with_segment(whole, 0xe2, "ICC_PROFILE\0\1\3"s + icc.substr(0, 9));
  CHECK(notes_of(twice) == kAssumed);
}

TEST_CASE("of a profile with multi-process elements the simpler tags are followed") {
  const std::string icc = rgb_icc(kD65, kSrgb, 1.4), plain = flat_jpeg(kColourBytes);
  const std::string elements = with_black_elements(icc);
  REQUIRE(elements.find("mpet") != std::string::npos);
  CHECK(decode(with_icc(plain, elements)).rgb == decode(with_icc(plain, icc)).rgb);
  CHECK(notes_of(with_icc(plain, elements)) == "");
}

TEST_CASE("a broken profile is noted, and the picture read as sRGB") {
  const std::string icc = rgb_icc(kD65, kDisplayP3, 2.2), plain = flat_jpeg(kColourBytes);
  for (const std::string& broken : {"nonsense"s, icc.substr(0, 100), std::string(icc.size(), '\0')}) {
    CHECK(notes_of(with_icc(plain, broken)) == kAssumed);
    CHECK(decode(with_icc(plain, broken)).rgb == decode(plain).rgb);
    CHECK(notes_of(rgb_png(iccp(broken))) == kAssumed);
  }
  CHECK(notes_of(with_icc(plain, grey_icc(2.2))) ==
        "in: its colour profile is damaged or of another kind than its pixels; sRGB is assumed");
  std::string flipped = iccp(icc);
  flipped[flipped.size() / 2] ^= 1;
  CHECK(notes_of(rgb_png(flipped)) == kAssumed);
}

TEST_CASE("no damage to a profile is more than a note") {
  const std::string icc = rgb_icc(kD65, kDisplayP3, 2.2), plain = flat_jpeg(kColourBytes);
  for (size_t i = 0; i < icc.size(); i += 5) {
    for (const char wrong : {'\0', '\x7f', '\xff'}) {
      std::string damaged = icc;
      damaged[i] = wrong;
      CHECK(error_of(with_icc(plain, damaged)) == "");
    }
  }
}

TEST_CASE("gAMA and cHRM of PNG are followed, from grey pictures too") {
  check_pixel(decode(rgb_png(gama(1))), 0, to_srgb(kSrgb, 1, kColour), 0.6);
  check_pixel(decode(rgb_png(gama(1 / 2.2) + chrm(kDisplayP3))), 0, to_srgb(kDisplayP3, 0, kColour), 0.6);
  check_pixel(decode(rgb_png(gama(1 / 1.8) + chrm(kAdobeRgb))), 0, to_srgb(kAdobeRgb, 1.8, kColour), 0.6);
  const double grey = to_srgb(kSrgb, 1, {90, 90, 90})[0];
  check_pixel(decode(png(2, 1, 8, 0, "\0ZZ"s, gama(1))), 0, {grey, grey, grey}, 0.6);
}

TEST_CASE("cICP counts before iCCP, iCCP before sRGB, sRGB before gAMA and cHRM") {
  const std::string adobe = iccp(rgb_icc(kD65, kAdobeRgb, 2.19921875)), srgb = png_chunk("sRGB", "\0"s);
  check_pixel(decode(rgb_png(cicp(12, 4) + adobe)), 0, to_srgb(kDisplayP3, 2.2, kColour), 0.6);
  check_pixel(decode(rgb_png(gama(1) + adobe)), 0, to_srgb(kAdobeRgb, 2.19921875, kColour), 0.6);
  check_pixel(decode(rgb_png(srgb + gama(1) + chrm(kAdobeRgb))), 0, kColour, 1e-3);
  // What does not count does not make the profile any worse either, before it or behind, right or wrong.
  const std::string zeros = png_chunk("gAMA", big_endian(0)) + png_chunk("cHRM", std::string(32, '\0'));
  for (const std::string& chunks :
       {srgb + adobe, adobe + srgb, zeros + adobe, adobe + zeros, gama(1) + adobe}) {
    check_pixel(decode(rgb_png(chunks)), 0, to_srgb(kAdobeRgb, 2.19921875, kColour), 0.6);
    CHECK(notes_of(rgb_png(chunks)) == "");
  }
}

TEST_CASE("cICP that sRGB cannot show is refused, one that is unknown is noted") {
  CHECK(error_of(rgb_png(cicp(9, 16))) ==
        "3: in: is an HDR picture (PQ), which is not read; export it as an SDR picture first");
  CHECK(error_of(rgb_png(cicp(9, 18))).find("HLG") != std::string::npos);
  CHECK(notes_of(rgb_png(cicp(1, 13, 0, 0))) ==
        "in: its colours (cICP 1 13 0 0) are not known; sRGB is assumed");
  CHECK(notes_of(rgb_png(cicp(77, 13))).find("not known; sRGB is assumed") != std::string::npos);
}

TEST_CASE("the ICC profile of a BMP and of a GIF is followed") {
  const std::string icc = rgb_icc(kD65, kDisplayP3, 2.2);
  const std::vector<double> expected = to_srgb(kDisplayP3, 2.2, kColour);
  const auto bmp = [](const std::string& profile, uint32_t size) {
    return "BM"s + little_endian(146 + profile.size(), 4) + little_endian(0, 4) + little_endian(138, 4) +
           little_endian(124, 4) + little_endian(2, 4) + little_endian(1, 4) + little_endian(1, 2) +
           little_endian(24, 2) + std::string(40 - 16, '\0') + std::string(16, '\0') + "DEBM" +
           std::string(112 - 60, '\0') + little_endian(132, 4) + little_endian(size, 4) +
           little_endian(0, 4) + "\x3c\x5a\xb4\x3c\x5a\xb4\0\0"s + profile;
  };
  check_pixel(decode(bmp(icc, static_cast<uint32_t>(icc.size()))), 0, expected, 0.6);
  CHECK(notes_of(bmp(icc, 1 << 30)) == kAssumed);

  std::string blocks;
  for (size_t at = 0; at < icc.size(); at += 255) {
    const std::string part = icc.substr(at, 255);
    blocks += static_cast<char>(part.size()) + part;
  }
  const std::string gif = "GIF89a\2\0\1\0\x80\0\0\xb4\x5a\x3c\xff\xff\xff\x21\xff\x0bICCRGBG1012"s + blocks +
                          "\0"s + ",\0\0\0\0\2\0\1\0\0\2\2\x04\x0a\0;"s;
  check_pixel(decode(gif), 0, expected, 0.6);
}

TEST_CASE("impossible gammas and primaries are noted") {
  CHECK(notes_of(rgb_png(png_chunk("gAMA", big_endian(0)))).find("gamma is beyond reason") !=
        std::string::npos);
  CHECK(notes_of(rgb_png(png_chunk("cHRM", std::string(32, '\0')))).find("beyond reason") !=
        std::string::npos);
}

TEST_CASE("a camera's note of Adobe RGB is a profile where there is none") {
  const std::vector<double> expected = to_srgb(kAdobeRgb, 2.19921875, kColour);
  const std::string plain = flat_jpeg(kColourBytes);
  check_pixel(decode(with_segment(plain, 0xe1, adobe_exif(2, "R98"))), 0, expected, 2);
  check_pixel(decode(with_segment(plain, 0xe1, adobe_exif(0xffff, "R03"))), 0, expected, 2);
  CHECK(decode(with_segment(plain, 0xe1, adobe_exif(1, "R98"))).rgb == decode(plain).rgb);
  CHECK(decode(with_segment(plain, 0xe1, adobe_exif(0xffff, "R98"))).rgb == decode(plain).rgb);
  CHECK(decode(with_icc(with_segment(plain, 0xe1, adobe_exif(2, "R03")), srgb_icc())).rgb ==
        decode(plain).rgb);
}

}  // namespace swag::test
