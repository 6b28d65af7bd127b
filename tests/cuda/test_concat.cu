#include "kernels/concat.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/elementwise_cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::GuardedBuffer;
using test::random_vector;
using test::same_bytes;

void compare(const CopyChannelsParams& params, int64_t shift) {
  CAPTURE(params.c);
  CAPTURE(shift);
  const auto x = random_vector<float>(params.pixels * params.x_pitch, 1);
  GuardedBuffer<float> y(params.pixels * params.y_pitch);
  cpu::copy_channels(y.data(), x.data(), params, Stream{});
  const DeviceBuffer<float> device_x(x, shift);
  DeviceBuffer<float> device_y(params.pixels * params.y_pitch, shift);
  cuda::copy_channels(device_y.data(), device_x.data(), params, Stream{});
  CHECK(same_bytes(device_y.values(), y.values()));
  CHECK(device_y.intact());
}

}  // namespace

TEST_CASE("cuda channels are copied between pitches as on the CPU, at odd shapes and addresses") {
  REQUIRE_DEVICE();
  for (const int c : test::kAddChannels) {
    compare({5, c, c, c}, 0);
    compare({5, c, c + 3, c}, 3);
    compare({5, c, c, c + 1}, 0);
    compare({40, c, c + 8, c + 12}, 0);
    compare({0, c, c, c}, 0);
  }
  compare({3, 1028, 1028, 2056}, 0);
}

}  // namespace swag
