#include "kernels/batch_norm.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/elementwise_cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::GuardedBuffer;
using test::random_vector;

/// The elements of a map, without what lies between its pixels.
std::vector<float> packed(const std::vector<float>& map, int64_t pixels, int c, int64_t pitch) {
  std::vector<float> values;
  for (int64_t i = 0; i < pixels; ++i) {
    values.insert(values.end(), map.begin() + i * pitch, map.begin() + i * pitch + c);
  }
  return values;
}

void compare(const BatchNormParams& params, int64_t shift) {
  CAPTURE(params.c);
  CAPTURE(shift);
  const auto x = random_vector<float>(params.pixels * params.x_pitch, 1),
             dy = random_vector<float>(params.pixels * params.y_pitch, 2),
             scale = random_vector<float>(params.c, 3), offset = random_vector<float>(params.c, 4);
  GuardedBuffer<float> y(params.pixels * params.y_pitch), dx(params.pixels * params.x_pitch);
  cpu::batch_norm_forward(y.data(), x.data(), scale.data(), offset.data(), params, Stream{});
  cpu::batch_norm_backward(dx.data(), dy.data(), scale.data(), params, Stream{});
  const DeviceBuffer<float> device_x(x, shift), device_dy(dy, shift), device_scale(scale, shift),
      device_offset(offset, shift);
  DeviceBuffer<float> device_y(params.pixels * params.y_pitch, shift),
      device_dx(params.pixels * params.x_pitch, shift);
  cuda::batch_norm_forward(device_y.data(), device_x.data(), device_scale.data(), device_offset.data(),
                           params, Stream{});
  cuda::batch_norm_backward(device_dx.data(), device_dy.data(), device_scale.data(), params, Stream{});
  const auto got = packed(device_y.values(), params.pixels, params.c, params.y_pitch),
             expected = packed(y.values(), params.pixels, params.c, params.y_pitch);
  CHECK(test::relative_l2(got, expected) <= 2e-7);  // a GPU rounds product and sum at once
  CHECK(test::worst_element(got, expected) <= 2e-7);
  CHECK(test::same_bytes(device_dx.values(), dx.values()));
  CHECK((device_y.intact() && device_dx.intact()));
  int written = 0;  // between the channels
  const auto all = device_y.values();
  for (int64_t i = 0; i < static_cast<int64_t>(all.size()); ++i) {
    written += i % params.y_pitch >= params.c && !std::isnan(all[i]);
  }
  CHECK(written == 0);
}

}  // namespace

TEST_CASE("cuda batch norm scales and shifts each channel") {
  REQUIRE_DEVICE();
  const DeviceBuffer<float> x(std::vector<float>{1, 2, 3, 4}), scale(std::vector<float>{2, -1}),
      shift(std::vector<float>{0.5, 10}), dy(std::vector<float>{1, 1, -3, 5});
  DeviceBuffer<float> y(4), dx(4);
  cuda::batch_norm_forward(y.data(), x.data(), scale.data(), shift.data(), {2, 2, 2, 2}, Stream{});
  cuda::batch_norm_backward(dx.data(), dy.data(), scale.data(), {2, 2, 2, 2}, Stream{});
  CHECK(y.values() == std::vector<float>{2.5, 8, 6.5, 6});
  CHECK(dx.values() == std::vector<float>{2, -1, -6, -5});
}

TEST_CASE("cuda batch norm agrees with the CPU on odd shapes, pitches and addresses") {
  REQUIRE_DEVICE();
  for (const int c : test::kBatchNormChannels) {
    compare({6, c, c, c}, 0);
    compare({6, c, c, c}, 2);
    compare({6, c, c + 2, c + 1}, 0);
    compare({50, c, c + 4, c + 8}, 0);
    compare({0, c, c, c}, 0);
  }
  compare({4, 64, 64, 64}, 0);
}

TEST_CASE("cuda batch norm in place gives the same bytes") {
  REQUIRE_DEVICE();
  for (const int c : {36, 37}) {
    const BatchNormParams params{30, c, c, c};
    const auto values = random_vector<float>(30 * c, 1);
    const DeviceBuffer<float> x(values), scale(random_vector<float>(c, 2)), shift(random_vector<float>(c, 3));
    DeviceBuffer<float> y(30 * c), in_place(values);
    cuda::batch_norm_forward(y.data(), x.data(), scale.data(), shift.data(), params, Stream{});
    cuda::batch_norm_forward(in_place.data(), in_place.data(), scale.data(), shift.data(), params, Stream{});
    CHECK(test::same_bytes(y.values(), in_place.values()));
    in_place.upload(values);
    cuda::batch_norm_backward(y.data(), x.data(), scale.data(), params, Stream{});
    cuda::batch_norm_backward(in_place.data(), in_place.data(), scale.data(), params, Stream{});
    CHECK(test::same_bytes(y.values(), in_place.values()));
  }
}

}  // namespace swag
