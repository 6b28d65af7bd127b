#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "src/image/grid.h"
#include "src/image/resize.h"
#include "src/run/pixels.h"
#include "tests/helpers.h"
#include "tests/weights/weight_files.h"

namespace swag::test {
namespace {

Image random_image(int h, int w, uint64_t seed, bool alpha = false) {
  Image image{h, w, random_vector<float>(int64_t{h} * w * 3, seed, 0, 1), {}};
  if (alpha) image.alpha = random_vector<float>(int64_t{h} * w, seed + 1, 0, 1);
  return image;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Image plain(int h, int w, float value) {
  return {h, w, std::vector<float>(static_cast<size_t>(h) * w * 3, value), {}};
}

/// resized_map in double on the CPU.
std::vector<double> resize_map(const std::vector<double>& map, int h_in, int w_in, int c, int h, int w) {
  const auto backend = make_cpu_backend(1);
  const OwnedTensor x(*backend, DType::kFloat64, {h_in, w_in, c});
  upload_values(*backend, x.tensor, map);
  return download_values(*backend, resized_map(*backend, x.tensor, {h, w}).tensor);
}

}  // namespace

TEST_CASE("parse_size reads the longest side, width x height, and orig") {
  CHECK(parse_size("512").longest == 512);
  CHECK(parse_size("640x480").w == 640);
  CHECK(parse_size("640x480").h == 480);
  CHECK(parse_size("orig").original);
  for (const char* text : {"512", "640x480", "orig"}) CHECK(size_text(parse_size(text)) == text);
}

TEST_CASE("parse_size refuses everything else as a usage error that shows the text") {
  const std::string wrong[] = {"",
                               "0",
                               "-5",
                               "+5",
                               "512px",
                               "51 2",
                               " 512",
                               "1e3",
                               "nan",
                               "inf",
                               "12.5",
                               "640x",
                               "x480",
                               "640x0",
                               "640x480x3",
                               "640X-1",
                               "Orig",
                               "32769",
                               "99999999999999999999",
                               "4294967297x8"};
  for (const std::string& text : wrong) {
    const std::string error = error_text([&] { parse_size(text); });
    CHECK(error.substr(0, 3) == "2: ");
    CHECK(error.find("'" + text + "'") != std::string::npos);
  }
  CHECK(error_text([] { parse_size("a\x1b[2J"); }).find("'a\\x1b[2J'") != std::string::npos);
}

TEST_CASE("target_size keeps the proportions to the nearest pixel, and one pixel at least") {
  const auto check = [](const char* rule, Size from, Size expected) {
    const Size size = target_size(parse_size(rule), from.h, from.w);
    CHECK(size.h == expected.h);
    CHECK(size.w == expected.w);
  };
  check("512", {576, 768}, {384, 512});
  check("512", {768, 576}, {512, 384});
  check("512", {100, 100}, {512, 512});
  check("100", {333, 1000}, {33, 100});
  check("100", {335, 1000}, {34, 100});  // 33.5
  check("10", {1, 1000}, {1, 10});
  check("640x480", {7, 9}, {480, 640});
  check("orig", {7, 9}, {7, 9});
}

TEST_CASE("resize to the same size is the identity") {
  const Image image = random_image(5, 7, 1, true), same = resize(image, 5, 7);
  CHECK(same.rgb == image.rgb);
  CHECK(same.alpha == image.alpha);
  const std::vector<double> map = random_vector<double>(5 * 7 * 2, 2, -9, 9);
  CHECK(resize_map(map, 5, 7, 2, 5, 7) == map);
}

TEST_CASE("resized_map enlarges by Catmull-Rom, with weights renormalised at the borders") {
  // Twice as large: outputs lie 1/4 and 3/4 between samples. The kernel at distances 0.25, 0.75, 1.25, 1.75:
  const double k025 = 111 / 128.0, k075 = 29 / 128.0, k125 = -9 / 128.0, k175 = -3 / 128.0;
  const std::vector<double> x = {3, -1, 4, 1, 5}, y = resize_map(x, 1, 5, 1, 1, 10);
  REQUIRE(y.size() == 10);
  const double middle = k175 * x[0] + k075 * x[1] + k025 * x[2] + k125 * x[3];  // output 4, at 1.75
  CHECK(y[4] == doctest::Approx(middle).epsilon(1e-14));
  const double border =
      (k025 * x[0] + k125 * x[1]) / (k025 + k125);  // output 0, at -0.25: 0.25 from sample 0
  CHECK(y[0] == doctest::Approx(border).epsilon(1e-14));
  const std::vector<double> column = resize_map(x, 5, 1, 1, 10, 1);
  CHECK(column == y);
}

TEST_CASE("resized_map shrinks by Lanczos-3, stretched by the ratio") {
  const std::vector<double> x = {3, -1, 4, 1, 5, 9, 2, 6}, y = resize_map(x, 1, 8, 1, 1, 4);
  REQUIRE(y.size() == 4);
  const double pi = std::acos(-1.0);
  for (int i = 0; i < 4; ++i) {
    double sum = 0, total = 0;
    for (int j = 0; j < 8; ++j) {
      const double d = (j - (2 * i + 0.5)) / 2;
      if (std::abs(d) >= 3) continue;
      const double weight = std::sin(pi * d) / (pi * d) * std::sin(pi * d / 3) / (pi * d / 3);
      sum += weight * x[j];
      total += weight;
    }
    CHECK(y[i] == doctest::Approx(sum / total).epsilon(1e-13));
  }
}

TEST_CASE("bicubic shrinks by the cubic of Catmull and Rom, stretched by the ratio") {
  Image image = plain(1, 4, 0);
  image.rgb = {0.9f, 0, 0, 0.1f, 0, 0, 0.4f, 0, 0, 0.7f, 0, 0};
  // Outputs lie at 0.5 and 2.5; at half the distances to samples 0 to 3 the cubic is:
  const double k025 = 111 / 128.0, k075 = 29 / 128.0, k125 = -9 / 128.0;
  const double expected = (k025 * (0.9 + 0.1) + k075 * 0.4 + k125 * 0.7) / (2 * k025 + k075 + k125);
  const Image cubic = resize(image, 1, 2, Resample::kBicubic), sharper = resize(image, 1, 2);
  CHECK(cubic.rgb[0] == doctest::Approx(expected).epsilon(1e-6));
  CHECK(std::abs(sharper.rgb[0] - expected) > 1e-3);
  CHECK(resize(image, 1, 8, Resample::kBicubic).rgb == resize(image, 1, 8).rgb);
}

TEST_CASE("resized_map treats rows, columns and channels alike and apart") {
  const std::vector<double> map = random_vector<double>(6 * 9 * 2, 3);
  std::vector<double> turned(map.size()), second;
  for (int r = 0; r < 6; ++r) {
    for (int q = 0; q < 9; ++q) {
      for (int c = 0; c < 2; ++c) turned[(q * 6 + r) * 2 + c] = map[(r * 9 + q) * 2 + c];
      second.push_back(map[(r * 9 + q) * 2 + 1]);
    }
  }
  const std::vector<double> a = resize_map(map, 6, 9, 2, 4, 13), b = resize_map(turned, 9, 6, 2, 13, 4);
  const std::vector<double> alone = resize_map(second, 6, 9, 1, 4, 13);
  std::vector<double> expected(a.size()), channel;
  for (int r = 0; r < 4; ++r) {
    for (int q = 0; q < 13; ++q) {
      for (int c = 0; c < 2; ++c) expected[(r * 13 + q) * 2 + c] = b[(q * 4 + r) * 2 + c];
      channel.push_back(a[(r * 13 + q) * 2 + 1]);
    }
  }
  CHECK_FALSE(!(worst_element(a, expected) <= 1e-13));
  CHECK_FALSE(!(worst_element(channel, alone) <= 1e-15));
}

TEST_CASE("resize keeps a constant at every size") {
  for (const int size : {1, 2, 3, 7, 16, 50, 333}) {
    const std::vector<double> map(7 * 16, -2.5), expected(static_cast<size_t>(size) * size, -2.5);
    CHECK_FALSE(!(worst_element(resize_map(map, 7, 16, 1, size, size), expected) <= 1e-14));
    const Image image = resize(plain(7, 16, 0.25f), size, size);
    CHECK(image.h == size);
    CHECK(image.w == size);
    CHECK_FALSE(!(worst_element(image.rgb, plain(size, size, 0.25f).rgb) <= 1e-7));
  }
}

TEST_CASE("shrinking keeps the mean and removes what cannot be shown") {
  const std::vector<double> map = random_vector<double>(128 * 128, 4, 0, 1);
  CHECK(std::abs(mean(resize_map(map, 128, 128, 1, 32, 32)) - mean(map)) < 2e-3);
  std::vector<double> stripes(64 * 64);  // one pixel black, one white: finer than 16 pixels can show
  for (size_t i = 0; i < stripes.size(); ++i) stripes[i] = i % 2;
  const std::vector<double> grey = resize_map(stripes, 64, 64, 1, 16, 16);
  for (int r = 0; r < 16; ++r) {
    for (int q = 2; q < 14; ++q) CHECK(std::abs(grey[r * 16 + q] - 0.5) < 0.01);
  }
}

TEST_CASE("resize clamps pictures, resized_map does not clamp maps, and NaN stays visible in them") {
  Image edge = plain(1, 8, 0);
  std::fill(edge.rgb.begin() + 12, edge.rgb.end(), 1.0f);
  const Image larger = resize(edge, 1, 32);
  CHECK(*std::min_element(larger.rgb.begin(), larger.rgb.end()) == 0.0f);
  CHECK(*std::max_element(larger.rgb.begin(), larger.rgb.end()) == 1.0f);
  const std::vector<double> map = {0, 0, 0, 0, 1, 1, 1, 1}, raw = resize_map(map, 1, 8, 1, 1, 32);
  CHECK(*std::min_element(raw.begin(), raw.end()) < -0.01);
  CHECK(*std::max_element(raw.begin(), raw.end()) > 1.01);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(resize_map({nan, 0, 0}, 1, 3, 1, 1, 2)[0]));
}

TEST_CASE("side_by_side sets pictures as high as the last one, with white between them") {
  Image clear = plain(4, 2, 0);
  clear.alpha.assign(8, 0.0f);
  const Image grid = side_by_side({plain(2, 3, 0.5f), clear, plain(4, 5, 0.25f)});
  CHECK(grid.h == 4);
  REQUIRE(grid.w == 6 + 8 + 2 + 8 + 5);
  CHECK(grid.alpha.empty());
  for (int row = 0; row < 4; ++row) {
    for (int col = 0; col < grid.w; ++col) {
      const float expected = col < 6 ? 0.5f : col < 24 ? 1.0f : 0.25f;
      CHECK(grid.rgb[(row * grid.w + col) * 3] == doctest::Approx(expected).epsilon(1e-6));
    }
  }
}

TEST_CASE("side_by_side keeps a flat picture from taking all memory: twice the last one's longer side") {
  const Image grid =
      side_by_side({plain(1, 32768, 0.5f), plain(4, 5, 0.25f), plain(32768, 1, 0.5f), plain(4, 5, 0.25f)});
  CHECK(grid.h == 4);
  CHECK(grid.w == 10 + 8 + 5 + 8 + 1 + 8 + 5);
  const auto at = [&](int row, int col) { return grid.rgb[(row * grid.w + col) * 3]; };
  CHECK(at(0, 0) == 1.0f);  // white above and below
  CHECK(at(1, 0) == doctest::Approx(0.5f));
  CHECK(at(1, 9) == doctest::Approx(0.5f));
  CHECK(at(2, 0) == 1.0f);
}

}  // namespace swag::test
