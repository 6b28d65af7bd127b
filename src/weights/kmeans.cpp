#include "src/weights/kmeans.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "src/weights/matrix.h"

namespace swag {
namespace {

std::vector<float> random_points(const std::vector<float>& points, int64_t n, int d, int count,
                                 uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::vector<float> chosen(static_cast<size_t>(count) * d);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t place = i % n;  // a shuffle as far as it is needed, and again when all were taken
    std::swap(order[place], order[place + static_cast<int64_t>(random() % static_cast<uint64_t>(n - place))]);
    std::copy_n(points.data() + order[place] * d, d, chosen.data() + i * d);
  }
  return chosen;
}

/// Moves the centroids to the directions of their clusters' sums.
void update(std::vector<float>& centroids,       // (clusters, d)
            const std::vector<float>& points,    // (n, d)
            const std::vector<float>& products,  // (n, clusters): of points and centroids
            int64_t n, int d, int clusters) {
  std::vector<double> sums(static_cast<size_t>(clusters) * d, 0.0);
  for (int64_t i = 0; i < n; ++i) {
    const float* row = products.data() + i * clusters;
    double* sum = sums.data() + (std::max_element(row, row + clusters) - row) * d;
    const float* point = points.data() + i * d;
    for (int k = 0; k < d; ++k) sum[k] += point[k];
  }
  constexpr double kCancelled = 1e-6;  // of a length that is 1 for a single point
  for (int j = 0; j < clusters; ++j) {
    const double* sum = sums.data() + int64_t{j} * d;
    const double length = std::sqrt(std::inner_product(sum, sum + d, sum, 0.0));
    if (!(length > kCancelled)) continue;
    for (int k = 0; k < d; ++k) centroids[int64_t{j} * d + k] = static_cast<float>(sum[k] / length);
  }
}

}  // namespace

std::vector<float> spherical_kmeans(Backend& backend, const std::vector<float>& points, int64_t n, int d,
                                    int clusters, int rounds, uint64_t seed) {
  std::vector<float> centroids = random_points(points, n, d, clusters, seed);
  const Matrix x(backend, n, d, points);
  for (int round = 0; round < rounds; ++round) {
    const Matrix products = multiply_transposed(backend, x, Matrix(backend, clusters, d, centroids));
    update(centroids, points, products.values(), n, d, clusters);
  }
  return centroids;
}

}  // namespace swag
