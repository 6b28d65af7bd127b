// Counts what the CUDA kernels of whole evaluations move: every op of the networks named, at every shape that
// it has there, once. For tools/kernel_report.py.
//
//   kernel_counts counts.json vgg19:64 resnet50:64:tf32
#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "src/backend/device_plugin.h"
#include "src/network/graph.h"
#include "src/run/bench.h"
#include "src/weights/weights.h"
#include "tests/emulator/count_json.h"
#include "tests/emulator/emulator.h"

namespace {

using namespace swag;

constexpr uint64_t kSeed = 7;
constexpr int kHistory = 2;  // pairs: what a longer history moves is counted by tests/cuda/test_lbfgs.cu

class Counter {
 public:
  void observe(const std::string& network, const OpWork& work, bool begins) {
    if (begins) {
      const bool differs = precision_.empty() || knows_precision(work.op);
      counts_ = differs && seen_.insert(precision_ + work.name()).second;
      if (counts_) count(true);
      return;
    }
    if (!counts_) return;
    std::vector<emulator::KernelCount> kernels = emulator::take_counts();
    count(false);
    if (!kernels.empty()) {
      cases_.push_back({network + ", " + work.name(), true, work.flops / 2, work.bytes, std::move(kernels)});
    }
  }
  /// What is observed from here on is computed in it.
  void set_precision(const std::string& precision) { precision_ = precision; }
  const std::vector<emulator::ReportCase>& cases() const { return cases_; }

 private:
  /// TF32 is what the convolutions read, half what maps are stored in.
  bool knows_precision(const std::string& op) const {
    const auto begins = [&](const char* name) { return op.find(name) == 0; };
    if (precision_ != "half") return begins("conv2d");
    return !begins("lbfgs") && !begins("total_variation") && !begins("gram_difference");
  }
  static void count(bool on) {
    emulator::Options options = emulator::options();
    options.count = on;
    emulator::configure(options);
  }

  bool counts_ = false;
  std::string precision_;
  std::set<std::string> seen_;  // of any network: a shape is counted once in a precision
  std::vector<emulator::ReportCase> cases_;
};

void count_network(Backend& backend, const std::string& subject, Counter& counter) {
  std::vector<std::string> words;
  std::istringstream stream(subject);
  for (std::string word; std::getline(stream, word, ':');) words.push_back(word);
  const int size = words.size() < 2 ? 0 : std::atoi(words[1].c_str());
  if (size < 1 || words.size() > 3) throw std::runtime_error(subject + ": expected NETWORK:SIZE[:PRECISION]");
  const std::string& network = words[0];
  Model model;
  model.graph = make_network(network);
  model.weights = splitmix_weights(model.graph, kSeed);
  StylizeOptions options;
  options.precision = words.size() > 2 ? parse_precision(words[2]) : Precision::kSingle;
  options.history = kHistory;
  options.objective.smoothing = Smoothing::kSoftmax;
  options.objective.temperature = 20;
  options.objective.tv_weight = 1;
  const std::string precision = options.precision == Precision::kSingle ? "" : words[2];
  counter.set_precision(precision);
  bench_ops(backend, model, options, size, 1, [&](const OpWork& work, bool begins) {
    counter.observe(precision.empty() ? network : network + " " + precision, work, begins);
  });
}

int run(int argc, char** argv) {
  if (argc < 3) throw std::runtime_error("expected FILE NETWORK:SIZE[:PRECISION] ...");
  const auto backend = swag_cuda_plugin()->make_backend(0);
  Counter counter;
  for (int i = 2; i < argc; ++i) count_network(*backend, argv[i], counter);
  std::FILE* file = std::fopen(argv[1], "w");
  if (!file) throw std::runtime_error(std::string(argv[1]) + ": cannot be written");
  emulator::write_counts_json(file, counter.cases());
  if (std::fclose(file) != 0) throw std::runtime_error(std::string(argv[1]) + ": cannot be written");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kernel_counts: %s\n", error.what());
    return 1;
  }
}
