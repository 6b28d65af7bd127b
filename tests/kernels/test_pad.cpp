#include <doctest/doctest.h>

#include <numeric>

#include "kernels/cpu/thread_pool.h"
#include "kernels/pad.h"
#include "tests/helpers.h"
#include "tests/kernels/pad_cases.h"

using namespace swag;
using namespace swag::test;

TEST_CASE_TEMPLATE("a map is padded by the nearest of its own elements", T, float, double) {
  for (const PadParams& params : kPadShapes) {
    const auto x = random_vector<T>(int64_t{params.h} * params.w * params.c, 1);
    GuardedBuffer<T> y(int64_t{params.h_out()} * params.w_out() * params.c);
    cpu::pad_replicate_forward(y.data(), x.data(), params, Stream{});
    int wrong = 0;
    for (int row = 0; row < params.h_out(); ++row) {
      for (int col = 0; col < params.w_out(); ++col) {
        const int from = std::clamp(row - params.pad, 0, params.h - 1),
                  source = std::clamp(col - params.pad, 0, params.w - 1);
        for (int c = 0; c < params.c; ++c) {
          wrong += y[(int64_t{row} * params.w_out() + col) * params.c + c] !=
                   x[(int64_t{from} * params.w + source) * params.c + c];
        }
      }
    }
    CHECK_MESSAGE(wrong == 0, params.h << "x" << params.w);
    CHECK(y.intact());
  }
}

TEST_CASE("the way back of a padding is the transpose of the way there") {
  for (const PadParams& params : kPadShapes) {
    const int64_t count = int64_t{params.h} * params.w * params.c,
                  padded = int64_t{params.h_out()} * params.w_out() * params.c;
    const auto x = random_vector<double>(count, 1), dy = random_vector<double>(padded, 2);
    GuardedBuffer<double> y(padded), dx(count);
    cpu::pad_replicate_forward(y.data(), x.data(), params, Stream{});
    cpu::pad_replicate_backward(dx.data(), dy.data(), params, Stream{});
    const std::vector<double> there = y.values(), back = dx.values();
    const double expected = std::inner_product(dy.begin(), dy.end(), there.begin(), 0.0),
                 actual = std::inner_product(back.begin(), back.end(), x.begin(), 0.0);
    CHECK_MESSAGE(std::abs(actual - expected) <= 1e-12 * padded, params.h << "x" << params.w);
    CHECK(dx.intact());
  }
}

TEST_CASE_TEMPLATE("a padding's corner takes all its copies", T, float, double) {
  const std::vector<T> dy(7 * 8, 1);
  GuardedBuffer<T> dx(3 * 4);
  cpu::pad_replicate_backward(dx.data(), dy.data(), {3, 4, 1, 2}, Stream{});
  CHECK(dx.values() == std::vector<T>{9, 3, 3, 9, 3, 1, 1, 3, 9, 3, 3, 9});
}

TEST_CASE("padding does not depend on the number of threads") {
  const PadParams params{131, 150, 3, 3};
  const int64_t count = int64_t{params.h} * params.w * params.c,
                padded = int64_t{params.h_out()} * params.w_out() * params.c;
  const auto x = random_vector<float>(count, 1), dy = random_vector<float>(padded, 2);
  ThreadPool pool(3);
  GuardedBuffer<float> one(padded), many(padded), dx_one(count), dx_many(count);
  cpu::pad_replicate_forward(one.data(), x.data(), params, Stream{});
  cpu::pad_replicate_forward(many.data(), x.data(), params, cpu::stream_of(pool));
  cpu::pad_replicate_backward(dx_one.data(), dy.data(), params, Stream{});
  cpu::pad_replicate_backward(dx_many.data(), dy.data(), params, cpu::stream_of(pool));
  CHECK(one.values() == many.values());
  CHECK(dx_one.values() == dx_many.values());
}
