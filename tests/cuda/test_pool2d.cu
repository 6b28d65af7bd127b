#include <limits>

#include "kernels/pool2d.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/pool2d_cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::GuardedBuffer;
using test::random_vector;
using test::same_bytes;
using test::square;

/// The shared cases, and some whose channels go four at a time, with and without pitches.
std::vector<Pool2dParams> cases() {
  std::vector<Pool2dParams> all = test::pool2d_cases();
  all.push_back(square(9, 8, 272, 3, 2, 1));
  all.push_back(square(13, 300, 4, 2, 2, 0));  // several blocks side by side
  Pool2dParams pitched = square(7, 9, 20, 3, 2, 1);
  pitched.x_pitch = 28, pitched.y_pitch = 24;
  all.push_back(pitched);
  return all;
}

struct Sizes {
  int64_t x, y, position;
  explicit Sizes(const Pool2dParams& p)
      : x(int64_t{p.h} * p.w * p.x_pitch),
        y(int64_t{p.h_out()} * p.w_out() * p.y_pitch),
        position(int64_t{p.h_out()} * p.w_out() * p.c) {}
};

/// Compares maps without what lies between their pixels, which must be untouched.
bool agrees(const std::vector<float>& got, const float* expected, int64_t pitch, int c, double tolerance) {
  for (size_t i = 0; i < got.size(); ++i) {
    const bool inside = static_cast<int64_t>(i) % pitch < c;
    const double error = std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i]));
    if (inside ? !(error <= tolerance) : !std::isnan(got[i])) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("cuda max_pool2d backward sends the gradient to the first maximum") {
  REQUIRE_DEVICE();
  const DeviceBuffer<float> x(std::vector<float>{1, 5, 7, 7,  //
                                                 5, 5, 7, 7}),
      dy(std::vector<float>{2, 3});
  const Pool2dParams params = square(2, 4, 1, 2, 2, 0);
  DeviceBuffer<float> y(2), dx(8);
  DeviceBuffer<uint8_t> position(2);
  cuda::max_pool2d_forward(y.data(), position.data(), x.data(), params, Stream{});
  CHECK(y.values() == std::vector<float>{5, 7});
  CHECK(position.values() == std::vector<uint8_t>{1, 0});
  cuda::max_pool2d_backward(dx.data(), dy.data(), position.data(), params, Stream{});
  CHECK(dx.values() == std::vector<float>{0, 2, 3, 0, 0, 0, 0, 0});
}

TEST_CASE("cuda avg_pool2d counts the padding or not, as asked") {
  REQUIRE_DEVICE();
  const DeviceBuffer<float> x(std::vector<float>{4, 8, 12, 16}), dy(std::vector<float>{1});
  Pool2dParams params = square(2, 2, 1, 3, 2, 1);
  DeviceBuffer<float> y(1), dx(4);
  cuda::avg_pool2d_forward(y.data(), x.data(), params, Stream{});
  CHECK(std::abs(y.value() - 40.0 / 9) <= 1e-6);
  params.count_include_pad = false;
  cuda::avg_pool2d_forward(y.data(), x.data(), params, Stream{});
  CHECK(y.value() == 10);
  cuda::avg_pool2d_backward(dx.data(), dy.data(), params, Stream{});
  CHECK(dx.values() == std::vector<float>{0.25, 0.25, 0.25, 0.25});
}

TEST_CASE("cuda max_pool2d agrees with the CPU on every kind of window, values and positions") {
  REQUIRE_DEVICE();
  for (Pool2dParams p : cases()) {
    for (const int64_t shift : {0, 1}) {
      p.behind_relu = shift == 1 && p.kh * p.kw <= kNoPosition;
      CAPTURE(p.h);
      CAPTURE(p.w);
      CAPTURE(p.c);
      CAPTURE(p.kh);
      const Sizes sizes(p);
      auto x = random_vector<float>(sizes.x, 1, 0, 4);
      for (float& value : x) value = std::floor(value) - 2;  // few values: many windows have ties
      x[x.size() / 2] = std::numeric_limits<float>::quiet_NaN();
      const auto dy = random_vector<float>(sizes.y, 2);
      GuardedBuffer<float> y(sizes.y), dx(sizes.x);
      GuardedBuffer<uint8_t> position(sizes.position);
      cpu::max_pool2d_forward(y.data(), position.data(), x.data(), p, Stream{});
      cpu::max_pool2d_backward(dx.data(), dy.data(), position.data(), p, Stream{});
      const DeviceBuffer<float> device_x(x, shift), device_dy(dy, shift);
      DeviceBuffer<float> device_y(sizes.y, shift), no_position(sizes.y, shift), device_dx(sizes.x, shift);
      DeviceBuffer<uint8_t> device_position(sizes.position, shift);
      cuda::max_pool2d_forward(device_y.data(), device_position.data(), device_x.data(), p, Stream{});
      cuda::max_pool2d_forward(no_position.data(), nullptr, device_x.data(), p, Stream{});
      cuda::max_pool2d_backward(device_dx.data(), device_dy.data(), device_position.data(), p, Stream{});
      CHECK(same_bytes(device_y.values(), y.values()));
      CHECK(same_bytes(no_position.values(), y.values()));
      CHECK(same_bytes(device_position.values(), position.values()));
      CHECK(device_dx.values().size() == dx.size());
      CHECK(agrees(device_dx.values(), dx.data(), p.x_pitch, p.c, 1e-6));
      CHECK((device_y.intact() && no_position.intact() && device_position.intact() && device_dx.intact()));
    }
  }
}

TEST_CASE("cuda avg_pool2d agrees with the CPU on every kind of window") {
  REQUIRE_DEVICE();
  for (const Pool2dParams& p : cases()) {
    for (const int64_t shift : {0, 1}) {
      CAPTURE(p.h);
      CAPTURE(p.c);
      CAPTURE(p.kh);
      const Sizes sizes(p);
      const auto x = random_vector<float>(sizes.x, 1), dy = random_vector<float>(sizes.y, 2);
      GuardedBuffer<float> y(sizes.y), dx(sizes.x);
      cpu::avg_pool2d_forward(y.data(), x.data(), p, Stream{});
      cpu::avg_pool2d_backward(dx.data(), dy.data(), p, Stream{});
      const DeviceBuffer<float> device_x(x, shift), device_dy(dy, shift);
      DeviceBuffer<float> device_y(sizes.y, shift), device_dx(sizes.x, shift);
      cuda::avg_pool2d_forward(device_y.data(), device_x.data(), p, Stream{});
      cuda::avg_pool2d_backward(device_dx.data(), device_dy.data(), p, Stream{});
      CHECK(agrees(device_y.values(), y.data(), p.y_pitch, p.c, 4e-7));
      CHECK(agrees(device_dx.values(), dx.data(), p.x_pitch, p.c, 4e-7));
      CHECK((device_y.intact() && device_dx.intact()));
    }
  }
}

TEST_CASE("cuda max_pool2d: NaN wins, wherever it stands, and padding never does") {
  REQUIRE_DEVICE();
  for (const int c : {1, 4}) {
    for (int where = 0; where < 4; ++where) {
      std::vector<float> x(4 * c, 1);
      for (int k = 0; k < c; ++k) x[c + k] = 9, x[where * c + k] = std::numeric_limits<float>::quiet_NaN();
      const DeviceBuffer<float> device_x(x);
      DeviceBuffer<float> y(c);
      DeviceBuffer<uint8_t> position(c);
      cuda::max_pool2d_forward(y.data(), position.data(), device_x.data(), square(2, 2, c, 2, 2, 0),
                               Stream{});
      CHECK(std::isnan(y.values().back()));
      CHECK(position.values() == std::vector<uint8_t>(c, static_cast<uint8_t>(where)));
    }
  }
  const DeviceBuffer<float> negative(std::vector<float>{-5, -6, -7, -8});
  DeviceBuffer<float> y(4);
  cuda::max_pool2d_forward(y.data(), nullptr, negative.data(), square(2, 2, 1, 3, 1, 1), Stream{});
  CHECK(y.values() == std::vector<float>{-5, -5, -5, -5});
}

TEST_CASE("cuda max_pool2d behind a ReLU has no position where the maximum is not positive") {
  REQUIRE_DEVICE();
  for (const int c : {1, 4}) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> x;
    for (const float value : {0.f, 0.f, 3.f, nan, 0.f, 0.f, 0.f, 3.f}) x.insert(x.end(), c, value);
    Pool2dParams params = square(2, 4, c, 2, 2, 0);
    params.behind_relu = true;
    const DeviceBuffer<float> device_x(x);
    DeviceBuffer<float> y(2 * c);
    DeviceBuffer<uint8_t> position(2 * c);
    cuda::max_pool2d_forward(y.data(), position.data(), device_x.data(), params, Stream{});
    CHECK(position.values() == std::vector<uint8_t>(2 * c, kNoPosition));
    x[2 * c] = 4, x[3 * c] = 2;
    const DeviceBuffer<float> other(x);
    cuda::max_pool2d_forward(y.data(), position.data(), other.data(), params, Stream{});
    CHECK(position.values()[c] == 0);
  }
}

TEST_CASE("cuda pooling of more rows than a grid has") {
  REQUIRE_DEVICE();
  const Pool2dParams p = square(65537, 1, 1, 1, 1, 0);
  const auto values = random_vector<float>(p.h, 1);
  const DeviceBuffer<float> x(values);
  DeviceBuffer<float> y(p.h), dx(p.h);
  cuda::avg_pool2d_forward(y.data(), x.data(), p, Stream{});
  cuda::avg_pool2d_backward(dx.data(), y.data(), p, Stream{});
  CHECK(y.values() == values);
  CHECK(dx.values() == values);
}

}  // namespace swag
