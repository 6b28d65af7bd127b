#include "src/run/bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "src/objective/evaluation.h"
#include "src/optimizers/make_optimizer.h"
#include "src/run/calibration.h"
#include "src/run/pixels.h"
#include "src/run/plan.h"

namespace swag {
namespace {

OwnedTensor noise(Backend& backend, DType dtype, int size, unsigned seed) {
  std::mt19937 generator(seed);
  OwnedTensor tensor(backend, dtype, {size, size, 3});
  std::vector<double> values(tensor.tensor.count());
  for (double& value : values) value = static_cast<double>(generator()) / 4294967296.0 * 4 - 2;
  upload_values(backend, tensor.tensor, values);
  return tensor;
}

int64_t peak_resident_bytes() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

/// A network, its objective on noise, and where an evaluation is asked for.
struct Subject {
  Subject(Backend& backend, const Model& model, const StylizeOptions& options, int size)
      : maps(dtype_of(precision_on(backend, options.wanted_precision()))),
        dtype(arithmetic_of(maps)),
        x(noise(backend, dtype, size, 1)),
        content(noise(backend, dtype, size, 2)),
        style(noise(backend, dtype, size, 3)),
        objective(backend, model.graph, dtype, options.objective),
        network(backend, model.graph, model.weights, maps, objective.deepest(), true,
                LoweringOptions::with(options.conv),
                calibrated_scales(backend, model.graph, model.weights, maps, objective.deepest(),
                                  {content.tensor, style.tensor})) {
    Targets targets;
    targets.content = content.tensor;
    targets.styles = {style.tensor};
    targets.blend = {1.0};
    evaluation = std::make_unique<Evaluation>(network, std::move(objective), targets);
  }
  DType maps, dtype;  // dtype: of pixels
  OwnedTensor x, content, style;
  Objective objective;
  PreparedNetwork network;
  std::unique_ptr<Evaluation> evaluation;
};

/// The fastest of several, in seconds: of a peak what disturbs is not wanted.
template <typename Call>
double fastest(Backend& backend, const Call& call) {
  constexpr int kRuns = 7;
  for (int i = 0; i < kRuns; ++i) {
    backend.mark();
    call();
    backend.mark();
  }
  const std::vector<double> marks = backend.take_marks();
  double least = marks[1] - marks[0];
  for (size_t i = 2; i < marks.size(); i += 2) least = std::min(least, marks[i + 1] - marks[i]);
  return least * 1e-3;
}

Peaks measure_peaks(Backend& backend) {
  constexpr int kRows = 1024, kSide = 2048;
  Peaks peaks;
  {
    const OwnedTensor x(backend, DType::kFloat32, {kRows, 1024, 32}),
        y(backend, DType::kFloat32, x.tensor.shape);
    backend.zero(x.buffer.data(), x.buffer.bytes());
    const double seconds = fastest(backend, [&] { backend.scale(y.tensor, x.tensor, 0.5); });
    peaks.bytes_per_second = 2 * static_cast<double>(x.buffer.bytes()) / seconds;
  }
  OwnedTensor a(backend, DType::kFloat32, {1, kSide, kSide}), b(backend, DType::kFloat32, a.tensor.shape);
  const OwnedTensor y(backend, DType::kFloat32, a.tensor.shape);
  std::mt19937 generator(1);
  std::vector<double> values(a.tensor.count());
  for (double& value : values) value = static_cast<double>(generator()) / 4294967296.0 - 0.5;
  upload_values(backend, a.tensor, values);
  upload_values(backend, b.tensor, values);
  const double seconds = fastest(backend, [&] { backend.matrix_product(y.tensor, a.tensor, b.tensor); });
  peaks.flops = 2.0 * kSide * kSide * kSide / seconds;
  return peaks;
}

}  // namespace

NetworkBench bench_network(Backend& backend, const Model& model, const StylizeOptions& options, int size,
                           int repeat, int warm_up) {
  Subject subject(backend, model, options, size);
  NetworkBench result;
  for (int i = 0; i < warm_up + repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    subject.evaluation->evaluate(subject.x.tensor);
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
    if (i >= warm_up) result.milliseconds.push_back(elapsed.count());
  }
  result.peak_bytes = peak_resident_bytes();
  result.arena_bytes = subject.evaluation->arena_bytes();
  return result;
}

OpsBench bench_ops(Backend& backend, const Model& model, const StylizeOptions& options, int size, int repeat,
                   const OpObserver& observer) {
  OpsBench result;
  if (!observer) result.peaks = measure_peaks(backend);
  bool counts = false;
  OpLog log(backend, [&](const OpWork& work, bool begins) {
    if (counts && observer) observer(work, begins);
  });
  const std::unique_ptr<Backend> profiled = make_profiled_backend(log);
  Subject subject(*profiled, model, options, size);
  const OptimizerOptions choice = optimizer_options(options);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(choice, *profiled, subject.x.tensor);
  const auto* lbfgs = std::get_if<LbfgsOptions>(&choice);
  const int warm_up = lbfgs ? lbfgs->history + 2 : 1;
  for (int i = 0; i < warm_up + repeat; ++i) {
    if (i == warm_up) {
      log.take();
      counts = true;
    }
    Evaluation& evaluation = *subject.evaluation;
    evaluation.run(optimizer->ask());
    optimizer->measure(evaluation.report(), evaluation.gradient());
    GradientReport report;
    const LossValues losses = evaluation.read(&report);
    optimizer->tell(losses.total, report, evaluation.gradient());
  }
  result.ops = log.take();
  return result;
}

}  // namespace swag
