#include <doctest/doctest.h>

#include "kernels/cpu/exp.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/softmax.h"
#include "tests/helpers.h"
#include "tests/kernels/softmax_cases.h"

using namespace swag;
using namespace swag::test;

namespace {

template <typename T>
std::vector<T> softmax(const std::vector<T>& f, const SoftmaxParams& params, Stream stream = {}) {
  SoftmaxStatistics statistics;
  GuardedBuffer<T> s(static_cast<int64_t>(f.size()));
  cpu::softmax_statistics(&statistics, f.data(), params, stream);
  cpu::softmax_forward(s.data(), f.data(), &statistics, params, stream);
  CHECK(s.intact());
  return s.values();
}

/// softmax(f / temperature) over `count` entries, to the letter, times `factor`.
template <typename T>
void naive_softmax(double* p, const T* f, int64_t count, double temperature, double factor) {
  double sum = 0;
  const double max = *std::max_element(f, f + count);
  for (int64_t i = 0; i < count; ++i) sum += std::exp((f[i] - max) / temperature);
  for (int64_t i = 0; i < count; ++i) p[i] = factor * std::exp((f[i] - max) / temperature) / sum;
}

double naive_entropy(const std::vector<double>& p) {
  double entropy = 0;
  for (const double value : p) entropy -= value > 0 ? value * std::log(value) : 0;
  return entropy / std::log(static_cast<double>(p.size()));
}

/// Central differences of sum(forward(f) * weight) in double.
template <typename Forward>
std::vector<double> differences(std::vector<double> f, const std::vector<double>& weight, Forward&& forward) {
  std::vector<double> gradient(f.size());
  const auto loss = [&] {
    const std::vector<double> s = forward(f);
    double sum = 0;
    for (size_t i = 0; i < s.size(); ++i) sum += s[i] * weight[i];
    return sum;
  };
  for (size_t i = 0; i < f.size(); ++i) {
    const double step = 1e-5, here = f[i];
    f[i] = here + step;
    const double above = loss();
    f[i] = here - step;
    const double below = loss();
    f[i] = here;
    gradient[i] = (above - below) / (2 * step);
  }
  return gradient;
}

}  // namespace

TEST_CASE("the float exponential is within 2e-7 of std::exp, ends in 0, and lets NaN through") {
  double worst = 0;
  for (double x = 0; x > -87; x -= 1.37e-4) {
    const float argument = static_cast<float>(x);
    const double expected = std::exp(static_cast<double>(argument));
    worst = std::max(worst, std::abs(cpu::exp_nonpositive(argument) - expected) / expected);
  }
  CHECK(worst <= 2e-7);
  CHECK(cpu::exp_nonpositive(0.f) == 1);
  CHECK(cpu::exp_nonpositive(-0.f) == 1);
  for (const float x :
       {-87.1f, -88.f, -127.f, -1e4f, -1e9f, -3e38f, -std::numeric_limits<float>::infinity()}) {
    CHECK(cpu::exp_nonpositive(x) == 0);
  }
  CHECK(std::isnan(cpu::exp_nonpositive(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE_TEMPLATE("softmax of a map of four entries, times four", T, float, double) {
  const std::vector<T> f{0, T(std::log(3.0)), 0, T(std::log(5.0))};  // exponentials 1, 3, 1, 5
  SoftmaxStatistics statistics;
  cpu::softmax_statistics(&statistics, f.data(), {2, 2, 1}, Stream{});
  CHECK(statistics.max == f[3]);
  CHECK(statistics.sum == doctest::Approx(2));
  CHECK(worst_element(softmax(f, {2, 2, 1}), std::vector<double>{0.4, 1.2, 0.4, 2}) <= 1e-6);
  const std::vector<double> warmer{1, std::sqrt(3.0), 1, std::sqrt(5.0)};
  const double sum = 2 + std::sqrt(3.0) + std::sqrt(5.0);
  std::vector<double> expected;
  for (const double value : warmer) expected.push_back(4 * value / sum);
  CHECK(worst_element(softmax(f, {2, 2, 2}), expected) <= 1e-6);
}

TEST_CASE_TEMPLATE("softmax over the map agrees with its definition", T, float, double) {
  for (const SoftmaxParams& params : kSoftmaxShapes) {
    const int64_t count = params.m * params.d;
    const auto f = random_vector<T>(count, 1, -3, 9);
    std::vector<double> expected(f.size());
    naive_softmax(expected.data(), f.data(), count, params.temperature, static_cast<double>(count));
    const auto s = softmax(f, params);
    CHECK(relative_l2(s, expected) <= (sizeof(T) == 4 ? 1e-6 : 1e-14));
    CHECK(worst_element(s, expected) <= (sizeof(T) == 4 ? 1e-6 : 1e-14));
  }
}

TEST_CASE_TEMPLATE("softmax over the channels agrees with its definition", T, float, double) {
  for (const SoftmaxParams& params : kSoftmaxShapes) {
    const auto f = random_vector<T>(params.m * params.d, 1, -3, 9);
    std::vector<double> expected(f.size());
    for (int64_t i = 0; i < params.m; ++i) {
      naive_softmax(expected.data() + i * params.d, f.data() + i * params.d, params.d, params.temperature, 1);
    }
    GuardedBuffer<T> s(params.m * params.d);
    cpu::softmax_channel_forward(s.data(), f.data(), params, Stream{});
    CHECK(relative_l2(s, expected) <= (sizeof(T) == 4 ? 2e-6 : 1e-14));
    CHECK(worst_element(s, expected) <= (sizeof(T) == 4 ? 3e-6 : 1e-14));
    CHECK(s.intact());
  }
}

TEST_CASE("softmax backward agrees with central differences") {
  const SoftmaxParams params{4, 5, 0.7};
  const auto f = random_vector<double>(20, 1), ds = random_vector<double>(20, 2);
  const auto s = softmax(f, params);
  std::vector<double> df(20);
  double inner = 0;
  for (size_t i = 0; i < 20; ++i) inner += ds[i] * s[i];
  const double quarter = inner / 4, tenth = inner / 10;
  cpu::softmax_backward(df.data(), ds.data(), s.data(), {{&quarter, &tenth}, {2, 5}}, params, Stream{});
  const auto expected = differences(f, ds, [&](const std::vector<double>& x) { return softmax(x, params); });
  CHECK(relative_l2(df, expected) <= 1e-8);
}

TEST_CASE("softmax over the channels backward agrees with central differences") {
  const SoftmaxParams params{3, 6, 0.7};
  const auto f = random_vector<double>(18, 1), ds = random_vector<double>(18, 2);
  const auto forward = [&](const std::vector<double>& x) {
    std::vector<double> s(x.size());
    cpu::softmax_channel_forward(s.data(), x.data(), params, Stream{});
    return s;
  };
  std::vector<double> df(18);
  cpu::softmax_channel_backward(df.data(), ds.data(), forward(f).data(), params, Stream{});
  CHECK(relative_l2(df, differences(f, ds, forward)) <= 1e-8);
}

TEST_CASE_TEMPLATE("entropies agree with their definition and span 0 to 1", T, float, double) {
  const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-13;
  for (const SoftmaxParams& params : kSoftmaxShapes) {
    const int64_t count = params.m * params.d;
    if (params.d == 1) continue;
    const auto f = random_vector<T>(count, 1, 0, 6);
    std::vector<double> p(f.size()), row(static_cast<size_t>(params.d));
    naive_softmax(p.data(), f.data(), count, params.temperature, 1);
    CHECK(std::abs(cpu::softmax_entropy(f.data(), params, Stream{}) - naive_entropy(p)) <= tolerance);
    double mean = 0;
    for (int64_t i = 0; i < params.m; ++i) {
      naive_softmax(row.data(), f.data() + i * params.d, params.d, params.temperature, 1);
      mean += naive_entropy(row) / static_cast<double>(params.m);
    }
    CHECK(std::abs(cpu::softmax_channel_entropy(f.data(), params, Stream{}) - mean) <= tolerance);
  }
  const std::vector<T> flat(600, 3), single{5};
  CHECK(cpu::softmax_entropy(flat.data(), {100, 6, 1}, Stream{}) == doctest::Approx(1).epsilon(1e-12));
  CHECK(cpu::softmax_channel_entropy(flat.data(), {100, 6, 1}, Stream{}) ==
        doctest::Approx(1).epsilon(1e-12));
  CHECK(cpu::softmax_entropy(single.data(), {1, 1, 1}, Stream{}) == 0);
  CHECK(cpu::softmax_channel_entropy(flat.data(), {600, 1, 1}, Stream{}) == 0);
  std::vector<T> peak(600, 0);
  peak[77] = 3;
  const SoftmaxParams cold{100, 6, 1e-30};  // q is infinite in float
  CHECK(cpu::softmax_entropy(peak.data(), cold, Stream{}) == 0);
}

TEST_CASE_TEMPLATE("a NaN anywhere makes every softmaxed value NaN", T, float, double) {
  for (const size_t where : {size_t{0}, size_t{100}, size_t{9999}}) {
    auto f = random_vector<T>(10000, 1);
    f[where] = std::numeric_limits<T>::quiet_NaN();
    SoftmaxStatistics statistics;
    cpu::softmax_statistics(&statistics, f.data(), {100, 100, 1}, Stream{});
    CHECK(std::isnan(statistics.max));
    const auto s = softmax(f, {100, 100, 1});
    int numbers = 0;
    for (const T value : s) numbers += !std::isnan(value);
    CHECK(numbers == 0);
    CHECK(std::isnan(cpu::softmax_entropy(f.data(), {100, 100, 1}, Stream{})));
  }
}

TEST_CASE_TEMPLATE("scale multiplies, in place too", T, float, double) {
  std::vector<T> x{1, -2, 3};
  GuardedBuffer<T> y(3);
  cpu::scale(y.data(), x.data(), 0.25, 3, Stream{});
  CHECK(y.values() == std::vector<T>{0.25, -0.5, 0.75});
  CHECK(y.intact());
  cpu::scale(x.data(), x.data(), 0.25, 3, Stream{});
  CHECK(x == y.values());
}

TEST_CASE_TEMPLATE("the smoothings in place, on three threads, give the same bytes", T, float, double) {
  ThreadPool pool(3);
  const Stream many = cpu::stream_of(pool);
  const SoftmaxParams params{3001, 37, 1.5};
  const auto f = random_vector<T>(params.m * params.d, 1), ds = random_vector<T>(params.m * params.d, 2);
  SoftmaxStatistics statistics;
  const double product = 0.7;
  const SoftmaxInner inner{{nullptr, &product}, {0, 3}};
  const auto s = softmax(f, params);
  std::vector<T> in_place = f, out(f.size());

  cpu::softmax_statistics(&statistics, f.data(), params, many);
  cpu::softmax_forward(in_place.data(), in_place.data(), &statistics, params, many);
  CHECK(in_place == s);

  cpu::softmax_backward(out.data(), ds.data(), s.data(), inner, params, Stream{});
  in_place = ds;
  cpu::softmax_backward(in_place.data(), in_place.data(), s.data(), inner, params, many);
  CHECK(in_place == out);

  cpu::softmax_channel_forward(out.data(), f.data(), params, Stream{});
  in_place = f;
  cpu::softmax_channel_forward(in_place.data(), in_place.data(), params, many);
  CHECK(in_place == out);

  cpu::softmax_channel_backward(out.data(), ds.data(), s.data(), params, Stream{});
  in_place = ds;
  cpu::softmax_channel_backward(in_place.data(), in_place.data(), s.data(), params, many);
  CHECK(in_place == out);

  CHECK(cpu::softmax_entropy(f.data(), params, Stream{}) == cpu::softmax_entropy(f.data(), params, many));
  CHECK(cpu::softmax_channel_entropy(f.data(), params, Stream{}) ==
        cpu::softmax_channel_entropy(f.data(), params, many));
}
