#include <doctest/doctest.h>

#include "kernels/cpu/thread_pool.h"
#include "kernels/gram.h"
#include "src/backend/backend.h"
#include "tests/helpers.h"
#include "tests/kernels/gram_cases.h"

using namespace swag;
using namespace swag::test;

namespace {

template <typename T>
std::vector<double> gram(const std::vector<T>& s, const GramParams& params, Stream stream = {}) {
  GuardedBuffer<char> workspace(cpu::gram_workspace_bytes<T>(params, stream));
  GuardedBuffer<double> a(int64_t{params.d} * params.d);
  cpu::gram_forward(a.data(), s.data(), workspace.data(), params, stream);
  CHECK(a.intact());
  CHECK(workspace.intact());
  return a.values();
}

}  // namespace

TEST_CASE_TEMPLATE("the Gram matrix of two channels at three positions", T, float, double) {
  const std::vector<T> s{1, 4, 2, 5, 3, 6};
  const std::vector<double> expected{14.0 / 3, 32.0 / 3, 32.0 / 3, 77.0 / 3};
  CHECK(worst_element(gram(s, {3, 2}), expected) <= 1e-7);
}

TEST_CASE_TEMPLATE("the Gram matrix agrees with its definition and is symmetric", T, float, double) {
  for (const GramParams& params : kGramShapes) {
    CAPTURE(params.m);
    CAPTURE(params.d);
    const auto s = random_vector<T>(params.m * params.d, 1, -0.5, 2);
    const auto a = gram(s, params), expected = naive_gram(s, params);
    CHECK(relative_l2(a, expected) <= (sizeof(T) == 4 ? 3e-7 : 1e-14));
    CHECK(worst_element(a, expected) <= (sizeof(T) == 4 ? 1e-6 : 1e-14));
    int asymmetric = 0;
    for (int row = 0; row < params.d; ++row) {
      for (int col = 0; col < row; ++col) asymmetric += a[row * params.d + col] != a[col * params.d + row];
    }
    CHECK(asymmetric == 0);
  }
}

TEST_CASE("the Gram matrix of near-uniform floats keeps nine digits") {
  const GramParams params{20000, 16};
  auto s = random_vector<float>(params.m * params.d, 1);
  for (float& value : s) value = 0.97f + 0.1f * std::max(0.f, value);  // a softmaxed ReLU: half of it equal
  CHECK(relative_l2(gram(s, params), naive_gram(s, params)) <= 1e-9);
}

TEST_CASE_TEMPLATE("the Gram matrix does not depend on the number of threads", T, float, double) {
  ThreadPool two(2), three(3);
  for (const GramParams& params : {GramParams{5000, 33}, GramParams{700, 300}}) {
    const auto s = random_vector<T>(params.m * params.d, 1);
    const auto one = gram(s, params);
    CHECK(one == gram(s, params, cpu::stream_of(two)));
    CHECK(one == gram(s, params, cpu::stream_of(three)));
  }
}

TEST_CASE_TEMPLATE("the Gram matrix shows NaN", T, float, double) {
  std::vector<T> s(700 * 3, 1);
  s[1000] = std::numeric_limits<T>::quiet_NaN();  // channel 1
  const auto a = gram(s, {700, 3});
  CHECK(std::isnan(a[1 * 3 + 1]));
  CHECK(std::isnan(a[1 * 3 + 2]));
  CHECK(a[0] == 1);
}

TEST_CASE_TEMPLATE("gram_difference is a - target, its squared sum and its product with a", T, float,
                   double) {
  const std::vector<double> a{1, 2, 2, 5}, target{0.5, 2, 2, 7};
  GuardedBuffer<T> difference(4);
  double loss = 0, inner = 0;
  cpu::gram_difference(&loss, &inner, difference.data(), a.data(), target.data(), 2, Stream{});
  CHECK(loss == 4.25);
  CHECK(inner == 0.5 - 10);
  CHECK(difference.values() == std::vector<T>{0.5, 0, 0, -2});
  CHECK(difference.intact());
}

TEST_CASE_TEMPLATE("gram_backward multiplies by the difference, and adds where asked", T, float, double) {
  ThreadPool pool(3);
  for (const GramParams& params : kGramBackwardShapes) {
    const int d = params.d;
    const auto s = random_vector<T>(params.m * d, 1), difference = random_vector<T>(int64_t{d} * d, 2);
    std::vector<double> expected(s.size(), 0.0);
    for (int64_t i = 0; i < params.m; ++i) {
      for (int k = 0; k < d; ++k) {
        for (int j = 0; j < d; ++j) expected[i * d + j] += 0.5 * s[i * d + k] * difference[k * d + j];
      }
    }
    GuardedBuffer<T> ds(params.m * d), many(params.m * d);
    GuardedBuffer<char> workspace(cpu::gram_workspace_bytes<T>(params, cpu::stream_of(pool)));
    const double tolerance = sizeof(T) == 4 ? 2e-6 : 1e-14;
    cpu::gram_backward(ds.data(), s.data(), difference.data(), nullptr, 0.5, false, workspace.data(), params,
                       Stream{});
    cpu::gram_backward(many.data(), s.data(), difference.data(), nullptr, 0.5, false, workspace.data(),
                       params, cpu::stream_of(pool));
    CHECK(relative_l2(ds, expected) <= tolerance);
    CHECK(worst_element(ds, expected) <= tolerance);
    CHECK(ds.values() == many.values());
    cpu::gram_backward(ds.data(), s.data(), difference.data(), nullptr, -0.25, true, workspace.data(), params,
                       Stream{});
    for (double& value : expected) value *= 0.5;
    CHECK(relative_l2(ds, expected) <= tolerance);
    const auto offset = random_vector<double>(d, 3);
    cpu::gram_backward(ds.data(), s.data(), difference.data(), offset.data(), 0.25, false, workspace.data(),
                       params, cpu::stream_of(pool));
    for (int64_t i = 0; i < params.m * d; ++i) expected[i] += 0.25 * offset[i % d];
    CHECK(relative_l2(ds, expected) <= tolerance);
    cpu::gram_backward(ds.data(), s.data(), difference.data(), offset.data(), 0.25, true, workspace.data(),
                       params, Stream{});
    for (double& value : expected) value *= 2;
    CHECK(relative_l2(ds, expected) <= tolerance);
    CHECK(ds.intact());
    CHECK(many.intact());
    CHECK(workspace.intact());
  }
}

TEST_CASE("gram_backward with factor 4 / m is the gradient of the squared difference") {
  const GramParams params{11, 5};
  auto s = random_vector<double>(params.m * params.d, 1);
  const auto target = naive_gram(random_vector<double>(params.m * params.d, 2), params);
  std::vector<double> difference(25), ignored(25), ds(s.size()), expected(s.size());
  double loss = 0, inner = 0;
  cpu::gram_difference(&loss, &inner, difference.data(), gram(s, params).data(), target.data(), 5, Stream{});
  GuardedBuffer<char> workspace(cpu::gram_workspace_bytes<double>(params, Stream{}));
  cpu::gram_backward(ds.data(), s.data(), difference.data(), nullptr, 4.0 / params.m, false, workspace.data(),
                     params, Stream{});
  double product = 0;  // <ds, S>, which the difference knows
  for (size_t i = 0; i < s.size(); ++i) product += ds[i] * s[i];
  CHECK(4 * inner == doctest::Approx(product).epsilon(1e-12));
  for (size_t i = 0; i < s.size(); ++i) {
    const double step = 1e-5, here = s[i];
    double above = 0, below = 0, unused = 0;
    s[i] = here + step;
    cpu::gram_difference(&above, &unused, ignored.data(), gram(s, params).data(), target.data(), 5, Stream{});
    s[i] = here - step;
    cpu::gram_difference(&below, &unused, ignored.data(), gram(s, params).data(), target.data(), 5, Stream{});
    s[i] = here;
    expected[i] = (above - below) / (2 * step);
  }
  CHECK(relative_l2(ds, expected) <= 1e-7);
}
