#include "src/optimizers/make_optimizer.h"

namespace swag {
namespace {

std::unique_ptr<Optimizer> make(const LbfgsOptions& options, Backend& backend, const Tensor& start) {
  return std::make_unique<Lbfgs>(options, backend, start);
}

std::unique_ptr<Optimizer> make(const AdamOptions& options, Backend& backend, const Tensor& start) {
  return std::make_unique<Adam>(options, backend, start);
}

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, Backend& backend,
                                          const Tensor& start) {
  return std::visit([&](const auto& kind) { return make(kind, backend, start); }, options);
}

int optimizer_vectors(const OptimizerOptions& options) {
  struct Count {
    int operator()(const LbfgsOptions& lbfgs) const { return Lbfgs::vectors(lbfgs); }
    int operator()(const AdamOptions& adam) const { return Adam::vectors(adam); }
  };
  return std::visit(Count{}, options);
}

int64_t optimizer_bytes(const OptimizerOptions& options, Backend& backend, DType dtype, Shape shape) {
  if (const auto* lbfgs = std::get_if<LbfgsOptions>(&options)) {
    return Lbfgs::bytes(*lbfgs, backend, dtype, shape);
  }
  return Adam::bytes(std::get<AdamOptions>(options), backend, dtype, shape);
}

}  // namespace swag
