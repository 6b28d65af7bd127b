#include "kernels/lerp.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/vector_cases.h"

namespace swag {

using test::DeviceBuffer;
using test::random_vector;

TEST_CASE("cuda lerp agrees with the CPU on all sizes and addresses") {
  REQUIRE_DEVICE();
  for (const int64_t count : test::kVectorCounts) {
    for (const int64_t shift : {0, 3}) {
      CAPTURE(count);
      CAPTURE(shift);
      const auto x = random_vector<float>(count, 1);
      auto y = random_vector<float>(count, 2);
      const DeviceBuffer<float> device_x(x, shift);
      DeviceBuffer<float> device_y(y, shift);
      cpu::lerp(y.data(), x.data(), 0.3, count, Stream{});
      cuda::lerp(device_y.data(), device_x.data(), 0.3, count, Stream{});
      CHECK(test::worst_element(device_y.values(), y) <= 2e-7);
      CHECK(device_y.intact());
    }
  }
}

}  // namespace swag
