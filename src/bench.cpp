#include "src/bench.h"

#include <sys/resource.h>

#include <chrono>
#include <random>

#include "src/evaluation.h"
#include "src/pixels.h"

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

}  // namespace

NetworkBench bench_network(Backend& backend, const Model& model, DType dtype, const ObjectiveOptions& options,
                           int size, int repeat, int warm_up) {
  Objective objective(backend, model.graph, dtype, options);
  const PreparedNetwork network(backend, model.graph, model.weights, dtype, objective.deepest(), true);
  const OwnedTensor x = noise(backend, dtype, size, 1), content = noise(backend, dtype, size, 2),
                    style = noise(backend, dtype, size, 3);
  Targets targets;
  targets.content = content.tensor;
  targets.styles = {style.tensor};
  targets.blend = {1.0};
  Evaluation evaluation(network, std::move(objective), targets);

  NetworkBench result;
  for (int i = 0; i < warm_up + repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    evaluation.evaluate(x.tensor);
    const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
    if (i >= warm_up) result.milliseconds.push_back(elapsed.count());
  }
  result.peak_bytes = peak_resident_bytes();
  result.arena_bytes = evaluation.arena_bytes();
  return result;
}

}  // namespace swag
