// What the CPU's and the GPU's Wasserstein distances are tested on, and what is expected of them.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/wasserstein.h"
#include "src/backend/wasserstein_target.h"
#include "tests/helpers.h"
#include "tests/kernels/gram_cases.h"

namespace swag::test {

/// Maps of an image and of a style, of fewer positions than channels too.
struct WassersteinCase {
  int64_t m, m_style;
  int d;
};
inline const WassersteinCase kWassersteinCases[] = {{1, 1, 1},    {9, 4, 1},     {40, 30, 3}, {700, 600, 20},
                                                    {5, 400, 33}, {300, 12, 70}, {6, 4, 130}};

/// Rectified, as features are, with channels of many sizes, some without any value.
template <typename T>
std::vector<T> features(int64_t m, int d, uint64_t seed) {
  const std::vector<double> mixing = random_vector<double>(int64_t{d} * d, seed),
                            values = random_vector<double>(m * d, seed + 100);
  std::vector<T> s(static_cast<size_t>(m * d));
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t k = 0; k < d; ++k) {
      double sum = 0.2;
      for (int64_t j = 0; j < d; ++j) sum += mixing[k * d + j] * values[i * d + j];
      s[i * d + k] = static_cast<T>(k % 7 == 6 ? 0 : std::max(0.0, sum) * std::exp(-3.0 * k / d));
    }
  }
  return s;
}

template <typename T>
std::vector<double> naive_means(const std::vector<T>& s, const GramParams& params) {
  std::vector<double> mean(static_cast<size_t>(params.d), 0.0);
  for (int64_t i = 0; i < params.m * params.d; ++i) mean[i % params.d] += static_cast<double>(s[i]);
  for (double& value : mean) value /= static_cast<double>(params.m);
  return mean;
}

template <typename T>
std::vector<double> style_target(const std::vector<T>& s, const GramParams& params) {
  return wasserstein_target(naive_gram(s, params), naive_means(s, params));
}

/// What an evaluation has of one tap.
struct WassersteinResult {
  double loss = 0, inner = 0;
  std::vector<double> difference, offset;
};

/// What a tap's problem needs, in the host's or the device's guarded buffers, for maps of T.
template <template <typename> class Buffer, typename T>
struct WassersteinBuffers {
  WassersteinBuffers(int channels, int64_t workspace_bytes)
      : d(channels),
        gram(int64_t{channels} * channels),
        mean(channels),
        offset(channels),
        loss(1),
        inner(1),
        difference(int64_t{channels} * channels),
        workspace((workspace_bytes + 7) / 8) {}

  WassersteinProblem problem(const double* target) {
    return {loss.data(),   inner.data(),     difference.data(),
            offset.data(), gram.data(),      mean.data(),
            target,        workspace.data(), d};
  }
  WassersteinResult result() const {
    return {loss.values()[0], inner.values()[0], converted<double>(difference.values()), offset.values()};
  }
  bool intact() const {
    return gram.intact() && mean.intact() && offset.intact() && loss.intact() && inner.intact() &&
           difference.intact() && workspace.intact();
  }

  int d;
  Buffer<double> gram, mean, offset, loss, inner;
  Buffer<T> difference;
  Buffer<double> workspace;
};

}  // namespace swag::test
