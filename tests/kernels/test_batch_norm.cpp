#include <doctest/doctest.h>

#include "kernels/batch_norm.h"
#include "kernels/cpu/thread_pool.h"
#include "tests/helpers.h"
#include "tests/kernels/elementwise_cases.h"

using namespace swag;
using namespace swag::test;

TEST_CASE_TEMPLATE("batch norm scales and shifts each channel", T, float, double) {
  const std::vector<T> x{1, 2, 3, 4}, scale{2, -1}, shift{0.5, 10}, dy{1, 1, -3, 5};
  GuardedBuffer<T> y(4), dx(4);
  cpu::batch_norm_forward(y.data(), x.data(), scale.data(), shift.data(), {2, 2, 2, 2}, Stream{});
  cpu::batch_norm_backward(dx.data(), dy.data(), scale.data(), {2, 2, 2, 2}, Stream{});
  CHECK(y.values() == std::vector<T>{2.5, 8, 6.5, 6});
  CHECK(dx.values() == std::vector<T>{2, -1, -6, -5});
  CHECK(y.intact());
  CHECK(dx.intact());
}

TEST_CASE_TEMPLATE("batch norm agrees with its definition on odd shapes and pitches", T, float, double) {
  const double tolerance = sizeof(T) == 4 ? 2e-7 : 1e-15;
  for (const int c : kBatchNormChannels) {
    const int64_t pixels = 6;
    const BatchNormParams params{pixels, c, c + 2, c + 1};
    const auto x = random_vector<T>(pixels * params.x_pitch, 1),
               dy = random_vector<T>(pixels * params.y_pitch, 2);
    const auto scale = random_vector<T>(c, 3), shift = random_vector<T>(c, 4);
    GuardedBuffer<T> y(pixels * params.y_pitch), dx(pixels * params.x_pitch);
    cpu::batch_norm_forward(y.data(), x.data(), scale.data(), shift.data(), params, Stream{});
    cpu::batch_norm_backward(dx.data(), dy.data(), scale.data(), params, Stream{});
    std::vector<double> got, expected;
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (int k = 0; k < c; ++k) {
        got.push_back(y[pixel * params.y_pitch + k]);
        expected.push_back(double{x[pixel * params.x_pitch + k]} * scale[k] + shift[k]);
        got.push_back(dx[pixel * params.x_pitch + k]);
        expected.push_back(double{dy[pixel * params.y_pitch + k]} * scale[k]);
      }
    }
    CHECK(relative_l2(got, expected) <= tolerance);
    CHECK(worst_element(got, expected) <= 2 * tolerance);
    CHECK(y.intact());
    CHECK(dx.intact());
  }
}

TEST_CASE_TEMPLATE("batch norm in place on three threads gives the same bytes", T, float, double) {
  ThreadPool pool(3);
  const BatchNormParams params{3000, 37, 37, 37};
  const auto x = random_vector<T>(3000 * 37, 1), scale = random_vector<T>(37, 2),
             shift = random_vector<T>(37, 3);
  std::vector<T> y(x.size()), in_place = x;
  cpu::batch_norm_forward(y.data(), x.data(), scale.data(), shift.data(), params, Stream{});
  cpu::batch_norm_forward(in_place.data(), in_place.data(), scale.data(), shift.data(), params,
                          cpu::stream_of(pool));
  CHECK(y == in_place);
  in_place = x;
  cpu::batch_norm_backward(y.data(), x.data(), scale.data(), params, Stream{});
  cpu::batch_norm_backward(in_place.data(), in_place.data(), scale.data(), params, cpu::stream_of(pool));
  CHECK(y == in_place);
}
