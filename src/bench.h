// Timing of one evaluation (`swag bench network`).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "src/stylizer.h"

namespace swag {

struct NetworkBench {
  std::vector<double> milliseconds;  // of every repeat, in order
  int64_t peak_bytes = 0;            // of the process; on a device of its arena
  int64_t arena_bytes = 0;
};

/// One evaluation is the image's forward pass, the losses and the pixel gradient at size x size; style and
/// content are prepared before. The images are noise. `warm_up` evaluations are not counted.
NetworkBench bench_network(Backend& backend, const Model& model, DType dtype, const ObjectiveOptions& options,
                           int size, int repeat, int warm_up = 1);

}  // namespace swag
