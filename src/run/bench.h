// Timing of evaluations, whole (`swag bench network`) and op by op (`swag bench ops`).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "src/backend/op_profiler.h"
#include "src/run/stylizer.h"

namespace swag {

struct NetworkBench {
  std::vector<double> milliseconds;  // of every repeat, in order
  int64_t peak_bytes = 0;            // of the process; on a device of its arena
  int64_t arena_bytes = 0;
};

/// One evaluation is the image's forward pass, the losses and the pixel gradient at size x size; style and
/// content are prepared before. The images are noise. `warm_up` evaluations are not counted.
NetworkBench bench_network(Backend& backend, const Model& model, const StylizeOptions& options, int size,
                           int repeat, int warm_up = 1);

/// What this machine reaches at best, measured.
struct Peaks {
  double bytes_per_second = 0;  // of `scale` on a map that no cache holds, reading and writing
  double flops = 0;             // per second, of the platform's matrix product; a multiply-add is two
};

struct OpsBench {
  Peaks peaks;
  std::vector<OpTime> ops;  // of all repeats together
};

/// Evaluations as bench_network's and the optimiser's step after each, op by op. Before them L-BFGS fills its
/// history. An `observer` sees every op of the repeats; with one, no peaks are measured.
OpsBench bench_ops(Backend& backend, const Model& model, const StylizeOptions& options, int size, int repeat,
                   const OpObserver& observer = {});

}  // namespace swag
