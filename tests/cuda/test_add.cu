#include "kernels/add.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/elementwise_cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::GuardedBuffer;
using test::random_vector;
using test::same_bytes;

void compare(const AddParams& params, int64_t shift) {
  CAPTURE(params.c);
  CAPTURE(shift);
  const auto a = random_vector<float>(params.pixels * params.a_pitch, 1),
             b = random_vector<float>(params.pixels * params.b_pitch, 2);
  GuardedBuffer<float> y(params.pixels * params.y_pitch);
  cpu::add_forward(y.data(), a.data(), b.data(), params, Stream{});
  const DeviceBuffer<float> device_a(a, shift), device_b(b, shift);
  DeviceBuffer<float> device_y(params.pixels * params.y_pitch, shift);
  cuda::add_forward(device_y.data(), device_a.data(), device_b.data(), params, Stream{});
  CHECK(same_bytes(device_y.values(), y.values()));
  CHECK(device_y.intact());
}

}  // namespace

TEST_CASE("cuda add sums two maps of different pitches") {
  REQUIRE_DEVICE();
  const DeviceBuffer<float> a(std::vector<float>{1, 2, -9, 3, 4, -9}), b(std::vector<float>{10, 20, 30, 40});
  DeviceBuffer<float> y(4);
  cuda::add_forward(y.data(), a.data(), b.data(), {2, 2, 3, 2, 2}, Stream{});
  CHECK(y.values() == std::vector<float>{11, 22, 33, 44});
  CHECK(y.intact());
}

TEST_CASE("cuda add agrees with the CPU on odd shapes, pitches and addresses") {
  REQUIRE_DEVICE();
  for (const int c : test::kAddChannels) {
    compare({5, c, c, c, c}, 0);
    compare({5, c, c, c, c}, 3);
    compare({5, c, c + 3, c, c + 1}, 0);
    compare({40, c, c + 4, c + 8, c + 12}, 0);
    compare({0, c, c, c, c}, 0);
  }
  compare({3, 1028, 1028, 1028, 1028}, 0);
}

TEST_CASE("cuda add into either operand gives the same bytes, and lets NaN through") {
  REQUIRE_DEVICE();
  for (const int c : {36, 37}) {
    const AddParams params{30, c, c, c, c};
    auto values = random_vector<float>(30 * c, 1);
    values[7] = std::numeric_limits<float>::quiet_NaN();
    const auto others = random_vector<float>(30 * c, 2);
    const DeviceBuffer<float> a(values), b(others);
    DeviceBuffer<float> y(30 * c), into_a(values), into_b(others);
    cuda::add_forward(y.data(), a.data(), b.data(), params, Stream{});
    cuda::add_forward(into_a.data(), into_a.data(), b.data(), params, Stream{});
    cuda::add_forward(into_b.data(), a.data(), into_b.data(), params, Stream{});
    CHECK(std::isnan(y.values()[7]));
    CHECK(same_bytes(y.values(), into_a.values()));
    CHECK(same_bytes(y.values(), into_b.values()));
  }
}

}  // namespace swag
