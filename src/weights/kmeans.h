// Spherical k-means (Coates and Ng, 2012): centroids are unit vectors, nearness is the dot product.
#pragma once
#include <cstdint>
#include <vector>

#include "src/backend/backend.h"

namespace swag {

/// Starts from `clusters` random points, different ones as far as there are, and does `rounds` times: every
/// point to the centroid with the largest dot product (of equal ones the first), every centroid to the
/// direction of the sum of its points. A cluster without points, or whose points cancel out, keeps its
/// centroid. Returns (clusters, d). Deterministic for a seed.
std::vector<float> spherical_kmeans(Backend& backend,
                                    const std::vector<float>& points,  // (n, d), rows of length 1; n >= 1
                                    int64_t n, int d, int clusters, int rounds, uint64_t seed);

}  // namespace swag
