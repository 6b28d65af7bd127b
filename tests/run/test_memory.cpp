#include <doctest/doctest.h>
#include <malloc.h>

#include <fstream>

#include "src/objective/objective.h"
#include "src/run/memory.h"
#include "src/run/plan.h"
#include "src/run/stylizer.h"
#include "src/support/error.h"
#include "src/weights/weights.h"
#include "tests/helpers.h"

namespace swag {
namespace {

int64_t kibibytes_of(const std::string& name) {
  std::ifstream file("/proc/self/status");
  std::string word, rest;
  int64_t number = 0;
  while (file >> word) {
    if (word == name && file >> number) return number << 10;
    std::getline(file, rest);
  }
  return 0;
}

/// What `body` adds to this process' resident memory at its most; 0 where the system does not tell.
template <typename Body>
int64_t measured_peak(const Body& body) {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
  const int64_t before = kibibytes_of("VmRSS:"), old_peak = kibibytes_of("VmHWM:");
  if (before == 0 || old_peak > before + (1 << 20)) return 0;
  body();
  return kibibytes_of("VmHWM:") - before;
}

Image grey_ramp(int h, int w) {
  Image image;
  image.h = h;
  image.w = w;
  for (int i = 0; i < 3 * h * w; ++i) image.rgb.push_back(static_cast<float>(i % 251) / 250.0f);
  return image;
}

std::shared_ptr<const Model> small_model() {
  Model model;
  model.graph = make_network("vgg11");
  model.weights = random_weights(model.graph, 1);
  return std::make_shared<const Model>(std::move(model));
}

StylizeOptions one_step(int longest, const std::string& deepest) {
  StylizeOptions options;
  options.size.longest = longest;
  options.scales = 1;
  options.iterations = 1;
  options.optimizer = OptimizerKind::kAdam;
  options.objective.style_layers = {"relu1_1", deepest};
  options.objective.content_layers = {deepest};
  options.objective.smoothing = Smoothing::kNone;
  return options;
}

struct Case {
  std::string what;
  StylizeOptions options;
  size_t styles = 1;
};

std::vector<Case> cases() {
  std::vector<Case> all = {{"plain", one_step(640, "relu3_1"), 1}};
  all.push_back({"a style four times as large", one_step(192, "relu2_1"), 1});
  all.back().options.style_scale = 4;
  all.push_back({"a long history", one_step(256, "relu1_1"), 1});
  all.back().options.objective.style_layers = {"relu1_1"};
  all.back().options.optimizer = OptimizerKind::kLbfgs;
  all.back().options.init = Init::kRandom;
  all.back().options.history = 30;
  all.back().options.iterations = 32;  // memory that was never written to is not counted
  all.push_back({"smoothed, the temperature of three styles", one_step(320, "relu2_1"), 3});
  all.back().options.objective.smoothing = Smoothing::kSoftmax;
  all.back().options.objective.temperature = 0;
  all.push_back({"double precision", one_step(320, "relu2_1"), 1});
  all.back().options.precision = Precision::kDouble;
  return all;
}

int64_t predicted(const Case& given, const Model& model, const Image& content) {
  const auto backend = make_cpu_backend(2);
  const DType dtype = dtype_of(precision_on(*backend, given.options.precision));
  const int last = Objective(*backend, model.graph, dtype, given.options.objective).deepest();
  const PreparedNetwork network(*backend, model.graph, model.weights, dtype, last, true, {});
  const Size output = scale_sizes(given.options, {content.h, content.w}).back();
  return run_bytes(network, given.options, output,
                   std::vector<Size>(given.styles, style_size(given.options, output, {content.h, content.w})),
                   false);
}

TEST_CASE("what a run is said to need is what it takes") {
#ifndef __has_feature  // clang's; g++ defines macros
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || \
    __has_feature(thread_sanitizer)
  MESSAGE("SKIP: a sanitizer takes memory of its own");
  return;
#endif
  const auto model = small_model();
  const Image content = grey_ramp(300, 400);
  for (const Case& given : cases()) {
    CAPTURE(given.what);
    const int64_t need = predicted(given, *model, content);
    const int64_t peak = measured_peak([&] {
      Stylizer stylizer(model, make_cpu_backend(2), given.options, content,
                        std::vector<Image>(given.styles, content), nullptr, {});
      while (!stylizer.step().done) {
      }
      stylizer.image();
    });
    MESSAGE(given.what << ": " << (need >> 20) << " MiB said, " << (peak >> 20) << " MiB taken");
    if (peak == 0) continue;
    CHECK(static_cast<double>(need) >= 0.9 * static_cast<double>(peak));
    CHECK(static_cast<double>(need) <= 1.15 * static_cast<double>(peak));
  }
}

}  // namespace
}  // namespace swag
