#include "src/optimizers/adam.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string>

#include "src/support/error.h"

namespace swag {
namespace {

void check(bool good, const char* name, double value, const char* allowed) {
  if (good) return;
  throw Error(Status::kUsage, std::string("Adam ") + name + " is " + std::to_string(value) + ", " + allowed);
}

void validate(const AdamOptions& options) {
  check(options.learning_rate > 0 && std::isfinite(options.learning_rate), "learning rate",
        options.learning_rate, "it must be positive and finite");
  check(options.beta1 >= 0 && options.beta1 < 1, "beta1", options.beta1, "it must be at least 0 and below 1");
  check(options.beta2 >= 0 && options.beta2 < 1, "beta2", options.beta2, "it must be at least 0 and below 1");
  check(options.epsilon > 0 && std::isfinite(options.epsilon), "epsilon", options.epsilon,
        "it must be positive and finite");
}

}  // namespace

Adam::Adam(const AdamOptions& options, Backend& backend, const Tensor& x)
    : options_(options), backend_(backend), store_(backend, x, vectors(options)) {
  validate(options);
  for (Tensor* tensor : {&x_, &m_, &v_}) *tensor = store_.take();
  restart(x);
}

void Adam::restart(const Tensor& x) {
  copy_vector(backend_, x_, x);
  backend_.zero(m_.data, vector_bytes(m_));
  backend_.zero(v_.data, vector_bytes(v_));
  steps_ = 0;
  converged_ = false;
}

void Adam::set_moments(const Tensor& first, const Tensor& second, int64_t steps) {
  copy_vector(backend_, m_, first);
  copy_vector(backend_, v_, second);
  steps_ = steps;
}

void Adam::measure(GradientReport* report, const Tensor& gradient) {
  backend_.vector_norms(&report->norms, gradient);
}

void Adam::tell(double /*loss*/, const GradientReport& report, const Tensor& gradient) {
  assert(same_kind(gradient, x_));
  ++evaluations_;
  converged_ = report.norms.max_abs == 0;
  if (converged_) return;
  ++iterations_;
  AdamParams params;
  params.learning_rate = options_.learning_rate;
  params.beta1 = options_.beta1;
  params.beta2 = options_.beta2;
  params.epsilon = options_.epsilon;
  std::copy(options_.units.begin(), options_.units.end(), params.rates);
  std::copy(options_.lowest.begin(), options_.lowest.end(), params.lowest);
  std::copy(options_.highest.begin(), options_.highest.end(), params.highest);
  params.step = ++steps_;
  backend_.adam_step(x_, m_, v_, gradient, params);
}

}  // namespace swag
