#include <doctest/doctest.h>

#include "kernels/content_loss.h"
#include "kernels/cpu/thread_pool.h"
#include "tests/helpers.h"

using namespace swag;
using namespace swag::test;

namespace {

struct Sums {
  double loss = 0, inner = 0;
};

template <typename T>
Sums sums_of(const std::vector<T>& s, const std::vector<T>& target, Stream stream = {}) {
  Sums sums;
  cpu::content_loss_forward(&sums.loss, &sums.inner, s.data(), target.data(), static_cast<int64_t>(s.size()),
                            stream);
  return sums;
}

}  // namespace

TEST_CASE_TEMPLATE("content loss is the sum of squared differences", T, float, double) {
  const std::vector<T> s{1, 2, 3}, target{0, 4, 3};
  CHECK(sums_of(s, target).loss == 5);
  CHECK(sums_of(s, target).inner == 1 - 4);
  GuardedBuffer<T> ds(3);
  cpu::content_loss_backward(ds.data(), s.data(), target.data(), 0.5, false, 3, Stream{});
  CHECK(ds.values() == std::vector<T>{0.5, -1, 0});
  cpu::content_loss_backward(ds.data(), s.data(), target.data(), 2, true, 3, Stream{});
  CHECK(ds.values() == std::vector<T>{2.5, -5, 0});
  CHECK(ds.intact());
}

TEST_CASE("content loss sums floats in float64") {
  const int64_t count = 300001;
  const auto s = random_vector<float>(count, 1, 0.9, 1.1), target = random_vector<float>(count, 2, 0.9, 1.1);
  double expected = 0, inner = 0;
  for (int64_t i = 0; i < count; ++i) {
    expected += std::pow(static_cast<double>(s[i]) - target[i], 2);
    inner += (static_cast<double>(s[i]) - target[i]) * s[i];
  }
  CHECK(std::abs(sums_of(s, target).loss - expected) <= 1e-12 * expected);
  CHECK(std::abs(sums_of(s, target).inner - inner) <= 1e-12 * static_cast<double>(count));
}

TEST_CASE("content loss backward is the gradient of forward") {
  const auto target = random_vector<double>(23, 2);
  auto s = random_vector<double>(23, 1);
  std::vector<double> ds(23), expected(23);
  cpu::content_loss_backward(ds.data(), s.data(), target.data(), 2, false, 23, Stream{});
  for (size_t i = 0; i < s.size(); ++i) {
    const double step = 1e-5, here = s[i];
    s[i] = here + step;
    const double above = sums_of(s, target).loss;
    s[i] = here - step;
    const double below = sums_of(s, target).loss;
    s[i] = here;
    expected[i] = (above - below) / (2 * step);
  }
  CHECK(relative_l2(ds, expected) <= 1e-8);
}

TEST_CASE_TEMPLATE("content loss does not depend on the number of threads", T, float, double) {
  const int64_t count = 200003;
  const auto s = random_vector<T>(count, 1), target = random_vector<T>(count, 2);
  std::vector<T> ds_one(static_cast<size_t>(count)), ds_many(static_cast<size_t>(count));
  ThreadPool pool(3);
  const Sums one = sums_of(s, target), many = sums_of(s, target, cpu::stream_of(pool));
  CHECK(one.loss == many.loss);
  CHECK(one.inner == many.inner);
  cpu::content_loss_backward(ds_one.data(), s.data(), target.data(), 0.3, false, count, Stream{});
  cpu::content_loss_backward(ds_many.data(), s.data(), target.data(), 0.3, false, count,
                             cpu::stream_of(pool));
  CHECK(ds_one == ds_many);
}

TEST_CASE_TEMPLATE("content loss shows NaN", T, float, double) {
  std::vector<T> s(40, 1);
  const std::vector<T> target(40, 0);
  s[37] = std::numeric_limits<T>::quiet_NaN();
  CHECK(std::isnan(sums_of(s, target).loss));
}

TEST_CASE("content loss knows <ds, S> of its own gradient") {
  const auto s = random_vector<double>(5000, 1), target = random_vector<double>(5000, 2);
  std::vector<double> ds(s.size());
  cpu::content_loss_backward(ds.data(), s.data(), target.data(), 3, false, 5000, Stream{});
  double expected = 0;
  for (size_t i = 0; i < s.size(); ++i) expected += ds[i] * s[i];
  CHECK(3 * sums_of(s, target).inner == doctest::Approx(expected).epsilon(1e-12));
}
