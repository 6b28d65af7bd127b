#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <set>

#include "src/optimizers/lbfgs.h"
#include "src/optimizers/make_optimizer.h"
#include "src/support/error.h"
#include "tests/helpers.h"
#include "tests/optimizers/optimizer_problems.h"

namespace swag {
namespace {

using test::chain;
using test::drive;
using test::Problem;
using test::rosenbrock;
using test::rosenbrock_start;
using test::Row;
using test::Trace;
using Vector = std::vector<double>;

LbfgsOptions options_with(LbfgsOptions::Step step, int history) {
  LbfgsOptions options;
  options.step = step;
  options.history = history;
  return options;
}
constexpr auto kStrongWolfe = LbfgsOptions::Step::kStrongWolfe;
constexpr auto kFixed = LbfgsOptions::Step::kFixed;

/// An optimiser at `start`, and the backend it lives on.
struct Setup {
  Setup(const LbfgsOptions& options, const Vector& start, DType dtype = DType::kFloat64)
      : backend(make_cpu_backend(1)), lbfgs(options, *backend, Row(*backend, dtype, start).tensor()) {}
  Trace run(const Problem& problem, int evaluations) { return drive(*backend, lbfgs, problem, evaluations); }
  std::unique_ptr<Backend> backend;
  Lbfgs lbfgs;
};

double worst_distance_from_one(const Vector& x) {
  double worst = 0;
  for (const double value : x) worst = std::max(worst, std::abs(value - 1));
  return worst;
}

// The reference points, every one that torch 1.13 evaluates, come from:
//
//   import torch
//   torch.set_default_dtype(torch.float64)
//   def rosenbrock(x): return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
//   def chain(x): return ((x - 1) ** 2 * torch.arange(1., 5.)).sum() / 2 + ((x[1:] - x[:-1]) ** 4).sum() / 4
//   def run(f, start, line_search):
//       x = torch.tensor(start, requires_grad=True)
//       optimizer = torch.optim.LBFGS([x], max_iter=1000, max_eval=1000, history_size=3,
//                                     line_search_fn=line_search)
//       def closure():
//           print('{' + ', '.join('%.17g' % v for v in x.tolist()) + '},')
//           optimizer.zero_grad()
//           loss = f(x)
//           loss.backward()
//           return loss
//       optimizer.step(closure)
//   run(rosenbrock, [-1.2, 1., -1.2, 1.], 'strong_wolfe')  # the first 36 lines
//   run(chain, [2., -1., 0.5, 3.], None)                   # all lines
const std::vector<Vector>& torch_strong_wolfe() {
  static const std::vector<Vector> points = {
      {-1.2, 1, -1.2, 1},
      {-1.0768844221105527, 0.54773869346733672, -0.82562814070351764, 1.050251256281407},
      {-0.85070280066067827, 0.41954227123483079, -0.71545640612175898, 0.99308639036189483},
      {-0.62726268937834562, 0.18054573655047607, -0.60296432176192494, 0.74120964599380357},
      {-0.34039271944606148, 0.064549912478608223, -0.25128983263508609, 0.24100014227925703},
      {-0.20132035099419457, -0.086526194608643053, 0.46982166477971865, -0.31756622180477068},
      {-0.28506683953195328, 0.0044486957405538109, 0.035583315171139121, 0.018790828327229434},
      {-0.21536467878521748, 0.083525303055482725, 0.019549674297770676, -0.0014849573539095703},
      {-0.22157431014692797, 0.066156990766587459, 0.016045172079409614, 0.00086391630467229667},
      {-0.2162665134922471, 0.059565797080918026, 0.01435358687211969, -0.00040127165895211502},
      {-0.17800265012681371, 0.031362215243776338, 0.0073811655621569289, -0.0041785238655095754},
      {-0.11444267123207848, -0.0025307107531650358, 0.0021536051136776127, -0.0066114392801530416},
      {-0.070859323941468932, -0.011627502850341144, 0.0032334454281595232, -0.0062020626116832947},
      {0.18502265189668621, 0.001329884055761104, -0.073713334047479095, -0.0010213875023134221},
      {0.02849693385576518, -0.006596286917275671, -0.026644173084072117, -0.0041904614035707137},
      {0.23300440426286131, -0.0039587923011154217, 0.0027722018881024026, 0.0029312466331473863},
      {0.16556291330938214, -0.0048285726027422387, -0.0069285889075634214, 0.00058268397587353277},
      {0.2919684068187669, 0.11652424418109929, 0.0682974378973457, 0.014545132813668097},
      {0.72063296577292035, 0.26688103460292345, 0.11025788074092777, 0.02006411095253368},
      {0.44692232661330933, 0.17087530623398053, 0.083465323739812303, 0.016540136314690149},
      {0.50571632339601913, 0.22423143979019061, 0.05979464294088141, 0.010360054375592873},
      {0.46710283818851644, 0.24276824889391896, 0.042580468131117655, -0.0025913907353301673},
      {0.48755481371757636, 0.23295006324869663, 0.051698108770658814, 0.0042684572439735348},
      {0.54204383551002411, 0.28057834332453463, 0.058141271844278773, -0.0013960241151599936},
      {0.59235372429863464, 0.33521007396091462, 0.090676395076136104, 0.0033907546628583543},
      {0.71617918672264635, 0.4973498086366489, 0.24921623486741712, -0.034520049101468844},
      {0.64147492448961607, 0.39953043432950158, 0.15356868763198031, -0.011648350741260968},
      {0.72326893313604457, 0.52583647283569168, 0.23709793267463444, 0.031802445237687188},
      {0.73538125014120381, 0.54306620957597829, 0.28891952049210468, 0.083173683812359123},
      {0.86194151275138053, 0.69525774612548497, 0.46064690527159347, 0.16966386963114174},
      {0.80235991683874952, 0.62360954909269872, 0.3798016902250686, 0.12894632373179638},
      {0.84033394211215795, 0.70063375926108329, 0.47779987894452713, 0.19437377053825311},
      {0.83548804789996078, 0.7093157449683225, 0.50242032792291602, 0.24558608593609399},
      {0.88791772653738343, 0.78483657922133376, 0.60391176612121489, 0.35497276489834939},
      {0.9270534543660387, 0.83709488027347068, 0.7182622869464238, 0.47809695447214889},
      {0.90183090330340554, 0.80341497345009805, 0.64456461960827605, 0.39874475302167212},
  };
  return points;
}

const std::vector<Vector>& torch_fixed_step() {
  static const std::vector<Vector> points = {
      {2, -1, 0.5, 3},
      {1.7192982456140351, -0.65538847117794485, 0.6378446115288221, 2.763157894736842},
      {1.4270740177276391, -0.21432366449398177, 0.86646288912944192, 2.2631701559194202},
      {1.2747240619837006, 0.13671700151013549, 0.91819175489784266, 1.8372244572993428},
      {1.1986087817807856, 0.45341870519655308, 0.92268895276883678, 1.3728883435683568},
      {1.1709887173852163, 0.70222521499992563, 0.92619365172780477, 1.0795862832426089},
      {1.1377716413143981, 0.88801824411343466, 0.97413804891249212, 0.99987383917293859},
      {1.0843751793641041, 0.98591121216550948, 1.001677733170564, 1.0085968479008083},
      {1.0355359661203587, 1.0055875805567214, 0.99992533693290453, 0.99824226090680468},
      {0.99954015773389016, 1.0028575797091221, 1.002412500134152, 1.0036513498103419},
      {0.99774986680490507, 0.99931556704693936, 0.99928587648335931, 0.99633218759614117},
      {0.99996128418690899, 1.00028267263697, 1.0000817217632745, 0.99990778923770729},
      {0.99998493696395274, 1.0001160256489967, 1.0000023752549767, 0.99998624125335245},
      {0.99999249293485515, 1.0000018097577776, 1.0000006494588405, 1.000002980602583},
  };
  return points;
}

}  // namespace

TEST_CASE("L-BFGS with a line search asks for the points that torch's LBFGS evaluates") {
  Setup setup(options_with(kStrongWolfe, 3), torch_strong_wolfe()[0]);
  const Trace trace = setup.run(rosenbrock, static_cast<int>(torch_strong_wolfe().size()));
  REQUIRE(trace.points.size() == torch_strong_wolfe().size());
  for (size_t k = 0; k < trace.points.size(); ++k) {
    CAPTURE(k);
    CHECK(test::relative_l2(trace.points[k], torch_strong_wolfe()[k]) <= 1e-9);
  }
  CHECK(setup.lbfgs.iterations() > 3 + 3);  // the ring was full and went round
}

TEST_CASE("L-BFGS with a fixed step asks for the points that torch's LBFGS evaluates, and stops there too") {
  Setup setup(options_with(kFixed, 3), torch_fixed_step()[0]);
  const Trace trace = setup.run(chain, 100);
  REQUIRE(trace.points.size() == torch_fixed_step().size());
  for (size_t k = 0; k < trace.points.size(); ++k) {
    CAPTURE(k);
    CHECK(test::relative_l2(trace.points[k], torch_fixed_step()[k]) <= 1e-11);
  }
  CHECK(setup.lbfgs.converged());
  CHECK(setup.lbfgs.iterations() == static_cast<int64_t>(trace.points.size()) - 1);
}

TEST_CASE("L-BFGS finds the minimum of Rosenbrock's function in both precisions") {
  for (const DType dtype : {DType::kFloat64, DType::kFloat32}) {
    for (const int n : {2, 20, 1000}) {
      CAPTURE(n);
      CAPTURE(size_of(dtype));
      Setup setup(options_with(kStrongWolfe, 10), rosenbrock_start(n), dtype);
      const Trace trace = setup.run(rosenbrock, 20000);
      CHECK(setup.lbfgs.converged());
      CHECK(worst_distance_from_one(Row::read(*setup.backend, setup.lbfgs.ask())) <=
            (dtype == DType::kFloat64 ? 1e-7 : 2e-3));
    }
  }
}

TEST_CASE("L-BFGS whose history spans the space solves a quadratic in few steps") {
  constexpr int kCount = 12;
  const auto quadratic = [](const Vector& x, Vector& gradient) {
    double loss = 0;
    gradient.resize(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      gradient[i] = static_cast<double>(1 + i * i) * (x[i] - 1);
      loss += gradient[i] * (x[i] - 1) / 2;
    }
    return loss;
  };
  for (const auto step : {kStrongWolfe, kFixed}) {
    Setup setup(options_with(step, 100), Vector(kCount, 3.0));  // more pairs than iterations
    const Trace trace = setup.run(quadratic, 60);
    CHECK(trace.best <= 1e-9);
    CHECK(setup.lbfgs.iterations() < 100);
  }
}

TEST_CASE("L-BFGS never evaluates an accepted point again, and its loss falls from one to the next") {
  Setup setup(options_with(kStrongWolfe, 4), rosenbrock_start(20));
  const void* address = setup.lbfgs.ask().data;
  std::set<Vector> seen;
  Row gradient_row(*setup.backend, DType::kFloat64, Vector(20));
  Vector gradient;
  double best = INFINITY, best_before = INFINITY;
  int64_t iterations = 0;
  for (int k = 0; k < 80; ++k) {
    const Vector x = Row::read(*setup.backend, setup.lbfgs.ask());
    CHECK(setup.lbfgs.ask().data == address);
    CHECK(seen.insert(x).second);
    const double loss = rosenbrock(x, gradient);
    gradient_row.write(gradient);
    test::answer(*setup.backend, setup.lbfgs, loss, gradient_row.tensor());
    best = std::min(best, loss);
    if (k == 0) best_before = best;
    CHECK(setup.lbfgs.in_line_search() == (k > 0 && setup.lbfgs.iterations() == iterations));
    if (setup.lbfgs.iterations() == iterations) continue;
    CHECK(setup.lbfgs.iterations() == iterations + 1);
    CHECK(best < best_before);
    iterations = setup.lbfgs.iterations();
    best_before = best;
  }
  CHECK(setup.lbfgs.evaluations() == 80);
}

TEST_CASE("L-BFGS gets to a minimum beside a region of NaN, and never into it") {
  // -log(2 - x_i) + x_i^2 has its minimum at x = 1 - sqrt(1.5) and no value beyond x = 2.
  const double minimum = 1 - std::sqrt(1.5);
  const auto barrier = [](const Vector& x, Vector& gradient) {
    double loss = 0;
    gradient.resize(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      loss += x[i] * x[i] - std::log(2 - x[i]);
      gradient[i] = x[i] < 2 ? 2 * x[i] + 1 / (2 - x[i]) : NAN;
    }
    return loss;
  };
  LbfgsOptions options = options_with(kStrongWolfe, 5);
  options.learning_rate = 1000;  // the first trial is far beyond the wall
  Setup setup(options, {-40, -20, 1.9});
  const Trace trace = setup.run(barrier, 2000);
  CHECK(std::any_of(trace.losses.begin(), trace.losses.end(), [](double loss) { return std::isnan(loss); }));
  for (const double x : Row::read(*setup.backend, setup.lbfgs.ask())) {
    CHECK(std::abs(x - minimum) <= 1e-6);
  }
}

TEST_CASE("L-BFGS goes on from the best point of a search that ended elsewhere, with its gradient") {
  int ended_elsewhere = 0;
  for (double wall = 1.1; wall < 2; wall += 0.1) {
    const auto cliff = [&](const Vector& x, Vector& gradient) {  // never curved, so the search uses itself up
      gradient = {x[0] < wall ? -1 : NAN};
      return x[0] < wall ? -x[0] : NAN;
    };
    Setup setup(options_with(kStrongWolfe, 5), {0});
    const Trace trace = setup.run(cliff, 1 + 25);
    CHECK(setup.lbfgs.iterations() == 1);
    CHECK_FALSE(setup.lbfgs.converged());
    ended_elsewhere += std::isnan(trace.losses.back());
    // The gradient did not change, so the next trial is one step of steepest descent from the best point.
    CHECK(Row::read(*setup.backend, setup.lbfgs.ask())[0] == doctest::Approx(-trace.best + 1).epsilon(1e-14));
  }
  CHECK(ended_elsewhere > 0);
}

TEST_CASE("L-BFGS at a zero gradient has converged at once") {
  for (const auto step : {kStrongWolfe, kFixed}) {
    Setup setup(options_with(step, 5), Vector(7, 1.0));
    const Trace trace = setup.run(chain, 10);
    CHECK(trace.points.size() == 1);
    CHECK(setup.lbfgs.converged());
    CHECK_FALSE(setup.lbfgs.in_line_search());
    CHECK(setup.lbfgs.iterations() == 0);
    CHECK(Row::read(*setup.backend, setup.lbfgs.ask()) == Vector(7, 1.0));
  }
}

TEST_CASE("L-BFGS converges where no lower loss can be found, instead of searching for ever") {
  // A gradient that lies: every step along it goes up.
  const auto liar = [](const Vector& x, Vector& gradient) {
    gradient = {-2 * x[0]};
    return x[0] * x[0];
  };
  Setup setup(options_with(kStrongWolfe, 5), {1});
  const Trace trace = setup.run(liar, 1000);
  CHECK(setup.lbfgs.converged());
  CHECK(trace.points.size() <= 1 + 25);
  CHECK(Row::read(*setup.backend, setup.lbfgs.ask()) == Vector{1});
}

TEST_CASE("L-BFGS drops its history when a search fails, and tries steepest descent from the same point") {
  Setup setup(options_with(kStrongWolfe, 5), rosenbrock_start(4));
  Vector x, gradient;
  while (setup.lbfgs.iterations() < 6) {
    const int64_t before = setup.lbfgs.iterations();
    const Trace trace = setup.run(rosenbrock, 1);
    if (setup.lbfgs.iterations() > before) x = trace.points[0];
  }
  rosenbrock(x, gradient);
  double sum = 0;
  for (const double value : gradient) sum += std::abs(value);
  Vector steepest = x;
  for (size_t i = 0; i < x.size(); ++i) steepest[i] -= std::min(1.0, 1 / sum) * gradient[i];

  // No point is any good, so the search along the history's direction gives up.
  const auto wall = [](const Vector& at, Vector& slope) {
    slope.assign(at.size(), NAN);
    return INFINITY;
  };
  const auto asks_for_steepest = [&] {
    return test::relative_l2(Row::read(*setup.backend, setup.lbfgs.ask()), steepest) <= 1e-14;
  };
  CHECK_FALSE(asks_for_steepest());
  for (int k = 0; k < 25 && !asks_for_steepest(); ++k) setup.run(wall, 1);
  CHECK(asks_for_steepest());
  CHECK(setup.lbfgs.in_line_search());
  CHECK(setup.lbfgs.iterations() == 6);
  setup.run(rosenbrock, 1000);
  CHECK(setup.lbfgs.converged());
  CHECK(worst_distance_from_one(Row::read(*setup.backend, setup.lbfgs.ask())) <= 1e-7);

  Setup hopeless(options_with(kStrongWolfe, 5), rosenbrock_start(4));
  hopeless.run(rosenbrock, 10);
  CHECK(hopeless.run(wall, 1000).points.size() <= 50);
  CHECK(hopeless.lbfgs.converged());
  CHECK_FALSE(hopeless.lbfgs.in_line_search());
}

TEST_CASE("L-BFGS with a fixed step that diverges ends without a crash, and restarts") {
  const auto explosive = [](const Vector& x, Vector& gradient) {  // -x^4: falls for ever
    gradient = {-4 * x[0] * x[0] * x[0], -4 * x[1] * x[1] * x[1]};
    return -std::pow(x[0], 4) - std::pow(x[1], 4);
  };
  LbfgsOptions options = options_with(kFixed, 5);
  options.learning_rate = 1e9;
  Setup setup(options, {1, 2});
  const Trace trace = setup.run(explosive, 1000);
  CHECK(setup.lbfgs.converged());
  CHECK_FALSE(std::isfinite(trace.losses.back()));

  const Row again(*setup.backend, DType::kFloat64, {1, 2});
  setup.lbfgs.restart(again.tensor());
  CHECK_FALSE(setup.lbfgs.converged());
  CHECK(Row::read(*setup.backend, setup.lbfgs.ask()) == Vector{1, 2});
}

TEST_CASE("L-BFGS restarts as if new, and counts on") {
  Setup used(options_with(kStrongWolfe, 3), rosenbrock_start(6));
  Setup fresh(options_with(kStrongWolfe, 3), Vector(6, 0.5));
  used.run(rosenbrock, 23);
  used.lbfgs.restart(Row(*used.backend, DType::kFloat64, Vector(6, 0.5)).tensor());
  CHECK_FALSE(used.lbfgs.in_line_search());
  const Trace after = used.run(rosenbrock, 30), expected = fresh.run(rosenbrock, 30);
  CHECK(after.points == expected.points);
  CHECK(used.lbfgs.evaluations() == 53);
}

TEST_CASE("L-BFGS gives the same bytes whatever the number of threads") {
  const Vector start = rosenbrock_start(40000);
  std::vector<Vector> ends;
  for (const int threads : {1, 2, 3}) {
    const auto backend = make_cpu_backend(threads);
    Lbfgs lbfgs(options_with(kStrongWolfe, 4), *backend, Row(*backend, DType::kFloat32, start).tensor());
    ends.push_back(drive(*backend, lbfgs, rosenbrock, 15).points.back());
  }
  CHECK(ends[0] == ends[1]);
  CHECK(ends[0] == ends[2]);
  CHECK(ends[0] != start);
}

TEST_CASE("make_optimizer makes the kind whose options it gets, and optimizer_vectors says its memory") {
  const auto backend = make_cpu_backend(1);
  const Row start(*backend, DType::kFloat32, {1, 2, 3});
  CHECK(dynamic_cast<Lbfgs*>(make_optimizer(LbfgsOptions(), *backend, start.tensor()).get()));
  CHECK(dynamic_cast<Adam*>(make_optimizer(AdamOptions(), *backend, start.tensor()).get()));
  CHECK(optimizer_vectors(options_with(kStrongWolfe, 10)) == 25);
  CHECK(optimizer_vectors(options_with(kFixed, 100)) == 203);
  CHECK(optimizer_vectors(AdamOptions()) == 3);

  // Bytes: the vectors, and of L-BFGS its scalars and scratch.
  const Shape shape{32, 32, 3};
  const int64_t image = shape.count() * 4;
  const auto bytes = [&](const OptimizerOptions& options) {
    return optimizer_bytes(options, *backend, DType::kFloat32, shape);
  };
  CHECK(bytes(AdamOptions()) == 3 * image);
  CHECK(bytes(options_with(kFixed, 100)) >= 203 * image + 200 * 200 * 8);
  CHECK(bytes(options_with(kFixed, 100)) <= 203 * image + 200 * 200 * 8 + 40000);
}

TEST_CASE("L-BFGS refuses options out of range") {
  const auto backend = make_cpu_backend(1);
  const Row start(*backend, DType::kFloat32, {1, 2, 3});
  LbfgsOptions options;
  options.history = 0;
  CHECK_THROWS_AS(Lbfgs(options, *backend, start.tensor()), Error);
  options = LbfgsOptions();
  options.learning_rate = NAN;
  CHECK_THROWS_AS(Lbfgs(options, *backend, start.tensor()), Error);
}

}  // namespace swag
