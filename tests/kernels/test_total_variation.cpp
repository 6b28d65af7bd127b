#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

#include "kernels/cpu/thread_pool.h"
#include "kernels/normalize.h"
#include "kernels/total_variation.h"
#include "tests/helpers.h"
#include "tests/kernels/total_variation_cases.h"

using namespace swag;
using namespace swag::test;

TEST_CASE_TEMPLATE("total variation of a 2x2 image", T, float, double) {
  const std::vector<T> x{1, 3, 2, 7};  // rows (1, 3), (2, 7): pairs 2, 5 across, 1, 4 down
  GuardedBuffer<T> dx(std::vector<T>{100, 0, 0, 0});
  double loss = 0;
  cpu::total_variation(&loss, dx.data(), x.data(), 0.5, {2, 2, 1}, Stream{});
  CHECK(loss == 4 + 25 + 1 + 16);
  CHECK(dx.values() == std::vector<T>{100 - 3, 2 - 4, 1 - 5, 5 + 4});
  CHECK(dx.intact());
}

TEST_CASE_TEMPLATE("total variation of a single pixel is 0", T, float, double) {
  const std::vector<T> x{1, 2, 3};
  GuardedBuffer<T> dx(std::vector<T>{0, 0, 0});
  double loss = -1;
  cpu::total_variation(&loss, dx.data(), x.data(), 1, {1, 1, 3}, Stream{});
  CHECK(loss == 0);
  CHECK(dx.values() == std::vector<T>{0, 0, 0});
  CHECK(dx.intact());
}

TEST_CASE("total variation's gradient agrees with central differences on odd shapes") {
  for (const TotalVariationParams& params : kTotalVariationShapes) {
    const int64_t count = int64_t{params.h} * params.w * params.c;
    auto x = random_vector<double>(count, 1);
    std::vector<double> dx(x.size()), ignored(x.size()), expected(x.size());
    double loss = 0;
    cpu::total_variation(&loss, dx.data(), x.data(), 0.7, params, Stream{});
    for (size_t i = 0; i < x.size(); ++i) {
      const double step = 1e-4, here = x[i];
      double above = 0, below = 0;
      x[i] = here + step;
      cpu::total_variation(&above, ignored.data(), x.data(), 0, params, Stream{});
      x[i] = here - step;
      cpu::total_variation(&below, ignored.data(), x.data(), 0, params, Stream{});
      x[i] = here;
      expected[i] = 0.7 * (above - below) / (2 * step);
    }
    CHECK(relative_l2(dx, expected) <= 1e-8);
    CHECK(worst_element(dx, expected) <= 1e-8);
  }
}

TEST_CASE_TEMPLATE("total variation does not depend on the number of threads", T, float, double) {
  const TotalVariationParams params{150, 131, 3};
  const auto x = random_vector<T>(150 * 131 * 3, 1);
  std::vector<T> dx_one(x.size()), dx_many(x.size());
  double one = 0, many = 0;
  ThreadPool pool(3);
  cpu::total_variation(&one, dx_one.data(), x.data(), 0.1, params, Stream{});
  cpu::total_variation(&many, dx_many.data(), x.data(), 0.1, params, cpu::stream_of(pool));
  CHECK(same_bytes(&one, &many, 1));
  CHECK(dx_one == dx_many);
}

namespace {

/// The nine-point loss as it is defined: on the picture with its edge repeated once around it.
double naive_nine_point(const std::vector<double>& x, int h, int w) {
  const auto at = [&](int row, int col, int c) {
    return x[(int64_t{std::clamp(row, 0, h - 1)} * w + std::clamp(col, 0, w - 1)) * 3 + c];
  };
  double straight = 0, diagonal = 0;
  for (int c = 0; c < 3; ++c) {
    const auto square = [&](int r, int q, int r2, int q2) {
      const double difference = pixel_deviation(c) * (at(r, q, c) - at(r2, q2, c));
      return difference * difference;
    };
    for (int r = 0; r < h; ++r) {
      for (int q = 0; q < w; ++q) straight += square(r, q, r, q + 1) + square(r, q, r + 1, q);
    }
    for (int r = -1; r < h; ++r) {
      for (int q = -1; q < w; ++q) diagonal += square(r, q, r + 1, q + 1) + square(r, q + 1, r + 1, q);
    }
  }
  return 2.0 / 3 * straight + diagonal * h * w / (6.0 * (h + 1) * (w + 1));
}

}  // namespace

TEST_CASE(
    "the nine-point total variation is that of the picture with its edge repeated, and so its gradient") {
  for (const auto& size : {std::pair{1, 1}, {1, 6}, {7, 1}, {2, 2}, {4, 9}}) {
    const int h = size.first, w = size.second;
    CAPTURE(h);
    CAPTURE(w);
    auto x = random_vector<double>(int64_t{h} * w * 3, 1);
    const std::vector<double> before = random_vector<double>(int64_t{h} * w * 3, 2);
    GuardedBuffer<double> dx(before);
    double loss = -1;
    cpu::total_variation_nine_point(&loss, dx.data(), x.data(), 0.7, {h, w, 3}, Stream{});
    CHECK(std::abs(loss - naive_nine_point(x, h, w)) <= 1e-13 * std::max(1.0, loss));
    CHECK(dx.intact());
    std::vector<double> expected = before;
    for (size_t i = 0; i < x.size(); ++i) {
      const double step = 1e-4, here = x[i];
      x[i] = here + step;
      const double above = naive_nine_point(x, h, w);
      x[i] = here - step;
      const double below = naive_nine_point(x, h, w);
      x[i] = here;
      expected[i] += 0.7 * (above - below) / (2 * step);
    }
    CHECK(worst_element(dx.values(), expected) <= 1e-8);
  }
}

TEST_CASE_TEMPLATE("the nine-point total variation does not depend on the number of threads", T, float,
                   double) {
  const TotalVariationParams params{150, 131, 3};
  const auto x = random_vector<T>(150 * 131 * 3, 1);
  std::vector<T> dx_one(x.size()), dx_many(x.size());
  double one = 0, many = 0;
  ThreadPool pool(3);
  cpu::total_variation_nine_point(&one, dx_one.data(), x.data(), 0.1, params, Stream{});
  cpu::total_variation_nine_point(&many, dx_many.data(), x.data(), 0.1, params, cpu::stream_of(pool));
  CHECK(same_bytes(&one, &many, 1));
  CHECK(dx_one == dx_many);
}
