// Whitening of samples whose dimension may be large: only their leading directions are looked for, by a
// randomised range finder (Halko, Martinsson and Tropp, 2011, algorithm 4.3 with one power iteration).
#pragma once
#include <cstdint>
#include <vector>

#include "src/backend/backend.h"
#include "src/weights/matrix.h"

namespace swag {

struct WhiteningOptions {
  // Directions looked for where the dimension is larger: 9 x 64, so patches of a 64-channel map are treated
  // exactly.
  int max_rank = 576;
  double least = 1e-4;           // of the largest eigenvalue: directions at or below it are dropped
  double regularisation = 0.05;  // of the mean of the eigenvalues kept
};

/// u = (p - mean) * transform; along kept direction j the variance of u is lambda_j / (lambda_j + r), where
/// lambda_j is an eigenvalue of the covariance of p and r the regularisation times the mean of the
/// eigenvalues kept.
struct Whitening {
  int rank = 0;                  // directions kept; 0 where all samples are equal
  std::vector<float> mean;       // (d)
  std::vector<float> transform;  // (d, rank)
  std::vector<float> whitened;   // (n, rank): the samples themselves
};

/// Deterministic for a seed. LAPACK runs in the calling thread.
Whitening whiten(Backend& backend,
                 std::vector<float> samples,  // (n, d)
                 int64_t n, int d, uint64_t seed, const WhiteningOptions& options = {});

}  // namespace swag
