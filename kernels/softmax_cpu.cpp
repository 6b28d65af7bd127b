#include <cmath>
#include <limits>

#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/exp.h"
#include "kernels/cpu/reduce.h"
#include "kernels/softmax.h"

namespace swag::cpu {
namespace {

constexpr int64_t kBlock = 512;  // elements whose exponentials wait in the first-level cache to be summed

/// The larger; NaN as soon as one of them is.
template <typename T>
T larger(T a, T b) {
  const bool wins = (b > a) | (b != b);
  return wins ? b : a;
}

/// The maximum of f over [begin, end).
template <typename T>
T range_max(const T* f, int64_t begin, int64_t end) {
  constexpr int kLanes = 32;
  T lanes[kLanes];
  std::fill(lanes, lanes + kLanes, -std::numeric_limits<T>::infinity());
  for (int64_t i = begin; i < end; i += kLanes) {
    const int64_t size = std::min<int64_t>(kLanes, end - i);
    for (int lane = 0; lane < size; ++lane) lanes[lane] = larger(lanes[lane], f[i + lane]);
  }
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] = larger(lanes[lane], lanes[half + lane]);
  }
  return lanes[0];
}

template <typename T>
T map_max(const T* f, int64_t count, Stream stream) {
  return reduce_ranges(
      stream, count, 1, -std::numeric_limits<T>::infinity(),
      [&](int64_t begin, int64_t end) { return range_max(f, begin, end); }, larger<T>);
}

/// q = (F - max) / T <= 0, so that the exponentials are at most 1.
template <typename T>
struct Exponent {
  const T* f;
  T max, inverse_temperature;
  Exponent(const T* f, double max, double temperature)
      : f(f), max(static_cast<T>(max)), inverse_temperature(static_cast<T>(1 / temperature)) {}
  /// The exponentials of q(begin) ... q(begin + size - 1).
  void exponentials(T* y, int64_t begin, int64_t size) const {
    exp_differences(y, f + begin, size, max, inverse_temperature);
  }
};

/// What the entropy of a softmax is made of: Z = sum of exp(q), and the sum of exp(q) * T q.
struct EntropySums {
  double z = 0, weighted = 0;
};

template <typename T>
EntropySums entropy_sums(const Exponent<T>& exponent, int64_t begin, int64_t end) {
  EntropySums sums;
  T exponential[kBlock];
  for (int64_t i = begin; i < end; i += kBlock) {
    const int64_t size = std::min(kBlock, end - i);
    const T* f = exponent.f + i;
    exponent.exponentials(exponential, i, size);
    sums.z += sum_of(exponential, size);
    // The difference in float64 stays finite where q, divided by a tiny temperature, does not.
    sums.weighted += sum_terms(0, size, [&](int64_t j) {
      return static_cast<double>(exponential[j]) * (static_cast<double>(f[j]) - exponent.max);
    });
  }
  return sums;
}

/// H = (log Z - sum of p q) / log(count).
double normalised_entropy(const EntropySums& sums, int64_t count, double temperature) {
  if (count <= 1) return 0;
  return (std::log(sums.z) - sums.weighted / (sums.z * temperature)) / std::log(static_cast<double>(count));
}

}  // namespace

template <typename T>
void softmax_statistics(SoftmaxStatistics* statistics, const T* f, const SoftmaxParams& params,
                        Stream stream) {
  const int64_t count = params.m * params.d;
  const Exponent<T> exponent(f, map_max(f, count, stream), params.temperature);
  statistics->max = exponent.max;
  statistics->sum = reduce_sum(stream, count, 1, [&](int64_t begin, int64_t end) {
    double sum = 0;
    T exponential[kBlock];
    for (int64_t i = begin; i < end; i += kBlock) {
      const int64_t size = std::min(kBlock, end - i);
      exponent.exponentials(exponential, i, size);
      sum += sum_of(exponential, size);
    }
    return sum;
  });
}

template <typename T>
void softmax_forward(T* s, const T* f, const SoftmaxStatistics* statistics, const SoftmaxParams& params,
                     Stream stream) {
  const int64_t count = params.m * params.d;
  const Exponent<T> exponent(f, statistics->max, params.temperature);
  const double factor = static_cast<double>(count) / statistics->sum;
  // The last product is taken in float64: the rounding of `factor` would be the same for all S, and Gram
  // matrices that differ in the fourth digit are compared later.
  parallel_ranges(stream, count, kElementGrain, [&](int64_t begin, int64_t end) {
    T exponential[kBlock];  // s may equal f
    for (int64_t i = begin; i < end; i += kBlock) {
      const int64_t size = std::min(kBlock, end - i);
      exponent.exponentials(exponential, i, size);
      times(s + i, exponential, size, factor);
    }
  });
}

template <typename T>
void softmax_backward(T* df, const T* ds, const T* s, const SoftmaxInner& inner, const SoftmaxParams& params,
                      Stream stream) {
  const int64_t count = params.m * params.d;
  double sum = 0;
  for (int k = 0; k < 2; ++k) {
    if (inner.value[k]) sum += inner.factor[k] * *inner.value[k];
  }
  const T mean = static_cast<T>(sum / static_cast<double>(count));
  const T inverse_temperature = static_cast<T>(1 / params.temperature);
  parallel_elements(stream, df, count,
                    [&](int64_t i) { return s[i] * (ds[i] - mean) * inverse_temperature; });
}

template <typename T>
void softmax_channel_forward(T* s, const T* f, const SoftmaxParams& params, Stream stream) {
  const int64_t d = params.d;
  parallel_ranges(stream, params.m, pixel_grain(params.d), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* sigma = s + i * d;
      const Exponent<T> exponent(f + i * d, range_max(f + i * d, 0, d), params.temperature);
      double sum = 0;
      for (int64_t k = 0; k < d; k += kBlock) {
        T exponential[kBlock];
        const int64_t size = std::min(kBlock, d - k);
        exponent.exponentials(exponential, k, size);
        sum += sum_of(exponential, size);
        std::copy(exponential, exponential + size, sigma + k);
      }
      times(sigma, sigma, d, 1 / sum);
    }
  });
}

template <typename T>
void softmax_channel_backward(T* df, const T* ds, const T* s, const SoftmaxParams& params, Stream stream) {
  const int64_t d = params.d;
  const T inverse_temperature = static_cast<T>(1 / params.temperature);
  parallel_ranges(stream, params.m, pixel_grain(params.d), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* gradient = ds + i * d;
      const T* sigma = s + i * d;
      const T mean = static_cast<T>(
          sum_terms(0, d, [&](int64_t k) { return static_cast<double>(gradient[k]) * sigma[k]; }));
      store_elements(df + i * d, 0, d,
                     [&](int64_t k) { return sigma[k] * (gradient[k] - mean) * inverse_temperature; });
    }
  });
}

template <typename T>
void scale(T* y, const T* x, double factor, int64_t count, Stream stream) {
  const T multiplier = static_cast<T>(factor);
  parallel_elements(stream, y, count, [&](int64_t i) { return x[i] * multiplier; });
}

template <typename T>
double softmax_entropy(const T* f, const SoftmaxParams& params, Stream stream) {
  const int64_t count = params.m * params.d;
  const Exponent<T> exponent(f, map_max(f, count, stream), params.temperature);
  const EntropySums sums = reduce_ranges(
      stream, count, 1, EntropySums{},
      [&](int64_t begin, int64_t end) { return entropy_sums(exponent, begin, end); },
      [](const EntropySums& a, const EntropySums& b) {
        return EntropySums{a.z + b.z, a.weighted + b.weighted};
      });
  return normalised_entropy(sums, count, params.temperature);
}

template <typename T>
double softmax_channel_entropy(const T* f, const SoftmaxParams& params, Stream stream) {
  const int64_t d = params.d;
  const double sum = reduce_sum(stream, params.m, d, [&](int64_t begin, int64_t end) {
    double entropies = 0;
    for (int64_t i = begin; i < end; ++i) {
      const Exponent<T> exponent(f + i * d, range_max(f + i * d, 0, d), params.temperature);
      entropies += normalised_entropy(entropy_sums(exponent, 0, d), d, params.temperature);
    }
    return entropies;
  });
  return sum / static_cast<double>(params.m);
}

template void softmax_statistics(SoftmaxStatistics*, const float*, const SoftmaxParams&, Stream);
template void softmax_statistics(SoftmaxStatistics*, const double*, const SoftmaxParams&, Stream);
template void softmax_forward(float*, const float*, const SoftmaxStatistics*, const SoftmaxParams&, Stream);
template void softmax_forward(double*, const double*, const SoftmaxStatistics*, const SoftmaxParams&, Stream);
template void softmax_backward(float*, const float*, const float*, const SoftmaxInner&, const SoftmaxParams&,
                               Stream);
template void softmax_backward(double*, const double*, const double*, const SoftmaxInner&,
                               const SoftmaxParams&, Stream);
template void softmax_channel_forward(float*, const float*, const SoftmaxParams&, Stream);
template void softmax_channel_forward(double*, const double*, const SoftmaxParams&, Stream);
template void softmax_channel_backward(float*, const float*, const float*, const SoftmaxParams&, Stream);
template void softmax_channel_backward(double*, const double*, const double*, const SoftmaxParams&, Stream);
template void scale(float*, const float*, double, int64_t, Stream);
template void scale(double*, const double*, double, int64_t, Stream);
template double softmax_entropy(const float*, const SoftmaxParams&, Stream);
template double softmax_entropy(const double*, const SoftmaxParams&, Stream);
template double softmax_channel_entropy(const float*, const SoftmaxParams&, Stream);
template double softmax_channel_entropy(const double*, const SoftmaxParams&, Stream);

}  // namespace swag::cpu
