#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "src/optimizers/line_search.h"

namespace swag {
namespace {

struct Value {
  double loss, slope;
};
using Curve = std::function<Value(double step)>;

struct Result {
  LineSearch::State state = LineSearch::State::kFailed;
  double step = 0, loss = 0;
  std::vector<double> trials;
  double best_told = 0;  // the last trial that told_is_best() named
};

Result search_along(const Curve& curve, double first_step, const LineSearchOptions& options = {}) {
  LineSearch search(options);
  const Value start = curve(0);
  search.start(start.loss, start.slope, first_step, 1e-12);
  Result result;
  while (search.state() == LineSearch::State::kSearching) {
    result.trials.push_back(search.step());
    const Value value = curve(search.step());
    search.tell(value.loss, value.slope);
    if (search.told_is_best()) result.best_told = result.trials.back();
  }
  result.state = search.state();
  result.step = search.step();
  result.loss = search.best_loss();
  return result;
}

bool satisfies_strong_wolfe(const Curve& curve, double step) {
  const Value start = curve(0), end = curve(step);
  return end.loss <= start.loss + 1e-4 * step * start.slope && std::abs(end.slope) <= -0.9 * start.slope;
}

// Two of the curves that Moré and Thuente (1994) made to be hard on line searches, and two easy ones.
const std::vector<Curve>& curves() {
  static const std::vector<Curve> all = {
      [](double t) {
        return Value{(t - 1) * (t - 1), 2 * (t - 1)};
      },
      [](double t) {
        return Value{-t / (t * t + 2), (t * t - 2) / ((t * t + 2) * (t * t + 2))};
      },
      [](double t) {
        return Value{std::pow(t + 0.004, 5) - 2 * std::pow(t + 0.004, 4),
                     5 * std::pow(t + 0.004, 4) - 8 * std::pow(t + 0.004, 3)};
      },
      [](double t) {
        return Value{std::cosh(t - 3), std::sinh(t - 3)};
      },
  };
  return all;
}

}  // namespace

TEST_CASE("LineSearch accepts a step with both Wolfe conditions, over ten orders of first steps") {
  for (size_t k = 0; k < curves().size(); ++k) {
    for (double first = 1e-5; first < 1e5; first *= 10) {
      CAPTURE(k);
      CAPTURE(first);
      const Result result = search_along(curves()[k], first);
      CHECK(result.state == LineSearch::State::kDone);
      CHECK(satisfies_strong_wolfe(curves()[k], result.step));
      CHECK(result.trials.front() == first);
      CHECK(result.trials.size() <= 25);
      CHECK(result.best_told == result.step);  // the gradient that was kept is the accepted point's
      CHECK(result.loss == curves()[k](result.step).loss);
    }
  }
}

// Trial steps of torch 1.13:
//
//   import torch
//   from torch.optim.lbfgs import _strong_wolfe
//   torch.set_default_dtype(torch.float64)
//   def trials(f, first):
//       steps = []
//       def along(x, t, d):
//           t = torch.tensor(float(t), requires_grad=True)
//           steps.append(float(t))
//           loss = f(t)
//           loss.backward()
//           return float(loss), t.grad.reshape(1)
//       loss, slope = along(None, 0., None)
//       _strong_wolfe(along, None, first, torch.ones(1), loss, slope, slope)
//       print('{' + ', '.join('%.17g' % step for step in steps[1:]) + '}')
//   for first in (1e-3, 1., 30.):
//       trials(lambda t: -t / (t * t + 2), first)
//       trials(lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4, first)
//       trials(lambda t: torch.cosh(t - 3), first)
TEST_CASE("LineSearch tries the steps that torch tries") {
  struct Reference {
    size_t curve;
    std::vector<double> trials;
  };
  const std::vector<Reference> references = {
      {1, {0.001, 0.01, 0.10000000000000001, 0.82304930608515037}},
      {2,
       {0.001, 0.0055050000000000003, 0.030300025000000001, 0.16677411262500003, 0.91793998987562508,
        0.92545164864813134, 2.6993590241399237, 1.7090408663518244, 1.5741372450122861, 1.5961365899172155,
        1.5959999622502541, 1.5960136250169503, 1.5959999999998968}},
      {3, {0.001, 0.0055050000000000003, 0.030300025000000001, 0.16677411262500003}},
      {1, {1}},
      {2,
       {1, 1.01, 2.0701329476153152, 1.5853611805979066, 1.5978274157124255, 1.5959998999356215,
        1.5960000000001957}},
      {3, {1}},
      {1, {30}},
      {2,
       {30, 13.486916763914351, 6.1571623907472768, 2.924250243911434, 1.5705751756008195, 1.7293172829251435,
        1.5962231213260707, 1.5959999169067465, 1.596022237348679, 1.5960000000000854}},
      {3, {30, 19.285714285535107, 12.113336254096978, 7.2734819357662657, 3.8121159114753631}},
  };
  for (const Reference& reference : references) {
    CAPTURE(reference.curve);
    CAPTURE(reference.trials[0]);
    const Result result = search_along(curves()[reference.curve], reference.trials[0]);
    REQUIRE(result.trials.size() == reference.trials.size());
    for (size_t k = 0; k < result.trials.size(); ++k) {
      CHECK(result.trials[k] == doctest::Approx(reference.trials[k]).epsilon(1e-9));
    }
  }
}

TEST_CASE("LineSearch takes a value that is not finite as too far") {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Value wall : {Value{nan, nan}, Value{infinity, nan}, Value{-infinity, -1}, Value{-5, nan}}) {
    const auto curve = [&](double t) { return t < 1e-6 ? Value{-t, -1} : wall; };  // falls until the wall
    const Result result = search_along(curve, 1);
    CHECK(result.state == LineSearch::State::kDone);
    CHECK(result.step > 0);
    CHECK(result.step < 1e-6);
    CHECK(result.trials[1] == doctest::Approx(0.1));  // by orders of magnitude until one is good
    CHECK(result.loss == -result.step);
    CHECK(result.best_told == result.step);
    CHECK(result.trials.size() <= 25);
  }
}

TEST_CASE("LineSearch that runs out of evaluations ends with the lowest point it saw") {
  LineSearchOptions options;
  options.max_evaluations = 4;
  const auto slope_without_end = [](double t) { return Value{-t, -1}; };  // never curved
  const Result result = search_along(slope_without_end, 1, options);
  CHECK(result.state == LineSearch::State::kDone);
  CHECK(result.trials.size() == 4);
  CHECK(result.step == result.trials.back());
  CHECK(result.best_told == result.step);
}

TEST_CASE("LineSearch fails where no step has a lower loss") {
  for (const double loss : {1.0, std::nan("")}) {
    const auto uphill = [&](double t) { return t == 0 ? Value{0, -1} : Value{loss, 1}; };
    const Result result = search_along(uphill, 1);
    CHECK(result.state == LineSearch::State::kFailed);
    CHECK(result.step == 0);
    CHECK(result.trials.size() <= 25);
  }
}

TEST_CASE("LineSearch looks between the last two steps when the loss rises again behind a hill's foot") {
  LineSearch search;
  search.start(0, -1, 1, 0);
  search.tell(-1, -1);
  const double second = search.step();
  search.tell(-3, -1);
  const double third = search.step();
  CHECK(second < third);
  search.tell(-2, -1);  // enough decrease from the start and still falling, but above the second
  CHECK(search.step() > second);
  CHECK(search.step() < third);
}

TEST_CASE("LineSearch can be used again") {
  LineSearch search;
  for (int round = 0; round < 3; ++round) {
    search.start(9, -6, 1, 0);  // (t - 3)^2
    CHECK(search.step() == 1);
    CHECK_FALSE(search.told_is_best());
    CHECK(search.tell(4, -4) == LineSearch::State::kDone);
    CHECK(search.best_loss() == 4);
  }
}

}  // namespace swag
