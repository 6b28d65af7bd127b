// What an iteration asks of the runtime: how many launches, copies and allocations. Counted by the emulator.
#ifndef __CUDACC__
#include <doctest/doctest.h>

#include "src/backend/device_plugin.h"
#include "src/optimizers/make_optimizer.h"
#include "src/run/stylizer.h"
#include "src/weights/weights.h"
#include "tests/cuda/device_buffer.h"
#include "tests/optimizers/optimizer_problems.h"

namespace swag {
namespace {

using test::Row;
using Vector = std::vector<double>;

std::unique_ptr<Backend> device_backend() { return swag_cuda_plugin()->make_backend(0); }

/// What an optimiser asks of the runtime for one answer: for measure(), and for tell().
struct Asked {
  emulator::CallCounts measure, tell;
};

/// Drives the optimiser over Rosenbrock's function and shows each answer to `visit`.
template <typename Visit>
void drive(Backend& backend, Optimizer& optimizer, int evaluations, Visit&& visit) {
  const Buffer memory(backend, sizeof(GradientReport));
  auto* const device_report = static_cast<GradientReport*>(memory.data());
  backend.zero(device_report, memory.bytes());
  Row row(backend, DType::kFloat32, Vector(static_cast<size_t>(optimizer.ask().count())));
  for (int k = 0; k < evaluations && !optimizer.converged(); ++k) {
    Vector gradient;
    const double loss = test::rosenbrock(Row::read(backend, optimizer.ask()), gradient);
    row.write(gradient);
    emulator::take_calls();
    Asked asked;
    optimizer.measure(device_report, row.tensor());
    asked.measure = emulator::take_calls();
    GradientReport report;
    backend.download(&report, device_report, sizeof report);
    emulator::take_calls();
    const int64_t before = optimizer.iterations();
    optimizer.tell(loss, report, row.tensor());
    asked.tell = emulator::take_calls();
    visit(asked, optimizer.iterations() > before);
  }
}

bool waits_or_allocates(const emulator::CallCounts& calls) {
  return calls.to_host + calls.to_device + calls.fills + calls.allocations + calls.waits > 0;
}

Image waves(int h, int w, double phase) {
  Image image;
  image.h = h;
  image.w = w;
  for (int i = 0; i < h * w * 3; ++i) {
    image.rgb.push_back(static_cast<float>(0.5 + 0.4 * std::sin(0.37 * i + phase)));
  }
  return image;
}

std::shared_ptr<const Model> random_vgg11() {
  Model model;
  model.graph = make_network("vgg11");
  model.weights = random_weights(model.graph, 1);
  return std::make_shared<const Model>(std::move(model));
}

}  // namespace

TEST_CASE("L-BFGS takes three launches an evaluation, and neither waits nor allocates") {
  REQUIRE_DEVICE();
  for (const auto step : {LbfgsOptions::Step::kStrongWolfe, LbfgsOptions::Step::kFixed}) {
    LbfgsOptions options;
    options.step = step;
    options.history = 4;
    if (step == LbfgsOptions::Step::kFixed) options.learning_rate = 0.5;
    const auto backend = device_backend();
    const Row start(*backend, DType::kFloat32, test::rosenbrock_start(1500));
    emulator::take_calls();
    const int64_t available = backend->available_bytes();
    const auto optimizer = make_optimizer(options, *backend, start.tensor());
    CHECK(emulator::take_calls().allocations == 1);
    const int64_t taken = available - backend->available_bytes();
    const int64_t said = optimizer_bytes(options, *backend, start.tensor().dtype, start.tensor().shape);
    CHECK(taken >= said);
    CHECK(taken <= said + 4096);  // what the allocator rounds up
    int accepted = 0, searched = 0;
    drive(*backend, *optimizer, 25, [&](const Asked& asked, bool is_accepted) {
      CHECK(asked.measure.launches == 2);
      CHECK(asked.tell.launches == 1);
      CHECK(asked.measure.within_device == 0);
      CHECK_FALSE(waits_or_allocates(asked.measure));
      CHECK_FALSE(waits_or_allocates(asked.tell));
      // A trial that is better than all before, but not good enough, has its gradient kept.
      CHECK(asked.tell.within_device <= (is_accepted ? 0 : 1));
      (is_accepted ? accepted : searched) += 1;
    });
    CHECK(accepted > 8);  // the history went round
    CHECK((searched > 1) == (step == LbfgsOptions::Step::kStrongWolfe));
  }
}

TEST_CASE("Adam takes three launches an evaluation, and neither waits nor allocates") {
  REQUIRE_DEVICE();
  const auto backend = device_backend();
  const Row start(*backend, DType::kFloat32, test::rosenbrock_start(1500));
  emulator::take_calls();
  const auto optimizer = make_optimizer(AdamOptions(), *backend, start.tensor());
  CHECK(emulator::take_calls().allocations == 1);
  drive(*backend, *optimizer, 3, [&](const Asked& asked, bool) {
    CHECK(asked.measure.launches + asked.tell.launches == 3);
    CHECK_FALSE(waits_or_allocates(asked.measure));
    CHECK_FALSE(waits_or_allocates(asked.tell));
  });
}

TEST_CASE("L-BFGS on the device ends where the CPU's ends") {
  REQUIRE_DEVICE();
  for (const int history : {1, 5, 100}) {
    LbfgsOptions options;
    options.history = history;
    std::vector<test::Trace> traces;
    for (int run = 0; run < 3; ++run) {
      emulator::Options watched = emulator::options();
      watched.deferred = run == 2;  // what forgets to wait finds old data
      emulator::configure(watched);
      const auto backend = run > 0 ? device_backend() : make_cpu_backend(1);
      Lbfgs lbfgs(options, *backend, Row(*backend, DType::kFloat32, test::rosenbrock_start(301)).tensor());
      traces.push_back(test::drive(*backend, lbfgs, test::rosenbrock, 40));
    }
    CAPTURE(history);
    CHECK(traces[1].points == traces[2].points);  // the same bytes twice
    // The same path as long as rounding does not show, and as low.
    for (int k = 0; k < 12; ++k) CHECK(test::relative_l2(traces[1].points[k], traces[0].points[k]) <= 1e-4);
    CHECK(traces[1].best <= 1.1 * traces[0].best);
  }
}

TEST_CASE("a whole evaluation on the device reads back once, uploads nothing and allocates nothing") {
  REQUIRE_DEVICE();
  const auto shared = random_vgg11();
  for (const OptimizerKind kind : {OptimizerKind::kLbfgs, OptimizerKind::kLbfgsPlain, OptimizerKind::kAdam}) {
    StylizeOptions options;
    options.size.longest = 24;
    options.scales = 1;
    options.iterations = 4;
    options.optimizer = kind;
    options.objective.smoothing = Smoothing::kSoftmax;
    options.objective.tv_weight = 0.1;
    options.objective.style_layers = options.objective.content_layers = {"relu1_1"};
    int evaluations = 0;
    Callbacks callbacks;
    callbacks.progress = [&](const Progress&) {
      const emulator::CallCounts calls = emulator::take_calls();
      CHECK(calls.to_host == 1);
      CHECK(calls.waits == 1);
      CHECK(calls.to_device == 0);
      CHECK(calls.allocations == 0);
      if (evaluations >= 2) CHECK(calls.launches <= 5);  // the optimiser's; the evaluation is one graph
      ++evaluations;
      return true;
    };
    emulator::configure(emulator::Options());
    Stylizer stylizer(shared, device_backend(), options, waves(20, 24, 0), {waves(16, 18, 1)}, nullptr,
                      callbacks);
    while (!stylizer.progress().done) {
      emulator::take_calls();
      stylizer.step();
    }
    CHECK(evaluations >= 4);
    CHECK(evaluations == stylizer.progress().evaluations);
  }
}

TEST_CASE("a profiler sees stages, layers and ops by their names, each range closed") {
  REQUIRE_DEVICE();
  StylizeOptions options;
  options.size.longest = 16;
  options.scales = 1;
  options.iterations = 1;
  options.objective.smoothing = Smoothing::kSoftmax;
  options.objective.tv_weight = 0.1;
  options.objective.style_layers = {"relu1_1", "relu2_1"};
  options.objective.content_layers = {"relu2_1"};
  emulator::configure(emulator::Options());
  Stylizer stylizer(random_vgg11(), device_backend(), options, waves(16, 16, 0), {waves(16, 16, 1)}, nullptr,
                    Callbacks());
  emulator::take_ranges();
  stylizer.step();
  const auto ranges = emulator::take_ranges();
  CHECK(emulator::open_ranges() == 0);
  const uint64_t evaluations = ranges.at("forward");
  CHECK(ranges.at("backward") == evaluations);
  for (const char* path : {"forward/features.0/conv2d_forward", "forward/max_pool2d/max_pool2d_forward",
                           "forward/features.3/conv2d_forward", "forward/relu2_1/softmax_forward",
                           "forward/relu2_1/gram_forward", "backward/features.3/conv2d_backward_data",
                           "backward/features.0/conv2d_backward_data", "optimiser/lbfgs_step"}) {
    CAPTURE(path);
    CHECK(ranges.count(path) == 1);
  }
}

}  // namespace swag
#endif
