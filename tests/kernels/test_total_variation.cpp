#include <doctest/doctest.h>

#include "kernels/cpu/thread_pool.h"
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
