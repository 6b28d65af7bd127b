// Weights fitted to images: the pieces on data with known answers, then whole networks on small pictures.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "src/support/error.h"
#include "src/weights/fitted.h"
#include "src/weights/kmeans.h"
#include "src/weights/patches.h"
#include "src/weights/whitening.h"
#include "tests/helpers.h"
#include "tests/image/transparent_pictures.h"

namespace {

using namespace swag;
using test::random_vector;

/// Noise over a gradient: nothing is flat, and neighbouring pixels have to do with each other.
Image textured_image(int h, int w, uint64_t seed) {
  Image image{h, w, random_vector<float>(int64_t{h} * w * 3, seed, 0, 0.4), {}};
  for (int i = 0; i < h * w; ++i) {
    for (int k = 0; k < 3; ++k) {
      image.rgb[i * 3 + k] += 0.3f * static_cast<float>(k == 0 ? i % w : i / w) / static_cast<float>(h + w) +
                              0.2f * static_cast<float>(i / 7 % 2);
    }
  }
  return image;
}

bool all_finite(const Weights& weights) {
  return std::all_of(weights.values.begin(), weights.values.end(), [](const auto& entry) {
    return std::all_of(entry.second.begin(), entry.second.end(),
                       [](float value) { return std::isfinite(value); });
  });
}

/// A map and torchvision's weights through one 3x3 convolution with zero padding, in double.
std::vector<double> convolved(const std::vector<double>& x, Shape shape, const std::vector<float>& weight,
                              const std::vector<float>& bias) {
  const int c_out = static_cast<int>(bias.size());
  std::vector<double> y;
  for (int row = 0; row < shape.h; ++row) {
    for (int col = 0; col < shape.w; ++col) {
      for (int o = 0; o < c_out; ++o) {
        double sum = bias[o];
        for (int i = std::max(0, 1 - row); i < std::min(3, shape.h + 1 - row); ++i) {
          for (int j = std::max(0, 1 - col); j < std::min(3, shape.w + 1 - col); ++j) {
            const double* pixel = x.data() + ((row + i - 1) * shape.w + col + j - 1) * shape.c;
            const float* filter = weight.data() + o * shape.c * 9 + i * 3 + j;
            for (int k = 0; k < shape.c; ++k) sum += pixel[k] * filter[k * 9];
          }
        }
        y.push_back(sum);
      }
    }
  }
  return y;
}

struct Moments {
  double worst_mean = 0, worst_variance = 0;  // distance from 0 and from 1
};

/// Over the positions of all maps, for every channel.
Moments moments(const std::vector<std::vector<double>>& maps, int c) {
  Moments worst;
  for (int k = 0; k < c; ++k) {
    double sum = 0, square = 0, count = 0;
    for (const std::vector<double>& map : maps) {
      for (size_t i = k; i < map.size(); i += c, ++count) {
        sum += map[i];
        square += map[i] * map[i];
      }
    }
    const double mean = sum / count;
    worst.worst_mean = std::max(worst.worst_mean, std::abs(mean));
    worst.worst_variance = std::max(worst.worst_variance, std::abs(square / count - mean * mean - 1));
  }
  return worst;
}

}  // namespace

TEST_CASE("spherical k-means finds planted directions") {
  constexpr int kClusters = 4, kDimension = 6, kPerCluster = 50;
  constexpr int64_t kPoints = kClusters * kPerCluster;
  std::vector<float> points = random_vector<float>(kPoints * kDimension, 1, -0.05, 0.05);
  for (int64_t i = 0; i < kPoints; ++i) {
    float* point = points.data() + i * kDimension;
    point[i % kClusters] += i % kClusters == 3 ? -1.f : 1.f;
    const double length = std::sqrt(std::inner_product(point, point + kDimension, point, 0.0));
    for (int k = 0; k < kDimension; ++k) point[k] = static_cast<float>(point[k] / length);
  }
  const auto backend = make_cpu_backend(2);
  // More clusters than planted, so that every planted one gets a start.
  const std::vector<float> centroids = spherical_kmeans(*backend, points, kPoints, kDimension, 16, 8, 3);
  for (int planted = 0; planted < kClusters; ++planted) {
    double nearest = -1;
    for (int j = 0; j < 16; ++j) {
      const float* centroid = centroids.data() + j * kDimension;
      nearest = std::max<double>(nearest, planted == 3 ? -centroid[planted] : centroid[planted]);
    }
    CHECK(!(nearest < 0.995));
  }
  for (int j = 0; j < 16; ++j) {
    const float* centroid = centroids.data() + j * kDimension;
    CHECK(!(std::abs(std::inner_product(centroid, centroid + kDimension, centroid, 0.0) - 1) > 1e-5));
  }
}

TEST_CASE("spherical k-means moves a centroid to the direction of its points' sum, an empty one stays") {
  // Two different points, three clusters: the third start repeats one of the first two and gets no point.
  const std::vector<float> points = {1, 0, 0.6f, 0.8f};
  const auto backend = make_cpu_backend(1);
  const std::vector<float> centroids = spherical_kmeans(*backend, points, 2, 2, 3, 4, 0);
  CHECK(test::relative_l2(spherical_kmeans(*backend, points, 2, 2, 1, 1, 0),
                          std::vector<double>{1.6 / std::sqrt(3.2), 0.8 / std::sqrt(3.2)}) < 1e-6);
  for (int j = 0; j < 3; ++j) {
    const bool first = centroids[j * 2] == 1 && centroids[j * 2 + 1] == 0;
    const bool second =
        std::abs(centroids[j * 2] - 0.6f) < 1e-6 && std::abs(centroids[j * 2 + 1] - 0.8f) < 1e-6;
    CHECK((first || second));
  }
}

TEST_CASE("whitening without regularisation gives mean 0 and unit covariance") {
  constexpr int64_t kSamples = 2000;
  constexpr int kDimension = 12;
  std::vector<float> samples = random_vector<float>(kSamples * kDimension, 5);
  for (int64_t i = 0; i < kSamples; ++i) {
    float* sample = samples.data() + i * kDimension;
    for (int k = 1; k < kDimension; ++k) sample[k] = 0.7f * sample[k - 1] + 0.3f * sample[k] + 2;
  }
  const auto backend = make_cpu_backend(2);
  WhiteningOptions options;
  options.regularisation = 0;
  const Whitening result = whiten(*backend, samples, kSamples, kDimension, 0, options);
  REQUIRE(result.rank == kDimension);

  // The samples themselves and what transform and mean make of them.
  std::vector<double> covariance(kDimension * kDimension, 0.0), identity(covariance), transformed;
  for (int64_t i = 0; i < kSamples; ++i) {
    for (int j = 0; j < kDimension; ++j) {
      double sum = 0;
      for (int k = 0; k < kDimension; ++k) {
        sum += (double{samples[i * kDimension + k]} - result.mean[k]) * result.transform[k * kDimension + j];
      }
      transformed.push_back(sum);
    }
    for (int j = 0; j < kDimension; ++j) {
      for (int k = 0; k < kDimension; ++k) {
        covariance[j * kDimension + k] +=
            transformed[i * kDimension + j] * transformed[i * kDimension + k] / kSamples;
      }
    }
  }
  for (int k = 0; k < kDimension; ++k) identity[k * kDimension + k] = 1;
  CHECK(!(test::worst_element(covariance, identity) > 1e-4));
  CHECK(!(test::relative_l2(result.whitened, transformed) > 1e-4));
}

TEST_CASE("whitening drops directions without variance and regularises the others") {
  // Variances 4 and 1 along two axes, 0 along the third: eigenvalues 4 and 1, mean of those kept 2.5.
  std::vector<float> samples;
  for (int i = 0; i < 4; ++i) {
    samples.insert(samples.end(), {i & 1 ? 2.f : -2.f, i & 2 ? 1.f : -1.f, 7.f});
  }
  const auto backend = make_cpu_backend(1);
  const Whitening result = whiten(*backend, samples, 4, 3, 0);
  REQUIRE(result.rank == 2);
  for (int i = 0; i < 4; ++i) {
    CHECK(!(std::abs(std::abs(result.whitened[i * 2]) - 2 / std::sqrt(4.125)) > 1e-5));
    CHECK(!(std::abs(std::abs(result.whitened[i * 2 + 1]) - 1 / std::sqrt(1.125)) > 1e-5));
  }
}

TEST_CASE("whitening finds the leading directions of many dimensions") {
  // Twelve strong directions in 200 dimensions and weak noise; the range finder may look for 24.
  constexpr int64_t kSamples = 600;
  constexpr int kDimension = 200, kStrong = 12;
  const std::vector<float> factors = random_vector<float>(kSamples * kStrong, 7);
  const std::vector<float> loadings = random_vector<float>(kStrong * kDimension, 8);
  std::vector<float> samples = random_vector<float>(kSamples * kDimension, 9, -1e-3, 1e-3);
  for (int64_t i = 0; i < kSamples; ++i) {
    for (int j = 0; j < kStrong; ++j) {
      for (int k = 0; k < kDimension; ++k) {
        samples[i * kDimension + k] += factors[i * kStrong + j] * loadings[j * kDimension + k];
      }
    }
  }
  const auto backend = make_cpu_backend(2);
  WhiteningOptions options;
  options.max_rank = 24;
  options.regularisation = 0;
  const Whitening result = whiten(*backend, samples, kSamples, kDimension, 3, options);
  REQUIRE(result.rank == kStrong);
  std::vector<double> covariance(kStrong * kStrong, 0.0), identity(covariance);
  for (int64_t i = 0; i < kSamples; ++i) {
    const float* u = result.whitened.data() + i * kStrong;
    for (int j = 0; j < kStrong * kStrong; ++j) {
      covariance[j] += double{u[j / kStrong]} * u[j % kStrong] / kSamples;
    }
  }
  for (int j = 0; j < kStrong; ++j) identity[j * kStrong + j] = 1;
  CHECK(!(test::worst_element(covariance, identity) > 1e-3));
}

TEST_CASE("patches are drawn at the positions that may be drawn") {
  const HostMap map{{3, 3, 1}, {0, 1, 2, 3, 4, 5, 6, 7, 8}, {4, 8}};
  const Conv2dLayer layer{1, 1, 1, 1, 1, 1, 0, 0};
  std::vector<float> patches = sample_patches({map}, layer, 100, 0, 0);
  std::sort(patches.begin(), patches.end());
  CHECK(patches == std::vector<float>{4, 8});
}

TEST_CASE("fitted weights see nothing of what a picture hides, and no more of its margins than of its rims") {
  const Graph graph = make_network("vgg11");
  const auto backend = make_cpu_backend(2);
  FitOptions options;
  options.last_tap = "relu2_1";
  Image image = test::disc(40, 60, {0.9f, 0.4f, 0.1f}, 0);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] += 0.01f * static_cast<float>(i % 7);
  const auto fitted = [&](float hidden) {
    return fit_weights(*backend, graph, {test::with_hidden(image, hidden)}, options).at("features.3.weight");
  };
  CHECK(fitted(0) == fitted(0.7f));
}

TEST_CASE("patches are windows reflected at the border, and too few are filled up") {
  HostMap map{{3, 3, 1}, {0, 1, 2, 3, 4, 5, 6, 7, 8}};
  const Conv2dLayer layer{1, 4, 3, 3, 1, 1, 1, 1};
  const std::vector<float> patches = sample_patches({map}, layer, 100, 20, 0);
  REQUIRE(patches.size() == 20 * 9);
  const std::vector<float> corner = {4, 3, 4, 1, 0, 1, 4, 3, 4}, middle = map.values;
  const std::vector<float> mirrored = {2, 1, 0, 5, 4, 3, 8, 7, 6};
  const auto count = [&](const std::vector<float>& wanted, int64_t begin, int64_t end) {
    int found = 0;
    for (int64_t i = begin; i < end; ++i) {
      found += std::equal(wanted.begin(), wanted.end(), patches.begin() + i * 9);
    }
    return found;
  };
  CHECK(count(corner, 0, 9) == 1);
  CHECK(count(middle, 0, 9) == 1);
  CHECK(count(mirrored, 9, 18) == 1);
  CHECK(sample_patches({map, map}, layer, 10, 4, 0).size() == 10 * 9);
  CHECK(sample_patches({map}, layer, 100, 20, 0) == patches);
}

TEST_CASE("fitted weights are complete, and the same bytes for any number of threads") {
  const Graph graph = make_network("vgg11", true);
  const std::vector<Image> images = {textured_image(48, 64, 1), textured_image(56, 40, 2)};
  const auto one = make_cpu_backend(1), three = make_cpu_backend(3);
  const Weights weights = fit_weights(*one, graph, images);
  CHECK(all_finite(weights));
  CHECK(weights.source == "fitted to 2 images (seed 0)");
  CHECK(weights.metadata.at("method") == "fitted");
  CHECK(weights.metadata.at("pooling") == "avg");
  size_t used = 0;
  for (const StateEntry& entry : graph.state) {
    if (!entry.used) continue;
    ++used;
    const int64_t count =
        std::accumulate(entry.shape.begin(), entry.shape.end(), int64_t{1}, std::multiplies<>());
    CHECK(static_cast<int64_t>(weights.at(entry.name).size()) == count);
  }
  CHECK(weights.values.size() == used);
  CHECK(fit_weights(*three, graph, images).values == weights.values);  // finite, so equal is the same bytes

  FitOptions other;
  other.seed = 1;
  other.last_tap = "relu1_1";
  CHECK(fit_weights(*one, graph, images, other).at("features.0.weight") != weights.at("features.0.weight"));
}

TEST_CASE("every fitted channel has mean 0 and variance 1 before its ReLU, over all images") {
  const Graph graph = make_network("vgg13_bn", true);
  const std::vector<Image> images = {textured_image(20, 24, 3), textured_image(22, 16, 4)};
  const auto backend = make_cpu_backend(2);
  FitOptions options;
  options.last_tap = "relu1_2";
  const Weights weights = fit_weights(*backend, graph, images, options);

  const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};
  std::vector<std::vector<double>> first, second;
  for (const Image& image : images) {
    std::vector<double> x;
    for (size_t i = 0; i < image.rgb.size(); ++i) {
      x.push_back((image.rgb[i] - mean[i % 3]) / deviation[i % 3]);
    }
    first.push_back(
        convolved(x, {image.h, image.w, 3}, weights.at("features.0.weight"), weights.at("features.0.bias")));
    std::vector<double> rectified;
    for (double value : first.back()) rectified.push_back(std::max(value, 0.0));
    second.push_back(convolved(rectified, {image.h, image.w, 64}, weights.at("features.3.weight"),
                               weights.at("features.3.bias")));
  }
  for (const auto& maps : {first, second}) {
    const Moments worst = moments(maps, 64);
    CHECK(!(worst.worst_mean > 1e-3));
    CHECK(!(worst.worst_variance > 1e-3));
  }
  // The batch norm between convolution and ReLU changes nothing; the layers below the last tap are random.
  CHECK(!(std::abs(weights.at("features.1.weight")[5] / std::sqrt(1 + 1e-5) - 1) > 1e-6));
  CHECK(weights.at("features.7.weight") == random_weights(graph, 0).at("features.7.weight"));
}

TEST_CASE("fitting copes with tiny and with flat images") {
  const Graph graph = make_network("vgg11", true);
  const auto backend = make_cpu_backend(2);
  CHECK(all_finite(fit_weights(*backend, graph, {textured_image(40, 40, 5)})));
  CHECK(all_finite(fit_weights(*backend, graph, {textured_image(5, 9, 6)})));
  const Image flat{32, 32, std::vector<float>(32 * 32 * 3, 0.5f), {}};
  CHECK(all_finite(fit_weights(*backend, graph, {flat, flat})));

  // The last maps of this one have a single pixel: nothing varies, and nothing may be scaled up for that.
  const Weights weights = fit_weights(*backend, graph, {textured_image(16, 16, 8)});
  double largest = 0;
  for (float value : weights.at("features.18.weight")) largest = std::max(largest, std::abs(double{value}));
  CHECK(!(largest > 10));
}

TEST_CASE("fitting can be cancelled, and knows what it cannot fit") {
  const auto backend = make_cpu_backend(1);
  const std::vector<Image> images = {textured_image(16, 16, 7)};
  const auto status = [&](const std::string& network, const std::vector<Image>& given,
                          const FitOptions& options) {
    try {
      fit_weights(*backend, make_network(network), given, options);
    } catch (const Error& error) {
      return error.status();
    }
    return Status::kOk;
  };
  FitOptions options;
  std::vector<double> fractions;
  options.last_tap = "relu2_1";
  options.progress = [&](double fraction) { return fractions.push_back(fraction), true; };
  CHECK(status("vgg11", images, options) == Status::kOk);
  CHECK(fractions == std::vector<double>{0.5, 1});
  options.progress = [](double) { return false; };
  CHECK(status("vgg11", images, options) == Status::kInterrupted);
  CHECK(status("vgg11", {}, {}) == Status::kImage);
  CHECK(status("resnet18", images, {}) == Status::kUsage);
}
