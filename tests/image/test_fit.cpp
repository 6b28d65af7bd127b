#include <doctest/doctest.h>

#include <algorithm>

#include "src/image/fit.h"
#include "tests/helpers.h"

namespace swag::test {
namespace {

/// Every pixel says where it lies: red its row, green its column, of 256.
Image map_of_places(int h, int w, bool alpha = false) {
  Image image{h, w, {}, {}};
  for (int r = 0; r < h; ++r) {
    for (int q = 0; q < w; ++q) {
      image.rgb.insert(image.rgb.end(), {static_cast<float>(r) / 256, static_cast<float>(q) / 256, 0.5f});
      if (alpha) image.alpha.push_back(q % 2 == 0 ? 1.0f : 0.5f);
    }
  }
  return image;
}

}  // namespace

TEST_CASE("shapes are the same to the pixel's rounding, whatever the sizes") {
  CHECK(same_shape({576, 768}, {384, 512}));
  CHECK(same_shape({333, 1000}, {33, 100}));
  CHECK(same_shape({333, 1000}, {34, 100}));
  CHECK(same_shape({100, 100}, {512, 512}));
  CHECK_FALSE(same_shape({100, 100}, {480, 640}));
  CHECK_FALSE(same_shape({480, 640}, {640, 480}));
  CHECK_FALSE(same_shape({333, 1000}, {36, 100}));
}

TEST_CASE("a crop is the middle of the picture, as large as the shape allows") {
  const Image wide = fit_to_shape(map_of_places(60, 100, true), {30, 30}, Fit::kCrop);
  CHECK((wide.h == 60 && wide.w == 60));
  CHECK(wide.rgb[0] == 0);
  CHECK(wide.rgb[1] * 256 == 20);
  CHECK(wide.alpha.size() == 3600);
  CHECK(wide.alpha[1] == 0.5f);
  const Image tall = fit_to_shape(map_of_places(100, 60), {20, 40}, Fit::kCrop);
  CHECK((tall.h == 30 && tall.w == 60));
  CHECK(tall.rgb[0] * 256 == 35);
  CHECK(tall.alpha.empty());
}

TEST_CASE("a padded picture has the size asked for, all of itself in the middle and nothing around it") {
  const Image image = map_of_places(60, 100), padded = fit_to_shape(image, {50, 50}, Fit::kPad);
  REQUIRE((padded.h == 50 && padded.w == 50));
  const Image inside = resize(image, 30, 50);
  for (int r = 0; r < 50; ++r) {
    for (int q = 0; q < 50; ++q) {
      const bool shown = r >= 10 && r < 40;
      CHECK(padded.alpha[r * 50 + q] == (shown ? 1.0f : 0.0f));
      if (shown) CHECK(padded.rgb[(r * 50 + q) * 3] == inside.rgb[((r - 10) * 50 + q) * 3]);
    }
  }
  CHECK(fit_to_shape(map_of_places(60, 100, true), {100, 100}, Fit::kPad).alpha[50 * 100 + 1] < 1);
}

TEST_CASE("what has the shape already, or is to be stretched, stays as it is") {
  const Image image = map_of_places(60, 100);
  for (const Fit fit : {Fit::kStretch, Fit::kCrop, Fit::kPad}) {
    const Image same = fit_to_shape(image, {30, 50}, fit);
    CHECK((same.rgb == image.rgb && same.alpha.empty()));
  }
  CHECK(fit_to_shape(image, {50, 50}, Fit::kStretch).rgb == image.rgb);
}

TEST_CASE("the narrowest shapes leave a pixel") {
  CHECK(fit_to_shape(map_of_places(2, 100), {100, 1}, Fit::kCrop).w == 1);
  CHECK(fit_to_shape(map_of_places(1, 100), {100, 2}, Fit::kPad).alpha[98] == 1);
}

}  // namespace swag::test
