#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "src/image/resize.h"
#include "src/image/transparency.h"
#include "tests/image/transparent_pictures.h"

namespace swag::test {
namespace {

/// What a picture looks like: its colours over grey.
std::vector<float> over_grey(const Image& image) {
  std::vector<float> seen(image.rgb);
  for (size_t i = 0; i < seen.size(); ++i) {
    const float alpha = image.alpha.empty() ? 1 : image.alpha[i / 3];
    seen[i] = alpha * seen[i] + (1 - alpha) * 0.5f;
  }
  return seen;
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  float largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace

TEST_CASE("what cannot be seen is filled with what is around it, whatever was hidden there") {
  for (const float hidden : {0.0f, 1.0f, std::numeric_limits<float>::quiet_NaN()}) {
    Image image = disc(33, 47, {0.8f, 0.3f, 0.1f}, hidden);
    const std::vector<float> alpha = image.alpha;
    image = with_invisible_filled(std::move(image));
    for (size_t i = 0; i < image.rgb.size(); i += 3) {
      CHECK(image.rgb[i] == doctest::Approx(0.8f));
      CHECK(image.rgb[i + 1] == doctest::Approx(0.3f));
      CHECK(image.rgb[i + 2] == doctest::Approx(0.1f));
    }
    CHECK(image.alpha == alpha);
  }
}

TEST_CASE("a hole between two colours goes smoothly from one to the other, and what is seen stays") {
  Image image{1, 64, std::vector<float>(64 * 3, 0.0f), std::vector<float>(64, 0.0f)};
  for (int q : {0, 1, 2, 3, 60, 61, 62, 63}) {
    image.alpha[q] = 1;
    for (int c = 0; c < 3; ++c) image.rgb[3 * q + c] = q < 32 ? 0.2f : 0.9f;
  }
  image = with_invisible_filled(std::move(image));
  for (int q = 1; q < 64; ++q) {
    CHECK(image.rgb[3 * q] >= image.rgb[3 * q - 3] - 1e-6f);
    CHECK(image.rgb[3 * q] - image.rgb[3 * q - 3] < 0.12f);
  }
  CHECK(image.rgb[3 * 3] == 0.2f);
  CHECK(image.rgb[3 * 60] == 0.9f);
}

TEST_CASE("partly transparent pixels keep their colours, and count by their alpha") {
  Image image{1, 4, std::vector<float>(12, 0.5f), {0.75f, 0.25f, 0, 0}};
  for (int c = 0; c < 3; ++c) image.rgb[c] = 1, image.rgb[3 + c] = 0;
  image = with_invisible_filled(std::move(image));
  CHECK(image.rgb[0] == 1);
  CHECK(image.rgb[3] == 0);
  CHECK(image.rgb[9] == doctest::Approx(0.75f));
  Image faint{2, 2, random_vector<float>(12, 1, 0, 1), std::vector<float>(4, 0.25f)};
  CHECK(with_invisible_filled(faint).rgb == faint.rgb);
}

TEST_CASE("whether there is anything to see in a picture") {
  const Image image = disc(8, 8, {1, 0, 0}, 0.3f, 0);
  CHECK_FALSE(anything_visible(image));
  CHECK(with_invisible_filled(image).rgb == image.rgb);  // there is nothing to fill it with
  CHECK(anything_visible(disc(8, 8, {1, 0, 0}, 0.3f)));
  CHECK(anything_visible(Image{1, 2, std::vector<float>(6), {}}));
}

TEST_CASE("resizing mixes no hidden colour into the rims") {
  for (const Size to : {Size{300, 300}, Size{96, 140}, Size{200, 77}, Size{9, 9}}) {
    CAPTURE(to.h);
    const Image image = disc(200, 200, {0.9f, 0.5f, 0.2f}, 0), small = resize(image, to.h, to.w);
    CHECK(small.rgb == resize(disc(200, 200, {0.9f, 0.5f, 0.2f}, 1), to.h, to.w).rgb);
    Image flat = small;  // of one colour, so that only the alpha can differ
    for (size_t i = 0; i < flat.rgb.size(); ++i) flat.rgb[i] = std::vector<float>{0.9f, 0.5f, 0.2f}[i % 3];
    CHECK(largest_difference(small.rgb, flat.rgb) < 1e-4f);
  }
}

TEST_CASE("a resized transparent picture looks like the resized look of it") {
  Image image{60, 80, random_vector<float>(60 * 80 * 3, 1, 0.2, 0.8), {}};
  for (int r = 0; r < 60; ++r) {  // from nothing on the left to all on the right
    for (int q = 0; q < 80; ++q) image.alpha.push_back(std::clamp((q - 20) / 40.0f, 0.0f, 1.0f));
  }
  const Image seen{60, 80, over_grey(image), {}};
  for (const Size to : {Size{41, 50}, Size{100, 133}}) {
    const std::vector<float> after = over_grey(resize(image, to.h, to.w)),
                             truth = resize(seen, to.h, to.w).rgb;
    CHECK(largest_difference(after, truth) < 1.01f / 255);
  }
}

TEST_CASE("resizing to the same size hides nothing either") {
  CHECK(resize(disc(9, 9, {1, 0, 0}, 0.3f), 9, 9).rgb == resize(disc(9, 9, {1, 0, 0}, 0.9f), 9, 9).rgb);
}

}  // namespace swag::test
