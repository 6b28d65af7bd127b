#include "kernels/normalize.h"
#include "tests/cuda/device_buffer.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::GuardedBuffer;
using test::random_vector;

/// nvcc contracts a product and a sum, which the CPU rounds twice: the last digit may differ.
void check_close(const std::vector<float>& actual, const std::vector<float>& expected) {
  REQUIRE(actual.size() == expected.size());
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(double{actual[i]} - expected[i]);
    if (!(error <= worst)) worst = error;
  }
  CHECK_FALSE(!(worst <= 3e-7));
}

}  // namespace

TEST_CASE("cuda normalize and denormalize agree with the CPU") {
  REQUIRE_DEVICE();
  for (const int64_t pixels : {0, 1, 85, 86, 3000}) {
    CAPTURE(pixels);
    std::vector<float> rgb = random_vector<float>(pixels * 3, 1, -0.2, 1.2);
    for (size_t i = 0; i < rgb.size(); i += 2)
      rgb[i] = static_cast<float>(static_cast<double>(i % 256) / 255);
    std::vector<float> x(rgb.size()), back(rgb.size());
    cpu::normalize(x.data(), rgb.data(), pixels, Stream{});
    cpu::denormalize(back.data(), x.data(), pixels, Stream{});
    const DeviceBuffer<float> device_rgb(rgb);
    DeviceBuffer<float> device_x(pixels * 3), device_back(pixels * 3);
    cuda::normalize(device_x.data(), device_rgb.data(), pixels, Stream{});
    cuda::denormalize(device_back.data(), device_x.data(), pixels, Stream{});
    check_close(device_x.values(), x);
    check_close(device_back.values(), back);
    CHECK(device_x.intact());
    CHECK(device_back.intact());
  }
}

TEST_CASE("cuda denormalize clamps, and makes NaN 0") {
  REQUIRE_DEVICE();
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const DeviceBuffer<float> x(std::vector<float>{9, -9, nan, inf, -inf, 0});
  DeviceBuffer<float> rgb(6);
  cuda::denormalize(rgb.data(), x.data(), 2, Stream{});
  CHECK(rgb.values() == std::vector<float>{1, 0, 0, 1, 0, 0.406f});
}

}  // namespace swag
