// One optimiser out of those there are, by its options.
#pragma once
#include <memory>
#include <variant>

#include "src/optimizers/adam.h"
#include "src/optimizers/lbfgs.h"

namespace swag {

/// The alternative that is held names the optimiser.
using OptimizerOptions = std::variant<LbfgsOptions, AdamOptions>;

/// Starts at `start`, dense, float or double; it is copied. Throws Error(kUsage) for options out of range and
/// Error(kMemory).
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, Backend& backend,
                                          const Tensor& start);

/// Vectors of the image's size that make_optimizer allocates.
int optimizer_vectors(const OptimizerOptions& options);
/// All that it allocates, at once.
int64_t optimizer_bytes(const OptimizerOptions& options, Backend& backend, DType dtype, Shape shape);

}  // namespace swag
