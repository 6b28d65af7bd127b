#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/thread_pool.h"
#include "kernels/vector.h"
#include "tests/helpers.h"
#include "tests/vector_cases.h"

namespace swag {
namespace {

using test::exact_dot;
using test::GuardedBuffer;
using test::Vectors;

}  // namespace

TEST_CASE_TEMPLATE("multi_dot gives every left vector with every right one, in float64", T, float, double) {
  for (const int64_t count : test::kVectorCounts) {
    for (const int lefts : {1, 2, 3, 5}) {
      const Vectors<T> left(lefts, count, 10), right(7, count, 20);
      GuardedBuffer<double> results(lefts * right.size());
      cpu::multi_dot(results.data(), left.pointers.data(), lefts, right.pointers.data(), right.size(), count,
                     Stream{});
      CAPTURE(count);
      CAPTURE(lefts);
      double worst = 0;
      for (int i = 0; i < lefts; ++i) {
        for (int j = 0; j < right.size(); ++j) {
          const double expected = static_cast<double>(exact_dot(left.values[i], right.values[j]));
          const double error = std::abs(results[i * right.size() + j] - expected);
          worst = error <= worst ? worst : error;
        }
      }
      CHECK(worst <= 1e-14 * static_cast<double>(count));  // a float32 sum would miss this by far
      CHECK(results.intact());
    }
  }
}

TEST_CASE("multi_dot of a hand-sized case") {
  const float a[] = {1, 2, 3}, b[] = {4, -5, 6};
  const float* left[] = {a, b};
  double results[4];
  cpu::multi_dot(results, left, 2, left, 2, 3, Stream{});
  CHECK(results[0] == 14);
  CHECK(results[1] == 12);
  CHECK(results[2] == 12);
  CHECK(results[3] == 77);
}

TEST_CASE_TEMPLATE("linear_combination sums in float64 and rounds once", T, float, double) {
  for (const int64_t count : test::kVectorCounts) {
    for (const int size : {1, 2, 4, 5, 9}) {
      const Vectors<T> vectors(size, count, 30);
      const auto coefficients = test::random_vector<double>(size, 40, -3, 3);
      GuardedBuffer<T> y(count);
      cpu::linear_combination(y.data(), coefficients.data(), vectors.pointers.data(), size, count, Stream{});
      double worst = 0;
      for (int64_t i = 0; i < count; ++i) {
        double expected = 0;
        for (int k = 0; k < size; ++k) {
          expected += coefficients[k] * static_cast<double>(vectors.values[k][i]);
        }
        const T rounded = static_cast<T>(expected);
        const double error = std::abs(static_cast<double>(y[i]) - static_cast<double>(rounded));
        worst = error <= worst ? worst : error;
      }
      CAPTURE(count);
      CAPTURE(size);
      CHECK(worst == 0);
      CHECK(y.intact());
    }
  }
}

TEST_CASE("linear_combination may write onto one of its vectors") {
  std::vector<double> a = test::random_vector<double>(20000, 1), b = test::random_vector<double>(20000, 2);
  std::vector<double> expected(a.size());
  for (size_t i = 0; i < a.size(); ++i) expected[i] = 2 * a[i] - 3 * b[i];
  const double* vectors[] = {a.data(), b.data()};
  const double coefficients[] = {2, -3};
  cpu::linear_combination(b.data(), coefficients, vectors, 2, 20000, Stream{});
  CHECK(b == expected);
}

TEST_CASE_TEMPLATE("vector_norms gives the sum and the largest of the magnitudes", T, float, double) {
  for (const int64_t count : test::kVectorCounts) {
    std::vector<T> x = test::random_vector<T>(count, 50);
    if (count > 0) x[static_cast<size_t>(count / 3)] = -7;
    long double sum = 0;
    for (const T value : x) sum += std::abs(static_cast<long double>(value));
    const auto norms = cpu::vector_norms(x.data(), count, Stream{});
    CAPTURE(count);
    CHECK(norms.sum_abs == doctest::Approx(static_cast<double>(sum)).epsilon(1e-12));
    CHECK(norms.max_abs == (count > 0 ? 7 : 0));
  }
}

TEST_CASE_TEMPLATE("vector_norms are NaN as soon as one element is not finite", T, float, double) {
  constexpr int64_t kCount = 40000;
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(),
                      -std::numeric_limits<T>::infinity()}) {
    for (const int64_t place : {int64_t{0}, int64_t{17001}, kCount - 1}) {
      std::vector<T> x(kCount, T(1));
      x[static_cast<size_t>(place)] = bad;
      const auto norms = cpu::vector_norms(x.data(), kCount, Stream{});
      CHECK(std::isnan(norms.sum_abs));
      CHECK(std::isnan(norms.max_abs));
    }
  }
}

TEST_CASE_TEMPLATE("vector kernels give the same bytes whatever the number of threads", T, float, double) {
  constexpr int64_t kCount = 100003;
  const Vectors<T> vectors(5, kCount, 60);
  const auto coefficients = test::random_vector<double>(5, 61);
  std::vector<std::vector<double>> sums;
  std::vector<std::vector<T>> combinations;
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const Stream stream = cpu::stream_of(pool);
    std::vector<double> results(15);
    std::vector<T> y(kCount);
    cpu::multi_dot(results.data(), vectors.pointers.data(), 3, vectors.pointers.data(), 5, kCount, stream);
    cpu::linear_combination(y.data(), coefficients.data(), vectors.pointers.data(), 5, kCount, stream);
    const auto norms = cpu::vector_norms(y.data(), kCount, stream);
    results.insert(results.end(), {norms.sum_abs, norms.max_abs});
    sums.push_back(results);
    combinations.push_back(y);
  }
  for (size_t k = 1; k < sums.size(); ++k) {
    CHECK(test::same_bytes(sums[0].data(), sums[k].data(), 17));
    CHECK(test::same_bytes(combinations[0].data(), combinations[k].data(), kCount));
  }
}

}  // namespace swag
