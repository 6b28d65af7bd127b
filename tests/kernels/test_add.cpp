#include <doctest/doctest.h>

#include "kernels/add.h"
#include "kernels/cpu/thread_pool.h"
#include "tests/helpers.h"
#include "tests/kernels/elementwise_cases.h"

using namespace swag;
using namespace swag::test;

TEST_CASE_TEMPLATE("add sums two maps of different pitches", T, float, double) {
  const std::vector<T> a{1, 2, -9, 3, 4, -9}, b{10, 20, 30, 40};
  GuardedBuffer<T> y(4);
  cpu::add_forward(y.data(), a.data(), b.data(), {2, 2, 3, 2, 2}, Stream{});
  CHECK(y.values() == std::vector<T>{11, 22, 33, 44});
  CHECK(y.intact());
}

TEST_CASE_TEMPLATE("add writes the channels of a wider map and nothing between them", T, float, double) {
  for (const int c : kAddChannels) {
    const int64_t pixels = 5, pitch = c + 3;
    const auto a = random_vector<T>(pixels * c, 1), b = random_vector<T>(pixels * c, 2);
    GuardedBuffer<T> y(pixels * pitch);
    cpu::add_forward(y.data(), a.data(), b.data(), {pixels, c, c, c, pitch}, Stream{});
    int wrong = 0;
    for (int64_t i = 0; i < pixels * pitch; ++i) {
      const int64_t pixel = i / pitch, k = i % pitch;
      wrong += k < c ? y[i] != a[pixel * c + k] + b[pixel * c + k] : !std::isnan(y[i]);
    }
    CHECK_MESSAGE(wrong == 0, "c = " << c);
    CHECK(y.intact());
  }
}

TEST_CASE_TEMPLATE("add into either operand, on three threads, gives the same bytes", T, float, double) {
  ThreadPool pool(3);
  const AddParams params{3000, 37, 37, 37, 37};
  const auto a = random_vector<T>(3000 * 37, 1), b = random_vector<T>(3000 * 37, 2);
  std::vector<T> y(a.size()), into_a = a, into_b = b;
  cpu::add_forward(y.data(), a.data(), b.data(), params, Stream{});
  cpu::add_forward(into_a.data(), into_a.data(), b.data(), params, cpu::stream_of(pool));
  cpu::add_forward(into_b.data(), a.data(), into_b.data(), params, cpu::stream_of(pool));
  CHECK(y == into_a);
  CHECK(y == into_b);
}
