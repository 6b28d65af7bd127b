// What the tests share: error measures that fail on NaN, seeded values, buffers that notice stray writes.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace swag::test {

/// ||actual - expected|| / ||expected|| (the numerator alone where expected is all 0). NaN stays NaN.
template <typename A, typename E>
double relative_l2(const A* actual, const E* expected, int64_t count) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double e = static_cast<double>(expected[i]), d = static_cast<double>(actual[i]) - e;
    difference += d * d;
    norm += e * e;
  }
  return norm > 0 || std::isnan(norm) ? std::sqrt(difference / norm) : std::sqrt(difference);
}

/// max |actual - expected| / max |expected| (the numerator alone where expected is all 0). NaN stays NaN.
template <typename A, typename E>
double worst_element(const A* actual, const E* expected, int64_t count) {
  double worst = 0, largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double e = static_cast<double>(expected[i]), d = std::abs(static_cast<double>(actual[i]) - e);
    if (std::isnan(d)) return d;
    worst = std::max(worst, d);
    largest = std::max(largest, std::abs(e));
  }
  return largest > 0 ? worst / largest : worst;
}

/// The same for containers with size() and data(); infinite when the sizes differ.
template <typename A, typename E>
double relative_l2(const A& actual, const E& expected) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::infinity();
  return relative_l2(actual.data(), expected.data(), static_cast<int64_t>(expected.size()));
}
template <typename A, typename E>
double worst_element(const A& actual, const E& expected) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::infinity();
  return worst_element(actual.data(), expected.data(), static_cast<int64_t>(expected.size()));
}

/// SplitMix64: the same values on every platform, which the standard's distributions do not promise.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double uniform(double low = 0, double high = 1) { return low + (high - low) * (bits() >> 11) * 0x1p-53; }

 private:
  uint64_t state_;
};

/// `count` values, uniform in [low, high).
template <typename T>
std::vector<T> random_vector(int64_t count, uint64_t seed, double low = -1, double high = 1) {
  Random random(seed);
  std::vector<T> values(static_cast<size_t>(count));
  for (T& value : values) value = static_cast<T>(random.uniform(low, high));
  return values;
}

/// The same values in another precision.
template <typename To, typename From>
std::vector<To> converted(const std::vector<From>& values) {
  return std::vector<To>(values.begin(), values.end());
}

/// True where the bytes are equal: NaN equals itself, and 0 is not -0.
template <typename T>
bool same_bytes(const T* a, const T* b, int64_t count) {
  return std::memcmp(a, b, static_cast<size_t>(count) * sizeof(T)) == 0;
}

/// `count` elements aligned to 64 bytes between two rows of sentinels. Elements start with all bits set (NaN
/// for floating types), so that what a kernel forgets to write is seen too.
template <typename T>
class GuardedBuffer {
 public:
  explicit GuardedBuffer(int64_t count)
      : count_(count), bytes_(static_cast<size_t>(count) * sizeof(T) + 3 * kGuard, 0xff) {
    const auto address = reinterpret_cast<uintptr_t>(bytes_.data());
    offset_ = (address + 2 * kGuard - 1) / kGuard * kGuard - address;
    std::memset(bytes_.data(), kSentinel, offset_);
    std::memset(bytes_.data() + (bytes_.size() - 3 * kGuard + offset_), kSentinel, 3 * kGuard - offset_);
  }
  explicit GuardedBuffer(const std::vector<T>& values) : GuardedBuffer(static_cast<int64_t>(values.size())) {
    std::copy(values.begin(), values.end(), data());
  }
  GuardedBuffer(const GuardedBuffer&) = delete;  // a copy would lose the alignment
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  T* data() { return reinterpret_cast<T*>(bytes_.data() + offset_); }
  const T* data() const { return reinterpret_cast<const T*>(bytes_.data() + offset_); }
  size_t size() const { return static_cast<size_t>(count_); }
  T& operator[](int64_t i) { return data()[i]; }
  const T& operator[](int64_t i) const { return data()[i]; }
  std::vector<T> values() const { return std::vector<T>(data(), data() + count_); }

  /// False after a write before or behind the elements.
  bool intact() const {
    const size_t end = offset_ + size() * sizeof(T);
    const auto is_sentinel = [](unsigned char byte) { return byte == kSentinel; };
    return std::all_of(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset_), is_sentinel) &&
           std::all_of(bytes_.begin() + static_cast<std::ptrdiff_t>(end), bytes_.end(), is_sentinel);
  }

 private:
  static constexpr size_t kGuard = 64;
  static constexpr unsigned char kSentinel = 0xa5;
  int64_t count_;
  std::vector<unsigned char> bytes_;
  size_t offset_ = 0;
};

}  // namespace swag::test
