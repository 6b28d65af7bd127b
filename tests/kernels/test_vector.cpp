#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/thread_pool.h"
#include "kernels/vector.h"
#include "tests/helpers.h"
#include "tests/kernels/vector_cases.h"

namespace swag {
namespace {

using test::GuardedBuffer;

}  // namespace

TEST_CASE_TEMPLATE("vector_norms gives the sum and the largest of the magnitudes", T, float, double) {
  for (const int64_t count : test::kVectorCounts) {
    std::vector<T> x = test::random_vector<T>(count, 50);
    if (count > 0) x[static_cast<size_t>(count / 3)] = -7;
    long double sum = 0;
    for (const T value : x) sum += std::abs(static_cast<long double>(value));
    GuardedBuffer<VectorNorms> guarded(1);
    cpu::vector_norms(guarded.data(), x.data(), count, Stream{});
    const VectorNorms norms = guarded[0];
    CAPTURE(count);
    CHECK(norms.sum_abs == doctest::Approx(static_cast<double>(sum)).epsilon(1e-12));
    CHECK(norms.max_abs == (count > 0 ? 7 : 0));
    CHECK(guarded.intact());
  }
}

TEST_CASE_TEMPLATE("vector_norms are NaN as soon as one element is not finite", T, float, double) {
  constexpr int64_t kCount = 40000;
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                      -std::numeric_limits<T>::infinity()}) {
    for (const int64_t place : {int64_t{0}, int64_t{17001}, kCount - 1}) {
      std::vector<T> x(kCount, T(1));
      x[static_cast<size_t>(place)] = bad;
      VectorNorms norms;
      cpu::vector_norms(&norms, x.data(), kCount, Stream{});
      CHECK(std::isnan(norms.sum_abs));
      CHECK(std::isnan(norms.max_abs));
    }
  }
}

TEST_CASE("vector_norms of a hand-sized case") {
  const float x[] = {1, -3, 2};
  VectorNorms norms;
  cpu::vector_norms(&norms, x, 3, Stream{});
  CHECK(norms.sum_abs == 6);
  CHECK(norms.max_abs == 3);
}

TEST_CASE_TEMPLATE("vector_norms gives the same bytes whatever the number of threads", T, float, double) {
  constexpr int64_t kCount = 100003;
  const std::vector<T> x = test::random_vector<T>(kCount, 60);
  std::vector<VectorNorms> norms(3);
  for (int threads = 1; threads <= 3; ++threads) {
    ThreadPool pool(threads);
    cpu::vector_norms(&norms[static_cast<size_t>(threads) - 1], x.data(), kCount, cpu::stream_of(pool));
  }
  CHECK(test::same_bytes(&norms[0], &norms[1], 1));
  CHECK(test::same_bytes(&norms[0], &norms[2], 1));
}

}  // namespace swag
