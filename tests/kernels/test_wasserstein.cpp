#include <doctest/doctest.h>

#include <deque>
#include <limits>

#include "kernels/cpu/thread_pool.h"
#include "src/support/blas.h"
#include "tests/kernels/wasserstein_cases.h"

namespace swag {
namespace {

using test::features;
using test::GuardedBuffer;
using test::relative_l2;
using test::WassersteinResult;

template <typename T>
using Buffers = test::WassersteinBuffers<GuardedBuffer, T>;

template <typename T>
void sum_moments(Buffers<T>& buffers, const std::vector<T>& s, const GramParams& params, Stream stream) {
  GuardedBuffer<char> workspace(cpu::moments_workspace_bytes<T>(params, stream));
  cpu::moments_forward<T>(buffers.gram.data(), buffers.mean.data(), s.data(), workspace.data(), params,
                          stream);
  CHECK(workspace.intact());
}

template <typename T>
WassersteinResult distance(const std::vector<T>& s, const std::vector<double>& target,
                           const GramParams& params, Stream stream = {}) {
  Buffers<T> buffers(params.d, cpu::wasserstein_workspace_bytes(params.d));
  sum_moments(buffers, s, params, stream);
  const WassersteinProblem problem = buffers.problem(target.data());
  cpu::wasserstein_forward<T>(&problem, 1, blas(), stream);
  CHECK(buffers.intact());
  return buffers.result();
}

/// dW / dS by the way back.
template <typename T>
std::vector<T> gradient(const std::vector<T>& s, const WassersteinResult& result, const GramParams& params) {
  std::vector<T> ds(s.size());
  const std::vector<T> difference = test::converted<T>(result.difference);
  GuardedBuffer<char> workspace(cpu::gram_workspace_bytes<T>(params, Stream{}));
  cpu::gram_backward<T>(ds.data(), s.data(), difference.data(), result.offset.data(),
                        2.0 / static_cast<double>(params.m), false, workspace.data(), params, Stream{});
  return ds;
}

}  // namespace

TEST_CASE("the Wasserstein distance of Gaussians along the axes") {
  // Means (3, 1) and (0, 0), deviations (2, 1) and (1, 3): 9 + 1 + (2 - 1)^2 + (1 - 3)^2, but for epsilon.
  const std::vector<double> s = {5, 2, 1, 2, 5, 0, 1, 0}, style = {1, 3, -1, 3, 1, -3, -1, -3};
  const GramParams params{4, 2};
  const WassersteinResult result = distance(s, test::style_target(style, params), params);
  CHECK(std::abs(result.loss - 15) <= 1e-4);
  // The transport stretches by (1 / 2, 3).
  CHECK(relative_l2(result.difference, std::vector<double>{0.5, 0, 0, -2}) <= 1e-4);
  CHECK(relative_l2(result.offset, std::vector<double>{3 - 0.5 * 3, 1 + 2 * 1}) <= 1e-4);
}

TEST_CASE("epsilon is a millionth of the style's mean variance") {
  // No variance in the image: W = |mu_x - mu_s|^2 + (sum of (sqrt(v + e) - sqrt(e))^2).
  const std::vector<double> s = {1, 2, 1, 2}, style = {1, 4, 3, 2};  // variances 1 and 1
  const GramParams params{2, 2};
  const WassersteinResult result = distance(s, test::style_target(style, params), params);
  const double e = 1e-6;
  // The style's variances are 2 along (1, -1) and 0 along (1, 1).
  const double spread = std::sqrt(2 + e) - std::sqrt(e);
  CHECK(std::abs(result.loss - (1 + 1 + spread * spread)) <= 1e-12);
}

TEST_CASE_TEMPLATE("a style is at no distance from itself, and nothing pulls", T, float, double) {
  for (const test::WassersteinCase& shape : test::kWassersteinCases) {
    CAPTURE(shape.d);
    const GramParams params{shape.m, shape.d};
    const std::vector<T> s = features<T>(shape.m, shape.d, 1);
    const std::vector<double> target = test::style_target(s, params);
    const WassersteinResult result = distance(s, target, params);
    const double scale = target[WassersteinTarget::trace(shape.d)] + 1e-30;
    CHECK(std::abs(result.loss) <= (sizeof(T) == 4 ? 1e-6 : 1e-12) * scale);
    for (const T value : gradient(s, result, params))
      CHECK(std::abs(value) <= (sizeof(T) == 4 ? 1e-3 : 1e-7));
  }
}

TEST_CASE("the way back of the Wasserstein distance is its derivative, and inner its product with S") {
  for (const test::WassersteinCase& shape : test::kWassersteinCases) {
    CAPTURE(shape.d);
    const GramParams params{shape.m, shape.d};
    std::vector<double> s = features<double>(shape.m, shape.d, 1);
    const std::vector<double> target =
        test::style_target(features<double>(shape.m_style, shape.d, 2), {shape.m_style, shape.d});
    const WassersteinResult result = distance(s, target, params);
    const std::vector<double> ds = gradient(s, result, params);
    double product = 0, norm = 0;
    for (size_t i = 0; i < s.size(); ++i) {
      product += ds[i] * s[i];
      norm += std::abs(ds[i] * s[i]);
    }
    CHECK(std::abs(2 * result.inner - product) <= 1e-9 * norm);
    // Along a direction.
    const std::vector<double> direction = test::random_vector<double>(static_cast<int64_t>(s.size()), 3);
    double slope = 0, size = 0;
    for (size_t i = 0; i < s.size(); ++i) {
      slope += ds[i] * direction[i];
      size += std::abs(ds[i] * direction[i]);
    }
    const double step = 1e-6;
    const auto moved = [&](double by) {
      std::vector<double> there = s;
      for (size_t i = 0; i < s.size(); ++i) there[i] += by * direction[i];
      return distance(there, target, params).loss;
    };
    CHECK(std::abs((moved(step) - moved(-step)) / (2 * step) - slope) <= 2e-4 * size);
  }
}

TEST_CASE("the Wasserstein distance of floats is that of doubles, of few positions too") {
  for (const test::WassersteinCase& shape : test::kWassersteinCases) {
    CAPTURE(shape.d);
    const GramParams params{shape.m, shape.d};
    const std::vector<float> s = features<float>(shape.m, shape.d, 1);
    const std::vector<double> wide(s.begin(), s.end());
    const std::vector<double> target =
        test::style_target(features<float>(shape.m_style, shape.d, 2), {shape.m_style, shape.d});
    const WassersteinResult narrow = distance(s, target, params), exact = distance(wide, target, params);
    CHECK(std::abs(narrow.loss - exact.loss) <= 1e-6 * exact.loss);
    CHECK(relative_l2(gradient(s, narrow, params), gradient(wide, exact, params)) <= 5e-4);
  }
}

TEST_CASE("several taps side by side have what each has alone, with any number of threads") {
  ThreadPool pool(3);
  const Stream stream = cpu::stream_of(pool);
  std::deque<Buffers<double>> taps;  // which cannot be moved
  std::deque<std::vector<double>> targets;
  std::vector<WassersteinResult> alone;
  std::vector<WassersteinProblem> problems;
  for (const test::WassersteinCase& shape : test::kWassersteinCases) {
    const int d = shape.d;
    const GramParams params{shape.m, d};
    const std::vector<double> s = features<double>(shape.m, d, 1);
    targets.push_back(test::style_target(features<double>(shape.m_style, d, 2), {shape.m_style, d}));
    alone.push_back(distance(s, targets.back(), params));
    CHECK(alone.back().difference == distance(s, targets.back(), params, stream).difference);
    sum_moments(taps.emplace_back(d, cpu::wasserstein_workspace_bytes(d)), s, params, stream);
    problems.push_back(taps.back().problem(targets.back().data()));
  }
  cpu::wasserstein_forward<double>(problems.data(), static_cast<int>(problems.size()), blas(3), stream);
  for (size_t i = 0; i < problems.size(); ++i) {
    CHECK(taps[i].result().loss == alone[i].loss);
    CHECK(taps[i].result().difference == alone[i].difference);
    CHECK(taps[i].intact());
  }
}

TEST_CASE_TEMPLATE("a style without variance has a distance", T, float, double) {
  const GramParams params{50, 6};
  const std::vector<T> s = features<T>(50, 6, 1);
  const std::vector<double> target = test::style_target(std::vector<T>(6, T(2)), {1, 6});
  const WassersteinResult result = distance(s, target, params);
  const std::vector<double> mean = test::naive_means(s, params), gram = test::naive_gram(s, params);
  double expected = 0;  // |mu_x - mu_s|^2 + tr C_x
  for (int i = 0; i < 6; ++i) expected += (mean[i] - 2) * (mean[i] - 2) + gram[i * 7] - mean[i] * mean[i];
  CHECK(std::abs(result.loss - expected) <= 1e-6 * expected);
  for (const double value : result.difference) CHECK(std::isfinite(value));
}

TEST_CASE_TEMPLATE("features that are not finite give a loss that is not", T, float, double) {
  const GramParams params{50, 6};
  const std::vector<double> target = test::style_target(features<T>(50, 6, 2), params);
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    std::vector<T> s = features<T>(50, 6, 1);
    s[17] = bad;
    CHECK(std::isnan(distance(s, target, params).loss));
  }
}

}  // namespace swag
