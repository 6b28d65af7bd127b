#include <doctest/doctest.h>

#include "kernels/cpu/thread_pool.h"
#include "kernels/lerp.h"
#include "tests/helpers.h"
#include "tests/kernels/vector_cases.h"

using namespace swag;
using namespace swag::test;

TEST_CASE_TEMPLATE("lerp goes a part of the way", T, float, double) {
  const std::vector<T> x{1, 10, -4};
  GuardedBuffer<T> y(std::vector<T>{3, 2, -4});
  cpu::lerp(y.data(), x.data(), 0.25, 3, Stream{});
  CHECK(y.values() == std::vector<T>{2.5, 4, -4});
  CHECK(y.intact());
}

TEST_CASE("lerp gives the same bytes whatever the number of threads, and stays in its vector") {
  ThreadPool pool(3);
  for (const int64_t count : kVectorCounts) {
    const auto x = random_vector<float>(count, 1), start = random_vector<float>(count, 2);
    GuardedBuffer<float> one(start), many(start);
    cpu::lerp(one.data(), x.data(), 0.3, count, Stream{});
    cpu::lerp(many.data(), x.data(), 0.3, count, cpu::stream_of(pool));
    CHECK(one.values() == many.values());
    CHECK((one.intact() && many.intact()));
  }
}
