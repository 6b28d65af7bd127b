#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "kernels/normalize.h"
#include "tests/helpers.h"

using namespace swag;
using namespace swag::test;

TEST_CASE("normalize takes values of 8 bits as n / 255, others as they are") {
  const double mean[3] = {0.485, 0.456, 0.406}, deviation[3] = {0.229, 0.224, 0.225};
  std::vector<float> rgb;
  std::vector<double> values;
  for (int n = 0; n < 256; ++n) {
    rgb.push_back(static_cast<float>(n / 255.0));
    values.push_back(n / 255.0);
  }
  for (const double value : {0.30011, 0.72349}) {
    rgb.push_back(static_cast<float>(value));
    values.push_back(double{rgb.back()});
  }
  GuardedBuffer<double> y(258);
  GuardedBuffer<float> narrow(258);
  cpu::normalize(y.data(), rgb.data(), 86, Stream{});
  cpu::normalize(narrow.data(), rgb.data(), 86, Stream{});
  for (int i = 0; i < 258; ++i) {
    CAPTURE(i);
    CHECK(y[i] == (values[i] - mean[i % 3]) / deviation[i % 3]);
    CHECK(narrow[i] == static_cast<float>(y[i]));
  }
  CHECK(y.intact());
  CHECK(narrow.intact());
}

TEST_CASE_TEMPLATE("denormalize is the inverse, clamped, and a picture has no NaN", T, float, double) {
  const auto rgb = random_vector<float>(3 * 700, 1, 0, 1);
  std::vector<T> x(rgb.size());
  cpu::normalize(x.data(), rgb.data(), 700, Stream{});
  GuardedBuffer<float> back(static_cast<int64_t>(rgb.size()));
  cpu::denormalize(back.data(), x.data(), 700, Stream{});
  double worst = 0;
  for (size_t i = 0; i < rgb.size(); ++i) worst = std::max(worst, std::abs(double{back[i]} - rgb[i]));
  CHECK_FALSE(!(worst <= 1e-6));
  CHECK(back.intact());

  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> extremes = {9, -9, nan, inf, -inf, 0};
  std::vector<float> clamped(6);
  cpu::denormalize(clamped.data(), extremes.data(), 2, Stream{});
  CHECK(clamped == std::vector<float>{1, 0, 0, 1, 0, 0.406f});
}
