#include <doctest/doctest.h>

#include "kernels/concat.h"
#include "kernels/cpu/thread_pool.h"
#include "tests/helpers.h"
#include "tests/kernels/elementwise_cases.h"

using namespace swag;
using namespace swag::test;

TEST_CASE_TEMPLATE("channels are copied into a slice of a wider map, and nothing beside it is touched", T,
                   float, double) {
  for (const int c : kAddChannels) {
    const int64_t pixels = 5, pitch = c + 3;
    const auto x = random_vector<T>(pixels * c, 1);
    GuardedBuffer<T> y(pixels * pitch);
    cpu::copy_channels(y.data() + 2, x.data(), {pixels, c, c, pitch}, Stream{});
    int wrong = 0;
    for (int64_t i = 0; i < pixels * pitch; ++i) {
      const int64_t pixel = i / pitch, k = i % pitch - 2;
      wrong += k >= 0 && k < c ? y[i] != x[pixel * c + k] : !std::isnan(y[i]);
    }
    CHECK_MESSAGE(wrong == 0, "c = " << c);
    CHECK(y.intact());
  }
}

TEST_CASE_TEMPLATE("what was put into slices comes out of them, on three threads", T, float, double) {
  ThreadPool pool(3);
  const int64_t pixels = 3000;
  const auto a = random_vector<T>(pixels * 37, 1), b = random_vector<T>(pixels * 5, 2);
  std::vector<T> whole(pixels * 42), a_back(a.size()), b_back(b.size());
  cpu::copy_channels(whole.data(), a.data(), {pixels, 37, 37, 42}, cpu::stream_of(pool));
  cpu::copy_channels(whole.data() + 37, b.data(), {pixels, 5, 5, 42}, cpu::stream_of(pool));
  cpu::copy_channels(a_back.data(), whole.data(), {pixels, 37, 42, 37}, cpu::stream_of(pool));
  cpu::copy_channels(b_back.data(), whole.data() + 37, {pixels, 5, 42, 5}, cpu::stream_of(pool));
  CHECK(a_back == a);
  CHECK(b_back == b);
}
