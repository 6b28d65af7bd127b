#include "kernels/gather.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/gather_cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::GatherCase;
using test::random_vector;
using test::same_bytes;

void compare(const GatherCase& the, int64_t shift) {
  CAPTURE(the.pixels);
  CAPTURE(the.c);
  CAPTURE(shift);
  const GatherParams params = the.params();
  const auto x = random_vector<float>(the.pixels * the.c, 1),
             dy = random_vector<float>(params.count * the.c, 2);
  std::vector<float> y(dy.size()), dx = x;
  cpu::gather_positions(y.data(), x.data(), the.positions.data(), params, Stream{});
  cpu::scatter_positions(dx.data(), dy.data(), the.positions.data(), params, Stream{});

  const DeviceBuffer<int32_t> positions(the.positions);
  const DeviceBuffer<float> device_x(x, shift), device_dy(dy, shift);
  DeviceBuffer<float> device_y(params.count * the.c, shift), device_dx(x, shift);
  cuda::gather_positions(device_y.data(), device_x.data(), positions.data(), params, Stream{});
  cuda::scatter_positions(device_dx.data(), device_dy.data(), positions.data(), params, Stream{});
  CHECK(same_bytes(device_y.values(), y));
  CHECK(same_bytes(device_dx.values(), dx));
  CHECK((device_y.intact() && device_dx.intact()));
}

}  // namespace

TEST_CASE("cuda gather and scatter give the CPU's bytes, at odd shapes and addresses") {
  REQUIRE_DEVICE();
  for (const GatherCase& the : test::gather_cases()) {
    compare(the, 0);
    if (the.pixels < 1000) compare(the, 1);
  }
}

}  // namespace swag
