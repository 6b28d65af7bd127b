#include <limits>
#include <stdexcept>

#include "kernels/vector.h"
#include "tests/cuda/device_buffer.h"
#include "tests/vector_cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::random_vector;
using test::Workspace;

/// Vectors of the host and the same on the device, one behind the other.
struct DeviceVectors {
  DeviceVectors(int vectors, int64_t count, uint64_t seed, int64_t shift = 0)
      : host(vectors, count, seed), stride((count + 3) / 4 * 4), memory(stride * vectors + 1, shift) {
    std::vector<float> all(memory.size());
    for (int k = 0; k < vectors; ++k) {
      std::copy(host.values[k].begin(), host.values[k].end(), all.begin() + k * stride);
      pointers.push_back(memory.data() + k * stride);
    }
    memory.upload(all);
  }
  test::Vectors<float> host;
  int64_t stride;
  DeviceBuffer<float> memory;
  std::vector<const float*> pointers;
};

std::vector<double> multi_dot(const DeviceVectors& left, const DeviceVectors& right, int64_t count) {
  const int lefts = left.host.size(), rights = right.host.size();
  Workspace workspace(cuda::multi_dot_workspace_bytes(lefts, rights, count));
  DeviceBuffer<double> results(int64_t{lefts} * rights);
  cuda::multi_dot(results.data(), left.pointers.data(), lefts, right.pointers.data(), rights,
                  workspace.data(), count, Stream{});
  std::vector<double> on_host(results.size());
  cuda::multi_dot_to_host(on_host.data(), left.pointers.data(), lefts, right.pointers.data(), rights,
                          workspace.data(), count, Stream{});
  CHECK((results.intact() && workspace.intact()));
  CHECK(test::same_bytes(results.values(), on_host));
  return on_host;
}

}  // namespace

TEST_CASE("cuda multi_dot of a hand-sized case") {
  REQUIRE_DEVICE();
  const DeviceBuffer<float> a(std::vector<float>{1, 2, 3}), b(std::vector<float>{4, -5, 6});
  const float* vectors[] = {a.data(), b.data()};
  Workspace workspace(cuda::multi_dot_workspace_bytes(2, 2, 3));
  DeviceBuffer<double> results(4);
  cuda::multi_dot(results.data(), vectors, 2, vectors, 2, workspace.data(), 3, Stream{});
  CHECK(results.values() == std::vector<double>{14, 12, 12, 77});
}

TEST_CASE("cuda multi_dot gives every left vector with every right one, in float64") {
  REQUIRE_DEVICE();
  for (const int64_t count : test::kVectorCounts) {
    for (const int lefts : {1, 2, 3, 5}) {
      for (const int rights : {1, 2, 3, 7, 23}) {
        if (count > 2000 && rights == 2) continue;
        const DeviceVectors left(lefts, count, 10, count == 513 ? 1 : 0), right(rights, count, 20);
        const std::vector<double> results = multi_dot(left, right, count);
        CAPTURE(count);
        CAPTURE(lefts);
        CAPTURE(rights);
        double worst = 0;
        for (int i = 0; i < lefts; ++i) {
          for (int j = 0; j < rights; ++j) {
            const auto expected =
                static_cast<double>(test::exact_dot(left.host.values[i], right.host.values[j]));
            const double error = std::abs(results[i * rights + j] - expected);
            worst = error <= worst ? worst : error;
          }
        }
        CHECK(worst <= 1e-14 * static_cast<double>(count));  // a float32 sum would miss this by far
      }
    }
  }
}

TEST_CASE("cuda multi_dot goes round when there are more tiles than blocks, with the same bytes twice") {
  REQUIRE_DEVICE();
  const int64_t count = 1024 * 600 + 77;
  // Two right vectors: then a warp multiplies what other warps have put into the tile.
  const DeviceVectors left(1, count, 1), right(2, count, 2);
  const auto first = multi_dot(left, right, count), second = multi_dot(left, right, count);
  for (int j = 0; j < 2; ++j) {
    const auto expected = static_cast<double>(test::exact_dot(left.host.values[0], right.host.values[j]));
    CHECK(std::abs(first[j] - expected) <= 1e-14 * static_cast<double>(count));
  }
  CHECK(test::same_bytes(first, second));
}

TEST_CASE("cuda multi_dot and linear_combination take long histories, and refuse endless ones") {
  REQUIRE_DEVICE();
  const int64_t count = 9;
  const DeviceVectors left(2, count, 1), right(600, count, 5);
  const auto results = multi_dot(left, right, count);
  double worst = 0;
  for (int j = 0; j < 600; ++j) {
    const auto expected = static_cast<double>(test::exact_dot(left.host.values[1], right.host.values[j]));
    const double error = std::abs(results[600 + j] - expected);
    worst = error <= worst ? worst : error;
  }
  CHECK(worst <= 1e-13);

  const auto coefficients = random_vector<double>(600, 6);
  std::vector<float> expected(count);
  cpu::linear_combination(expected.data(), coefficients.data(), right.host.pointers.data(), 600, count,
                          Stream{});
  DeviceBuffer<float> y(count);
  cuda::linear_combination(y.data(), coefficients.data(), right.pointers.data(), 600, count, Stream{});
  CHECK(test::worst_element(y.values(), expected) <= 1e-7);
  CHECK_THROWS_AS(
      cuda::linear_combination(y.data(), coefficients.data(), right.pointers.data(), 3000, count, Stream{}),
      std::length_error);
}

TEST_CASE("cuda linear_combination sums in float64 and rounds once") {
  REQUIRE_DEVICE();
  for (const int64_t count : test::kVectorCounts) {
    for (const int size : {1, 2, 4, 5, 9}) {
      const DeviceVectors vectors(size, count, 30, size == 4 ? 2 : 0);
      const auto coefficients = random_vector<double>(size, 40, -3, 3);
      const DeviceBuffer<double> device_coefficients(coefficients);
      DeviceBuffer<float> y(count), from_device(count);
      cuda::linear_combination(y.data(), coefficients.data(), vectors.pointers.data(), size, count, Stream{});
      cuda::linear_combination_of_device_coefficients(from_device.data(), device_coefficients.data(),
                                                      vectors.pointers.data(), size, count, Stream{});
      const std::vector<float> got = y.values();
      double worst = 0;
      for (int64_t i = 0; i < count; ++i) {
        double expected = 0, largest = 0;
        for (int k = 0; k < size; ++k) {
          const double term = coefficients[k] * static_cast<double>(vectors.host.values[k][i]);
          expected += term;
          largest = std::max(largest, std::abs(term));
        }
        // Half a float ulp, and what fused float64 products round differently.
        const double error = std::abs(static_cast<double>(got[i]) - expected);
        const double excess = error - (0x1p-24 * std::abs(expected) + 1e-15 * largest);
        worst = excess <= worst ? worst : excess;
      }
      CAPTURE(count);
      CAPTURE(size);
      CHECK(worst <= 0);
      CHECK(test::same_bytes(got, from_device.values()));
      CHECK((y.intact() && from_device.intact()));
    }
  }
}

TEST_CASE("cuda linear_combination may write onto one of its vectors") {
  REQUIRE_DEVICE();
  const auto a = random_vector<float>(5003, 1), b = random_vector<float>(5003, 2);
  std::vector<float> expected(a.size());
  for (size_t i = 0; i < a.size(); ++i) expected[i] = static_cast<float>(2 * double{a[i]} - 3 * double{b[i]});
  const DeviceBuffer<float> device_a(a);
  DeviceBuffer<float> device_b(b);
  const float* vectors[] = {device_a.data(), device_b.data()};
  const double coefficients[] = {2, -3};
  cuda::linear_combination(device_b.data(), coefficients, vectors, 2, 5003, Stream{});
  CHECK(device_b.values() == expected);
}

TEST_CASE("cuda vector_norms gives the sum and the largest of the magnitudes") {
  REQUIRE_DEVICE();
  for (const int64_t count : test::kVectorCounts) {
    for (const int64_t shift : {0, 1}) {
      std::vector<float> values = random_vector<float>(count, 50);
      if (count > 0) values[static_cast<size_t>(count / 3)] = -7;
      const DeviceBuffer<float> x(values, shift);
      Workspace workspace(cuda::vector_norms_workspace_bytes());
      const VectorNorms expected = cpu::vector_norms(values.data(), count, Stream{});
      const VectorNorms norms = cuda::vector_norms_to_host(x.data(), workspace.data(), count, Stream{});
      CAPTURE(count);
      CHECK(std::abs(norms.sum_abs - expected.sum_abs) <= 1e-13 * expected.sum_abs);
      CHECK(norms.max_abs == (count > 0 ? 7 : 0));
      CHECK(workspace.intact());
    }
  }
}

TEST_CASE("cuda vector_norms are NaN as soon as one element is not finite") {
  REQUIRE_DEVICE();
  constexpr int64_t kCount = 40000;
  Workspace workspace(cuda::vector_norms_workspace_bytes());
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    for (const int64_t place : {int64_t{0}, int64_t{17001}, kCount - 1}) {
      std::vector<float> values(kCount, 1.f);
      values[static_cast<size_t>(place)] = bad;
      const DeviceBuffer<float> x(values);
      const VectorNorms norms = cuda::vector_norms_to_host(x.data(), workspace.data(), kCount, Stream{});
      CHECK(std::isnan(norms.sum_abs));
      CHECK(std::isnan(norms.max_abs));
    }
  }
}

}  // namespace swag
