#include <doctest/doctest.h>

#include <memory>

#include "kernels/adam.h"
#include "kernels/cpu/thread_pool.h"
#include "src/optimizers/adam.h"
#include "src/support/error.h"
#include "tests/helpers.h"
#include "tests/optimizers/optimizer_problems.h"

namespace swag {
namespace {

using test::chain;
using test::drive;
using test::GuardedBuffer;
using test::Row;
using test::Trace;
using Vector = std::vector<double>;

// Reference points of torch 1.13:
//
//   import torch
//   torch.set_default_dtype(torch.float64)
//   def chain(x): return ((x - 1) ** 2 * torch.arange(1., 5.)).sum() / 2 + ((x[1:] - x[:-1]) ** 4).sum() / 4
//   x = torch.tensor([2., -1., 0.5, 3.], requires_grad=True)
//   optimizer = torch.optim.Adam([x], lr=0.1)
//   for _ in range(9):
//       print('{' + ', '.join('%.17g' % v for v in x.tolist()) + '},')
//       optimizer.zero_grad()
//       chain(x).backward()
//       optimizer.step()
const std::vector<Vector>& torch_adam() {
  static const std::vector<Vector> points = {
      {2, -1, 0.5, 3},
      {1.9000000000357142, -0.90000000002909086, 0.59999999992727271, 2.9000000000423283},
      {1.8010336654000396, -0.80076916553049082, 0.69795508509888537, 2.8008546605234717},
      {1.7038625280921744, -0.70283185738532106, 0.79205626366560999, 2.7031251616533294},
      {1.6092519563547809, -0.60669064232021208, 0.8803125516717597, 2.6073174114945781},
      {1.5179238679247768, -0.51280525787031384, 0.96080171664352809, 2.5138512231757146},
      {1.4305125499207354, -0.4215777360470771, 1.0319620175513693, 2.4230441326051633},
      {1.3475308896048852, -0.33334437601466671, 1.0928150011040765, 2.335111245157532},
      {1.269351496463041, -0.24837353342742996, 1.143038689049571, 2.2501775992249842},
  };
  return points;
}

AdamOptions options_of_rate(double rate) {
  AdamOptions options;
  options.learning_rate = rate;
  return options;
}

}  // namespace

TEST_CASE_TEMPLATE("adam_step does one step by hand", T, float, double) {
  // m = 0.1 * 4 + 0.9 * 1 = 1.3, v = 0.001 * 16 + 0.999 * 2 = 2.014, at t = 2.
  GuardedBuffer<T> x(std::vector<T>{5}), m(std::vector<T>{1}), v(std::vector<T>{2});
  const T g[] = {4};
  AdamParams params;
  params.learning_rate = 0.5;
  params.step = 2;
  cpu::adam_step(x.data(), m.data(), v.data(), g, params, 1, Stream{});
  const double expected = 5 - 0.5 * (1.3 / 0.19) / (std::sqrt(2.014 / 0.001999) + 1e-8);
  CHECK(static_cast<double>(m[0]) == doctest::Approx(1.3).epsilon(1e-6));
  CHECK(static_cast<double>(v[0]) == doctest::Approx(2.014).epsilon(1e-6));
  CHECK(static_cast<double>(x[0]) == doctest::Approx(expected).epsilon(1e-6));
  CHECK((x.intact() && m.intact() && v.intact()));
}

TEST_CASE_TEMPLATE("adam_step knows a picture's three channels: their rates and bounds", T, float, double) {
  constexpr int kCount = 2 * 48 + 5;  // beyond the tables' period
  AdamParams params;
  params.learning_rate = 0.5;
  const double rates[3] = {1, 2, 4}, lowest[3] = {-9, 4.5, -9}, highest[3] = {9, 9, 1.5};
  for (int c = 0; c < 3; ++c) {
    params.rates[c] = rates[c];
    params.lowest[c] = lowest[c];
    params.highest[c] = highest[c];
  }
  // The first step is the rate against the gradient's sign.
  GuardedBuffer<T> x(std::vector<T>(kCount, 5)), m(std::vector<T>(kCount, 0)), v(std::vector<T>(kCount, 0));
  const std::vector<T> g(kCount, 3);
  cpu::adam_step(x.data(), m.data(), v.data(), g.data(), params, kCount, Stream{});
  int wrong = 0;
  for (int i = 0; i < kCount; ++i) {
    const double expected[3] = {4.5, 4.5, 1.5};  // as it comes, at the lowest (4), at the highest (3)
    wrong += !(std::abs(static_cast<double>(x[i]) - expected[i % 3]) <= 1e-6);
  }
  CHECK(wrong == 0);
  CHECK((x.intact() && m.intact() && v.intact()));
}

TEST_CASE("adam_step leaves NaN for the guard to see") {
  AdamParams params;
  for (int c = 0; c < 3; ++c) params.lowest[c] = -1, params.highest[c] = 1;
  double x = 0, m = 0, v = 0;
  const double g = std::nan("");
  cpu::adam_step(&x, &m, &v, &g, params, 1, Stream{});
  CHECK(std::isnan(x));
}

TEST_CASE("adam_step gives the same bytes whatever the number of threads, and stays in its vectors") {
  constexpr int64_t kCount = 50001;
  const auto start = test::random_vector<float>(kCount, 1), g = test::random_vector<float>(kCount, 2);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    GuardedBuffer<float> x(start), m(std::vector<float>(kCount, 0.1f)), v(std::vector<float>(kCount, 0.2f));
    cpu::adam_step(x.data(), m.data(), v.data(), g.data(), AdamParams(), kCount, cpu::stream_of(pool));
    CHECK((x.intact() && m.intact() && v.intact()));
    results.push_back(x.values());
  }
  CHECK(test::same_bytes(results[0].data(), results[1].data(), kCount));
  CHECK_FALSE(test::same_bytes(results[0].data(), start.data(), kCount));
}

TEST_CASE("Adam asks for the points that torch's Adam evaluates") {
  const auto backend = make_cpu_backend(1);
  for (const DType dtype : {DType::kFloat64, DType::kFloat32}) {
    Adam adam(options_of_rate(0.1), *backend, Row(*backend, dtype, torch_adam()[0]).tensor());
    const Trace trace = drive(*backend, adam, chain, static_cast<int>(torch_adam().size()));
    REQUIRE(trace.points.size() == torch_adam().size());
    for (size_t k = 0; k < trace.points.size(); ++k) {
      CAPTURE(k);
      CHECK(test::relative_l2(trace.points[k], torch_adam()[k]) <= (dtype == DType::kFloat64 ? 1e-13 : 1e-6));
    }
    CHECK(adam.iterations() == adam.evaluations());
  }
}

TEST_CASE("Adam goes on with moments that are handed over as if it had never stopped") {
  const auto backend = make_cpu_backend(1);
  const Vector start = torch_adam()[0];
  Adam whole(options_of_rate(0.1), *backend, Row(*backend, DType::kFloat64, start).tensor());
  Adam first(options_of_rate(0.1), *backend, Row(*backend, DType::kFloat64, start).tensor());
  drive(*backend, whole, chain, 7);
  drive(*backend, first, chain, 3);
  Adam second(options_of_rate(0.1), *backend, first.ask());
  second.set_moments(first.first_moment(), first.second_moment(), first.moment_steps());
  drive(*backend, second, chain, 4);
  CHECK(second.moment_steps() == 7);
  CHECK(Row::read(*backend, second.ask()) == Row::read(*backend, whole.ask()));

  second.restart(Row(*backend, DType::kFloat64, start).tensor());
  CHECK(Row::read(*backend, second.first_moment()) == Vector(4, 0.0));
  CHECK(second.moment_steps() == 0);
}

TEST_CASE("Adam walks to the minimum, and converges on a zero gradient") {
  const auto backend = make_cpu_backend(1);
  Adam adam(options_of_rate(0.05), *backend, Row(*backend, DType::kFloat64, {2, -1, 0.5, 3}).tensor());
  CHECK(drive(*backend, adam, chain, 1500).best <= 1e-8);
  adam.restart(Row(*backend, DType::kFloat64, {1, 1, 1, 1}).tensor());
  CHECK(drive(*backend, adam, chain, 10).points.size() == 1);
  CHECK(adam.converged());
}

TEST_CASE("Adam refuses options out of range") {
  const auto backend = make_cpu_backend(1);
  const Row start(*backend, DType::kFloat32, {1, 2, 3});
  AdamOptions options;
  options.beta2 = 1;
  CHECK_THROWS_AS(Adam(options, *backend, start.tensor()), Error);
  CHECK_THROWS_AS(Adam(options_of_rate(-1), *backend, start.tensor()), Error);
}

}  // namespace swag
