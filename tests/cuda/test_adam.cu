#include "kernels/adam.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/vector_cases.h"

namespace swag {

using test::DeviceBuffer;
using test::random_vector;

TEST_CASE("cuda adam_step does one step by hand") {
  REQUIRE_DEVICE();
  // m = 0.1 * 4 + 0.9 * 1 = 1.3, v = 0.001 * 16 + 0.999 * 2 = 2.014, at t = 2.
  DeviceBuffer<float> x(std::vector<float>{5}), m(std::vector<float>{1}), v(std::vector<float>{2});
  const DeviceBuffer<float> g(std::vector<float>{4});
  AdamParams params;
  params.learning_rate = 0.5;
  params.step = 2;
  cuda::adam_step(x.data(), m.data(), v.data(), g.data(), params, 1, Stream{});
  const double expected = 5 - 0.5 * (1.3 / 0.19) / (std::sqrt(2.014 / 0.001999) + 1e-8);
  CHECK(std::abs(m.value() - 1.3) <= 1e-6);
  CHECK(std::abs(v.value() - 2.014) <= 2e-6);
  CHECK(std::abs(x.value() - expected) <= 5e-6);
}

TEST_CASE("cuda adam_step agrees with the CPU on all sizes and addresses") {
  REQUIRE_DEVICE();
  for (const int64_t count : test::kVectorCounts) {
    for (const int64_t shift : {0, 3}) {
      CAPTURE(count);
      CAPTURE(shift);
      auto x = random_vector<float>(count, 1), m = random_vector<float>(count, 2),
           v = random_vector<float>(count, 3, 0, 1);
      const auto g = random_vector<float>(count, 4);
      DeviceBuffer<float> device_x(x, shift), device_m(m, shift), device_v(v, shift);
      const DeviceBuffer<float> device_g(g, shift);
      AdamParams params;
      for (int c = 0; c < 3; ++c) {
        params.rates[c] = 1 + c;
        params.lowest[c] = -0.9 + 0.1 * c;
        params.highest[c] = 0.9 - 0.1 * c;
      }
      for (params.step = 3; params.step < 6; ++params.step) {
        cpu::adam_step(x.data(), m.data(), v.data(), g.data(), params, count, Stream{});
        cuda::adam_step(device_x.data(), device_m.data(), device_v.data(), device_g.data(), params, count,
                        Stream{});
      }
      CHECK(test::worst_element(device_m.values(), m) <= 4e-7);
      CHECK(test::worst_element(device_v.values(), v) <= 4e-7);
      CHECK(test::worst_element(device_x.values(), x) <= 4e-7);
      CHECK((device_x.intact() && device_m.intact() && device_v.intact()));
    }
  }
}

}  // namespace swag
