#include <doctest/doctest.h>

#include <limits>

#include "kernels/cpu/thread_pool.h"
#include "kernels/mask.h"
#include "kernels/relu.h"
#include "tests/helpers.h"
#include "tests/kernels/elementwise_cases.h"

using namespace swag;
using namespace swag::test;

TEST_CASE_TEMPLATE("relu keeps positive values and sets their mask bits", T, float, double) {
  const GuardedBuffer<T> x(std::vector<T>{-1, 2, 0, 3.5, -0.5, -4, 5, 1e-30f});
  GuardedBuffer<T> y(8);
  GuardedBuffer<uint32_t> mask(2);
  cpu::relu_forward(y.data(), mask.data(), x.data(), {2, 4, 4, 4}, Stream{});
  CHECK(y.values() == std::vector<T>{0, 2, 0, 3.5, 0, 0, 5, 1e-30f});
  CHECK(mask[0] == 0b1010u);
  CHECK(mask[1] == 0b1100u);
  CHECK(y.intact());
  CHECK(mask.intact());
}

TEST_CASE_TEMPLATE("relu forward and backward agree with their definition on odd shapes and pitches", T,
                   float, double) {
  for (const int c : kReluChannels) {
    for (const int64_t pixels : {1, 7}) {
      const ReluParams params{pixels, c, c + 5, c + 2};
      const auto x = random_vector<T>(pixels * params.x_pitch, 1),
                 dy = random_vector<T>(pixels * params.y_pitch, 2);
      GuardedBuffer<T> y(pixels * params.y_pitch), dx(pixels * params.x_pitch);
      GuardedBuffer<uint32_t> mask(pixels * mask_words(c));
      cpu::relu_forward(y.data(), mask.data(), x.data(), params, Stream{});
      cpu::relu_backward(dx.data(), dy.data(), mask.data(), params, Stream{});
      int wrong = 0;
      for (int64_t pixel = 0; pixel < pixels; ++pixel) {
        for (int k = 0; k < params.x_pitch; ++k) {
          const bool positive = x[pixel * params.x_pitch + k] > 0, inside = k < c;
          const T expected = positive ? x[pixel * params.x_pitch + k] : T(0);
          const T gradient = positive ? dy[pixel * params.y_pitch + std::min(k, c - 1)] : T(0);
          if (inside) {
            wrong += y[pixel * params.y_pitch + k] != expected;
            wrong += mask_bit(mask.data(), pixel, c, k) != positive;
            wrong += dx[pixel * params.x_pitch + k] != gradient;
          } else {
            wrong += !std::isnan(dx[pixel * params.x_pitch + k]);  // between the channels nothing is written
          }
        }
        const uint32_t last = mask[(pixel + 1) * mask_words(c) - 1];
        wrong += c % 32 != 0 && last >> (c % 32) != 0;
      }
      CHECK_MESSAGE(wrong == 0, "c = " << c << ", pixels = " << pixels);
      CHECK(y.intact());
      CHECK(dx.intact());
      CHECK(mask.intact());
    }
  }
}

TEST_CASE_TEMPLATE("relu lets NaN through, forward, and stops it, backward", T, float, double) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  for (const int c : {2, 32}) {
    std::vector<T> y(static_cast<size_t>(c), nan), dx(static_cast<size_t>(c), nan);
    std::vector<uint32_t> mask{~0u};
    cpu::relu_forward(y.data(), mask.data(), y.data(), {1, c, c, c}, Stream{});
    CHECK(std::isnan(y[0]));
    CHECK(std::isnan(y[1]));
    CHECK(mask[0] == 0);
    cpu::relu_backward(dx.data(), dx.data(), mask.data(), {1, c, c, c}, Stream{});
    CHECK(dx == std::vector<T>(static_cast<size_t>(c), T(0)));
  }
}

TEST_CASE_TEMPLATE("relu in place, without a mask, and on three threads gives the same bytes", T, float,
                   double) {
  ThreadPool pool(3);
  const ReluParams params{2000, 48, 48, 48};
  const auto x = random_vector<T>(2000 * 48, 3);
  std::vector<T> y(x.size()), in_place = x, no_mask(x.size()), dx(x.size());
  std::vector<uint32_t> mask(2000 * 2), mask_in_place(2000 * 2);
  cpu::relu_forward(y.data(), mask.data(), x.data(), params, Stream{});
  cpu::relu_forward(in_place.data(), mask_in_place.data(), in_place.data(), params, cpu::stream_of(pool));
  cpu::relu_forward<T>(no_mask.data(), nullptr, x.data(), params, Stream{});
  CHECK(y == in_place);
  CHECK(y == no_mask);
  CHECK(mask == mask_in_place);
  in_place = x;
  cpu::relu_backward(dx.data(), x.data(), mask.data(), params, Stream{});
  cpu::relu_backward(in_place.data(), in_place.data(), mask.data(), params, cpu::stream_of(pool));
  CHECK(dx == in_place);
  CHECK(dx == y);  // relu(x) = mask ? x : 0
}
