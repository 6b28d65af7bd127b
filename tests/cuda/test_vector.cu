#include <limits>

#include "kernels/vector.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/vector_cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::random_vector;
using test::Workspace;

VectorNorms norms_of(const DeviceBuffer<float>& x) {
  Workspace workspace(cuda::vector_norms_workspace_bytes());
  DeviceBuffer<VectorNorms> norms(1);
  cuda::vector_norms(norms.data(), x.data(), workspace.data(), static_cast<int64_t>(x.size()), Stream{});
  CHECK((norms.intact() && workspace.intact()));
  return norms.value();
}

}  // namespace

TEST_CASE("cuda vector_norms of a hand-sized case") {
  REQUIRE_DEVICE();
  const VectorNorms norms = norms_of(DeviceBuffer<float>(std::vector<float>{1, -3, 2}));
  CHECK(norms.sum_abs == 6);
  CHECK(norms.max_abs == 3);
}

TEST_CASE("cuda vector_norms gives the sum and the largest of the magnitudes") {
  REQUIRE_DEVICE();
  for (const int64_t count : test::kVectorCounts) {
    for (const int64_t shift : {0, 1}) {
      std::vector<float> values = random_vector<float>(count, 50);
      if (count > 0) values[static_cast<size_t>(count / 3)] = -7;
      const DeviceBuffer<float> x(values, shift);
      VectorNorms expected;
      cpu::vector_norms(&expected, values.data(), count, Stream{});
      const VectorNorms norms = norms_of(x);
      CAPTURE(count);
      CHECK(std::abs(norms.sum_abs - expected.sum_abs) <= 1e-13 * expected.sum_abs);
      CHECK(norms.max_abs == (count > 0 ? 7 : 0));
    }
  }
}

TEST_CASE("cuda vector_norms are NaN as soon as one element is not finite") {
  REQUIRE_DEVICE();
  constexpr int64_t kCount = 40000;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    for (const int64_t place : {int64_t{0}, int64_t{17001}, kCount - 1}) {
      std::vector<float> values(kCount, 1.f);
      values[static_cast<size_t>(place)] = bad;
      const VectorNorms norms = norms_of(DeviceBuffer<float>(values));
      CHECK(std::isnan(norms.sum_abs));
      CHECK(std::isnan(norms.max_abs));
    }
  }
}

}  // namespace swag
