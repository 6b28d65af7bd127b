#include <limits>

#include "kernels/mask.h"
#include "kernels/relu.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/elementwise_cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::GuardedBuffer;
using test::random_vector;
using test::same_bytes;

/// Forward and backward against the CPU twin, byte for byte, with every address `shift` floats off.
void compare(const ReluParams& params, int64_t shift) {
  CAPTURE(params.c);
  CAPTURE(params.pixels);
  CAPTURE(params.x_pitch);
  CAPTURE(shift);
  auto x = random_vector<float>(params.pixels * params.x_pitch, 1);
  if (x.size() > 3) x[1] = 0, x[2] = -0.f, x[3] = std::numeric_limits<float>::quiet_NaN();
  const auto dy = random_vector<float>(params.pixels * params.y_pitch, 2);
  const int64_t words = params.pixels * mask_words(params.c);
  GuardedBuffer<float> y(params.pixels * params.y_pitch), dx(params.pixels * params.x_pitch);
  GuardedBuffer<uint32_t> mask(words);
  cpu::relu_forward(y.data(), mask.data(), x.data(), params, Stream{});
  cpu::relu_backward(dx.data(), dy.data(), mask.data(), params, Stream{});

  const DeviceBuffer<float> device_x(x, shift), device_dy(dy, shift);
  DeviceBuffer<float> device_y(params.pixels * params.y_pitch, shift), no_mask(y.values().size(), shift),
      device_dx(params.pixels * params.x_pitch, shift);
  DeviceBuffer<uint32_t> device_mask(words);
  cuda::relu_forward(device_y.data(), device_mask.data(), device_x.data(), params, Stream{});
  cuda::relu_forward(no_mask.data(), nullptr, device_x.data(), params, Stream{});
  cuda::relu_backward(device_dx.data(), device_dy.data(), device_mask.data(), params, Stream{});
  CHECK(same_bytes(device_y.values(), y.values()));
  CHECK(same_bytes(no_mask.values(), y.values()));
  CHECK(same_bytes(device_mask.values(), mask.values()));
  CHECK(same_bytes(device_dx.values(), dx.values()));
  CHECK((device_y.intact() && no_mask.intact() && device_mask.intact() && device_dx.intact()));
}

}  // namespace

TEST_CASE("cuda relu keeps positive values and sets their mask bits") {
  REQUIRE_DEVICE();
  const DeviceBuffer<float> x(std::vector<float>{-1, 2, 0, 3.5, -0.5, -4, 5, 1e-30f});
  DeviceBuffer<float> y(8);
  DeviceBuffer<uint32_t> mask(2);
  cuda::relu_forward(y.data(), mask.data(), x.data(), {2, 4, 4, 4}, Stream{});
  CHECK(y.values() == std::vector<float>{0, 2, 0, 3.5, 0, 0, 5, 1e-30f});
  CHECK(mask.values() == std::vector<uint32_t>{0b1010u, 0b1100u});
}

TEST_CASE("cuda relu agrees with the CPU on odd shapes, pitches and addresses") {
  REQUIRE_DEVICE();
  for (const int c : test::kReluChannels) {
    for (const int64_t pixels : {1, 7, 70}) {
      compare({pixels, c, c, c}, 0);
      compare({pixels, c, c + 5, c + 2}, 0);
      compare({pixels, c, c + 4, c + 8}, 0);
    }
    compare({7, c, c, c}, 1);
  }
  compare({5, 288, 288, 288}, 0);  // more groups of channels than a block is wide
  compare({5, 300, 300, 300}, 0);
}

TEST_CASE("cuda relu of an empty map does nothing") {
  REQUIRE_DEVICE();
  DeviceBuffer<float> y(0);
  DeviceBuffer<uint32_t> mask(0);
  cuda::relu_forward(y.data(), mask.data(), y.data(), {0, 8, 8, 8}, Stream{});
  cuda::relu_backward(y.data(), y.data(), mask.data(), {0, 8, 8, 8}, Stream{});
  CHECK((y.intact() && mask.intact()));
}

TEST_CASE("cuda relu lets NaN through, forward, and stops it, backward") {
  REQUIRE_DEVICE();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const int c : {2, 32}) {
    DeviceBuffer<float> y(std::vector<float>(c, nan)), dx(std::vector<float>(c, nan));
    DeviceBuffer<uint32_t> mask(1);
    cuda::relu_forward(y.data(), mask.data(), y.data(), {1, c, c, c}, Stream{});
    CHECK(std::isnan(y.values()[0]));
    CHECK(std::isnan(y.values()[1]));
    CHECK(mask.value() == 0);
    cuda::relu_backward(dx.data(), dx.data(), mask.data(), {1, c, c, c}, Stream{});
    CHECK(dx.values() == std::vector<float>(c, 0.f));
  }
}

TEST_CASE("cuda relu in place gives the same bytes, on the vector path and the plain one") {
  REQUIRE_DEVICE();
  for (const int c : {64, 33}) {
    const ReluParams params{50, c, c, c};
    const auto values = random_vector<float>(50 * c, 3);
    const DeviceBuffer<float> x(values);
    DeviceBuffer<float> y(50 * c), in_place(values);
    DeviceBuffer<uint32_t> mask(50 * mask_words(c)), mask_in_place(50 * mask_words(c));
    cuda::relu_forward(y.data(), mask.data(), x.data(), params, Stream{});
    cuda::relu_forward(in_place.data(), mask_in_place.data(), in_place.data(), params, Stream{});
    CHECK(same_bytes(in_place.values(), y.values()));
    CHECK(mask.values() == mask_in_place.values());
    in_place.upload(values);
    cuda::relu_backward(in_place.data(), in_place.data(), mask.data(), params, Stream{});
    CHECK(in_place.values() == y.values());  // relu(x) = mask ? x : 0
  }
}

}  // namespace swag
