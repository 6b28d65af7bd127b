// Pictures much larger than wanted: averaged as they are read.
#include <doctest/doctest.h>

#include "src/codecs/picture_builder.h"
#include "tests/codecs/picture_files.h"
#include "tests/helpers.h"

using namespace std::string_literals;

namespace swag::test {
namespace {

SizeRule longest(int side) {
  SizeRule rule;
  rule.longest = side;
  return rule;
}

SizeRule exact(int w, int h) {
  SizeRule rule;
  rule.w = w;
  rule.h = h;
  return rule;
}

PictureBuilder::Source source(int h, int w, int channels, int orientation = 1) {
  PictureBuilder::Source result;
  result.h = h;
  result.w = w;
  result.layout = {channels, 1};
  result.orientation = orientation;
  return result;
}

Image built(const std::vector<uint8_t>& pixels, const PictureBuilder::Source& source,
            const SizeRule& wanted) {
  PictureFile file;
  file.wanted = wanted;
  PictureBuilder builder(file, source);
  for (int row = 0; row < source.h; ++row) {
    builder.add_row(&pixels[static_cast<size_t>(row) * source.w * source.layout.channels]);
  }
  return builder.finish();
}

}  // namespace

TEST_CASE("a picture keeps its size unless it is more than eight times as large as wanted") {
  CHECK(kept_size(original_size(), 9000, 7000) == Size{9000, 7000});
  CHECK(kept_size(longest(512), 3000, 4000) == Size{3000, 4000});
  CHECK(kept_size(longest(500), 3000, 4000) == Size{3000, 4000});
  CHECK(kept_size(longest(499), 3000, 4000) == Size{4 * 374, 4 * 499});
  CHECK(kept_size(longest(64), 16384, 16384) == Size{256, 256});
  CHECK(kept_size(exact(100, 100), 2000, 4000) == Size{400, 800});  // its shape stays
  CHECK(kept_size(exact(4000, 10), 4000, 4000) == Size{4000, 4000});
  CHECK(kept_size(longest(64), 3, 32768) == Size{3, 32768});
}

TEST_CASE("the size that a rule gives is the same for what is kept as for the picture") {
  Random random(3);
  for (int i = 0; i < 20000; ++i) {
    const int h = 1 + static_cast<int>(random.bits() % 9000), w = 1 + static_cast<int>(random.bits() % 9000);
    const SizeRule rule = longest(1 + static_cast<int>(random.bits() % 900));
    const Size kept = kept_size(rule, h, w);
    const bool same = target_size(rule, kept.h, kept.w) == target_size(rule, h, w);
    CHECK(same);
  }
}

TEST_CASE("what is kept is the mean of the pixels beneath, also where they lie across a border") {
  // 21 x 19 to 4 x 4 of a wanted 1: every kept pixel has 5.25 x 4.75 of the source.
  const std::vector<uint8_t> pixels = smooth_pixels(19, 21, 3);
  const Image image = built(pixels, source(19, 21, 3), exact(1, 1));
  REQUIRE(image.w == 4);
  REQUIRE(image.h == 4);
  for (int row = 0; row < 4; ++row) {
    for (int col = 0; col < 4; ++col) {
      double sum[3] = {}, area = 0;
      for (int r = 0; r < 19; ++r) {
        for (int q = 0; q < 21; ++q) {
          const auto overlap = [](double a, double b, double c, double d) {
            return std::max(0.0, std::min(b, d) - std::max(a, c));
          };
          const double weight = overlap(r, r + 1, row * 19 / 4.0, (row + 1) * 19 / 4.0) *
                                overlap(q, q + 1, col * 21 / 4.0, (col + 1) * 21 / 4.0);
          area += weight;
          for (int c = 0; c < 3; ++c) sum[c] += weight * pixels[(r * 21 + q) * 3 + c];
        }
      }
      check_pixel(image, row * 4 + col, sum[0] / area, sum[1] / area, sum[2] / area, 1e-3);
    }
  }
}

TEST_CASE("grey, RGB and opaque alpha are averaged to the same") {
  std::vector<uint8_t> grey = smooth_pixels(40, 40, 1), grey_alpha, rgb, rgba;
  for (const uint8_t value : grey) {
    grey_alpha.insert(grey_alpha.end(), {value, 255});
    rgb.insert(rgb.end(), {value, value, value});
    rgba.insert(rgba.end(), {value, value, value, 255});
  }
  const Image expected = built(grey, source(40, 40, 1), longest(2));
  REQUIRE(expected.w == 8);
  CHECK(relative_l2(built(grey_alpha, source(40, 40, 2), longest(2)).rgb, expected.rgb) < 1e-6);
  CHECK(relative_l2(built(rgb, source(40, 40, 3), longest(2)).rgb, expected.rgb) < 1e-6);
  const Image opaque = built(rgba, source(40, 40, 4), longest(2));
  CHECK(relative_l2(opaque.rgb, expected.rgb) < 1e-6);
  CHECK(opaque.alpha.empty());
}

TEST_CASE("invisible pixels lend no colour to what is kept") {
  std::vector<uint8_t> pixels;
  for (int i = 0; i < 36 * 36; ++i) {
    const bool seen = i % 2 == 0;
    pixels.insert(pixels.end(), {static_cast<uint8_t>(seen ? 200 : 0), static_cast<uint8_t>(seen ? 100 : 255),
                                 0, static_cast<uint8_t>(seen ? 255 : 0)});
  }
  const Image image = built(pixels, source(36, 36, 4), longest(1));
  REQUIRE(image.w == 4);
  for (size_t i = 0; i < 16; ++i) {
    check_pixel(image, i, 200, 100, 0, 1e-3);
    CHECK(image.alpha[i] == doctest::Approx(0.5).epsilon(0.12));
  }
}

TEST_CASE("a reduced picture is turned the right way up as a whole one is") {
  const std::vector<uint8_t> pixels = smooth_pixels(40, 72, 3);
  const Image upright = built(pixels, source(40, 72, 3), longest(4));
  REQUIRE(upright.w == 16);
  REQUIRE(upright.h == 8);
  for (int orientation = 2; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const Image turned = built(pixels, source(40, 72, 3, orientation), longest(4));
    CHECK(turned.h == (orientation < 5 ? 8 : 16));
    const bool bottom = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    const bool right = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    const size_t corner =
        static_cast<size_t>(bottom ? turned.h - 1 : 0) * turned.w + (right ? turned.w - 1 : 0);
    for (size_t c = 0; c < 3; ++c) CHECK(turned.rgb[corner * 3 + c] == upright.rgb[c]);
  }
}

TEST_CASE("every format is reduced as it is read, with the same size as the whole for the same rule") {
  const std::string rows = std::string(1 << 10, '\0');
  const std::string bmp_header = "BM"s + little_endian(54 + 64 * 192, 4) + little_endian(0, 4) +
                                 little_endian(54, 4) + little_endian(40, 4) + little_endian(64, 4) +
                                 little_endian(64, 4) + little_endian(1, 2) + little_endian(24, 2) +
                                 std::string(24, '\0');
  const std::string files[] = {jpeg(smooth_pixels(64, 64, 3), 64, 64), flat_jpeg({10, 20, 30, 40}, 64, 64),
                               png(64, 64, 8, 0, std::string(65 * 64, '\0')),
                               "P6 64 64 255\n" + std::string(64 * 64 * 3, 'x'),
                               bmp_header + std::string(64 * 192, 'x')};
  for (const std::string& file : files) {
    const Image image = decode(file, longest(5));
    CHECK(image.w == 20);
    CHECK(image.h == 20);
  }
}

TEST_CASE("a picture that is reduced gives nearly what the whole one gives when both are resized") {
  const std::vector<uint8_t> pixels = smooth_pixels(400, 600, 3);
  const std::string file = jpeg(pixels, 400, 600);
  const Image small = resize(decode(file, longest(60)), 40, 60), whole = resize(decode(file), 40, 60);
  CHECK(worst_element(small.rgb, whole.rgb) < 0.5 / 255);
}

}  // namespace swag::test
