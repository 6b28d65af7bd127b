#include "kernels/pad.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/pad_cases.h"

namespace swag {

using test::DeviceBuffer;
using test::random_vector;

TEST_CASE("cuda padding is the CPU's, there and back") {
  REQUIRE_DEVICE();
  std::vector<PadParams> shapes(std::begin(test::kPadShapes), std::end(test::kPadShapes));
  shapes.push_back({0, 4, 3, 0});
  for (const PadParams& params : shapes) {
    CAPTURE(params.h);
    CAPTURE(params.w);
    const int64_t count = int64_t{params.h} * params.w * params.c,
                  padded = count == 0 ? 0 : int64_t{params.h_out()} * params.w_out() * params.c;
    const auto x = random_vector<float>(count, 1), dy = random_vector<float>(padded, 2);
    std::vector<float> y(padded), dx(count);
    cpu::pad_replicate_forward(y.data(), x.data(), params, Stream{});
    cpu::pad_replicate_backward(dx.data(), dy.data(), params, Stream{});
    const DeviceBuffer<float> device_x(x), device_dy(dy);
    DeviceBuffer<float> device_y(padded), device_dx(count);
    cuda::pad_replicate_forward(device_y.data(), device_x.data(), params, Stream{});
    cuda::pad_replicate_backward(device_dx.data(), device_dy.data(), params, Stream{});
    CHECK(test::same_bytes(device_y.values(), y));
    CHECK(test::same_bytes(device_dx.values(), dx));  // summed in one order
    CHECK((device_y.intact() && device_dx.intact()));
  }
}

}  // namespace swag
