#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/thread_pool.h"
#include "kernels/lbfgs/lbfgs.h"
#include "tests/helpers.h"
#include "tests/kernels/lbfgs/cases.h"

namespace swag {
namespace {

using test::GuardedBuffer;
using test::LbfgsCase;
using test::LbfgsHost;
using Vector = std::vector<double>;

template <typename T>
GradientReport measure(LbfgsHost<T>& host, const LbfgsMeasureParams& params, Stream stream = {}) {
  GuardedBuffer<char> workspace(cpu::lbfgs_workspace_bytes<T>(host.ring.capacity(), host.count));
  GuardedBuffer<GradientReport> report(1);
  cpu::lbfgs_measure(report.data(), host.trial_gradient.data(), host.state(), params, workspace.data(),
                     stream);
  CHECK((report.intact() && workspace.intact()));
  return report[0];
}

/// How far apart, in units of the terms' magnitude.
double error_of(double actual, double expected, double scale) { return std::abs(actual - expected) / scale; }

/// The pairs that the direction is made of, oldest first, as vectors.
template <typename T>
void direction_pairs(const LbfgsHost<T>& host, bool keeps, std::vector<Vector>* s, std::vector<Vector>* y) {
  const LbfgsPairs pairs{host.ring, keeps};
  for (int age = 0; age < pairs.count(); ++age) {
    s->push_back(host.vector(pairs.s(age)));
    y->push_back(host.vector(pairs.y(age)));
  }
}

}  // namespace

TEST_CASE_TEMPLATE("lbfgs_measure gives the trial's dot products in float64, and its report", T, float,
                   double) {
  for (const LbfgsCase& c : test::kLbfgsCases) {
    CAPTURE(c.count);
    CAPTURE(c.capacity);
    CAPTURE(c.pushes);
    LbfgsHost<T> host(c);
    const HistoryRing& ring = host.ring;
    const Vector before = host.scalars;
    const GradientReport report = measure(host, host.measure_params());
    const double* trial = LbfgsScalars(host.scalars.data(), ring, 1).trial;
    const Vector s = host.vector(ring.trial_s()), y = host.vector(ring.trial_y()), g = host.vector(ring.g());
    const Vector* rows[] = {&s, &y, &g};
    std::vector<int> positions = host.used_positions();
    positions.insert(positions.end(), {ring.trial_s(), ring.trial_y(), ring.g()});
    double worst = 0;
    for (int row = 0; row < 3; ++row) {
      for (const int position : positions) {
        if (row == 0 && position < ring.capacity()) continue;  // <s, s>, which nobody asks for
        const double expected = host.dot(*rows[row], host.vector(position));
        const double error = std::abs(trial[row * ring.positions() + position] - expected);
        worst = error <= worst ? worst : error;
      }
    }
    CHECK(worst <= 1e-14 * static_cast<double>(c.count));  // a float32 sum would miss this by far
    const auto is = [&](double actual, double expected) {
      return std::abs(actual - expected) <= 1e-14 * static_cast<double>(c.count);
    };
    long double sum = 0;
    double largest = 0, longest = 0;
    for (size_t i = 0; i < g.size(); ++i) {
      sum += std::abs(g[i]);
      largest = std::max(largest, std::abs(g[i]));
      longest = std::max(longest, std::abs(static_cast<double>(host.direction[i])));
    }
    CHECK(is(report.norms.sum_abs, static_cast<double>(sum)));
    CHECK(report.norms.max_abs == largest);
    CHECK(report.longest == longest);
    CHECK(is(report.square, host.dot(g, g)));
    CHECK(is(report.slope, host.dot(g, Vector(host.direction.begin(), host.direction.end()))));
    CHECK(is(report.curvature, host.dot(s, y)));
    CHECK((report.curvature > 0) == c.curved);
    // Nothing is remembered yet, and the other trial is left alone.
    const size_t others = LbfgsScalars::history_dots(c.capacity) + LbfgsScalars::trial_doubles(c.capacity);
    CHECK(test::same_bytes(before.data(), host.scalars.data(), static_cast<int64_t>(others)));
  }
}

TEST_CASE_TEMPLATE("lbfgs_step moves along the textbook's direction, and remembers", T, float, double) {
  const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-11;
  for (const LbfgsCase& c : test::kLbfgsCases) {
    CAPTURE(c.count);
    CAPTURE(c.capacity);
    CAPTURE(c.pushes);
    LbfgsHost<T> host(c);
    const LbfgsHost<T> old = host;
    const GradientReport report = measure(host, host.measure_params());
    const LbfgsStepParams params = host.step_params(report);
    CHECK(params.keeps_pair == c.curved);
    cpu::lbfgs_step(host.state(), host.trial_gradient.data(), params, Stream{});

    std::vector<Vector> s, y;
    direction_pairs(old, params.keeps_pair, &s, &y);
    const Vector expected = test::textbook_direction(s, y, old.vector(old.ring.g()));
    CHECK(test::relative_l2(host.direction, expected) <= tolerance);
    double slope = 0;
    for (size_t i = 0; i < expected.size(); ++i)
      slope += expected[i] * static_cast<double>(old.trial_gradient[i]);
    CHECK(error_of(report.next_slope, slope, std::abs(slope)) <= 1e-10);
    CHECK(host.gradient == old.trial_gradient);

    std::vector<T> point = old.x;
    if (c.search) {
      for (size_t i = 0; i < point.size(); ++i) {
        point[i] = static_cast<T>(static_cast<double>(old.start[i]) +
                                  params.accepted * static_cast<double>(old.direction[i]));
      }
      CHECK(host.start == point);
    }
    for (size_t i = 0; i < point.size(); ++i) {
      point[i] = static_cast<T>(static_cast<double>(point[i]) +
                                params.step * static_cast<double>(host.direction[i]));
    }
    CHECK(host.x == point);

    if (!params.keeps_pair) {
      CHECK(test::same_bytes(host.history.data(), old.history.data(),
                             static_cast<int64_t>(old.history.size())));
      continue;
    }
    const int slot = host.ring.push();
    CHECK(host.vector(host.ring.s(slot)) == old.vector(old.ring.trial_s()));
    CHECK(host.vector(host.ring.y(slot)) == old.vector(old.ring.trial_y()));
    double worst = 0;
    for (const int a : host.used_positions()) {
      for (const int b : host.used_positions()) {
        if (a < c.capacity && b < c.capacity) continue;
        const double error =
            std::abs(host.scalars[host.dot_index(a, b)] - host.dot(host.vector(a), host.vector(b)));
        worst = error <= worst ? worst : error;
      }
    }
    CHECK(worst <= 1e-14 * static_cast<double>(c.count));
  }
}

TEST_CASE_TEMPLATE("L-BFGS's first step is steepest descent, and a failed search takes it again", T, float,
                   double) {
  LbfgsHost<T> host(LbfgsCase{777, 3, 0});
  LbfgsMeasureParams measure_params = host.measure_params();
  measure_params.is_first = true;
  // There is no direction yet, nor an old gradient.
  std::fill(host.direction.begin(), host.direction.end(), host.template kNone<T>);
  std::fill(host.gradient.begin(), host.gradient.end(), host.template kNone<T>);
  const GradientReport report = measure(host, measure_params);
  CHECK(report.next_slope == -report.square);
  CHECK(report.curvature == 0);
  CHECK(report.slope == 0);
  LbfgsStepParams params;
  params.ring = host.ring;
  params.trial = 1;
  params.step = 0.5;
  const std::vector<T> start = host.start;
  cpu::lbfgs_step(host.state(), host.trial_gradient.data(), params, Stream{});
  CHECK(host.start == start);
  for (size_t i = 0; i < start.size(); ++i) {
    REQUIRE(host.direction[i] == -host.trial_gradient[i]);
    REQUIRE(host.x[i] == static_cast<T>(static_cast<double>(start[i]) -
                                        0.5 * static_cast<double>(host.trial_gradient[i])));
  }

  cpu::lbfgs_move(host.state(), -2, Stream{});  // somewhere
  host.direction.assign(host.direction.size(), T(7));
  params.trial = -1;
  cpu::lbfgs_step(host.state(), host.gradient.data(), params, Stream{});  // onto itself
  CHECK(host.start == start);
  for (size_t i = 0; i < start.size(); ++i) REQUIRE(host.direction[i] == -host.trial_gradient[i]);
}

TEST_CASE_TEMPLATE("lbfgs_measure reports NaN for a gradient that is not finite", T, float, double) {
  for (const T bad : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()}) {
    LbfgsHost<T> host(LbfgsCase{20000, 2, 3});
    host.trial_gradient[17001] = bad;
    const GradientReport report = measure(host, host.measure_params());
    CHECK(std::isnan(report.norms.sum_abs));
    CHECK(std::isnan(report.norms.max_abs));
    CHECK_FALSE(std::isfinite(report.slope));
    CHECK_FALSE(std::isfinite(report.next_slope));
  }
}

TEST_CASE_TEMPLATE("L-BFGS's kernels give the same bytes whatever the number of threads", T, float, double) {
  std::vector<LbfgsHost<T>> ends;
  std::vector<GradientReport> reports;
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const Stream stream = cpu::stream_of(pool);
    LbfgsHost<T> host(LbfgsCase{100003, 3, 4});
    reports.push_back(measure(host, host.measure_params(), stream));
    cpu::lbfgs_step(host.state(), host.trial_gradient.data(), host.step_params(reports.back()), stream);
    ends.push_back(host);
  }
  for (size_t k = 1; k < ends.size(); ++k) {
    CHECK(test::same_bytes(&reports[0], &reports[k], 1));
    CHECK(ends[0].x == ends[k].x);
    CHECK(ends[0].start == ends[k].start);
    CHECK(ends[0].direction == ends[k].direction);
  }
}

}  // namespace swag
