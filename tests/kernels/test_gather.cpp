#include <doctest/doctest.h>

#include "kernels/cpu/thread_pool.h"
#include "tests/kernels/gather_cases.h"

using namespace swag;
using namespace swag::test;

TEST_CASE_TEMPLATE("gather takes the positions asked for, scatter adds to them and leaves the others", T,
                   float, double) {
  const std::vector<T> x{1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<int32_t> positions{0, 3};
  GuardedBuffer<T> y(4), dx(x);
  cpu::gather_positions(y.data(), x.data(), positions.data(), {2, 2}, Stream{});
  CHECK(y.values() == std::vector<T>{1, 2, 7, 8});
  cpu::scatter_positions(dx.data(), std::vector<T>{10, 20, 30, 40}.data(), positions.data(), {2, 2},
                         Stream{});
  CHECK(dx.values() == std::vector<T>{11, 22, 3, 4, 5, 6, 37, 48});
  CHECK((y.intact() && dx.intact()));
}

TEST_CASE_TEMPLATE("gather and scatter agree with their definition at every shape, on three threads", T,
                   float, double) {
  ThreadPool pool(3);
  for (const GatherCase& the : gather_cases()) {
    CAPTURE(the.pixels);
    CAPTURE(the.c);
    const auto x = random_vector<T>(the.pixels * the.c, 1);
    GuardedBuffer<T> y(the.params().count * the.c), dx(x);
    cpu::gather_positions(y.data(), x.data(), the.positions.data(), the.params(), cpu::stream_of(pool));
    int wrong = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      wrong += y[i] != x[the.positions[i / the.c] * int64_t{the.c} + i % the.c];
    }
    CHECK(wrong == 0);
    // What was gathered is added where it came from: doubled there, and as it was elsewhere.
    cpu::scatter_positions(dx.data(), y.data(), the.positions.data(), the.params(), cpu::stream_of(pool));
    std::vector<T> expected = x;
    for (const int32_t position : the.positions) {
      for (int64_t k = 0; k < the.c; ++k) expected[position * int64_t{the.c} + k] *= 2;
    }
    CHECK(dx.values() == expected);
    CHECK((y.intact() && dx.intact()));
  }
}
