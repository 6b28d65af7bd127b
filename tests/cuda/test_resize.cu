#include "kernels/resize.h"
#include "src/image/resize.h"
#include "tests/cuda/device_buffer.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::GuardedBuffer;
using test::random_vector;

std::vector<float> resized(const std::vector<float>& x, const ResizeAxis& axis, const ResizeParams& params) {
  const DeviceBuffer<float> device_x(x);
  const DeviceBuffer<int32_t> first(axis.first), count(axis.count);
  const DeviceBuffer<double> weights(axis.weights);
  DeviceBuffer<float> y(params.lines * params.out * params.c);
  cuda::resize(y.data(), device_x.data(), {first.data(), count.data(), weights.data(), axis.taps}, params,
               Stream{});
  CHECK(y.intact());
  return y.values();
}

void compare(int64_t lines, int in, int out, int64_t c, double lowest = -INFINITY) {
  CAPTURE(lines);
  CAPTURE(in);
  CAPTURE(out);
  CAPTURE(c);
  const ResizeAxis axis = resize_axis(in, out);
  const ResizeParams params{lines, in, out, c, lowest};
  const auto x = random_vector<float>(lines * in * c, 1, -2, 2);
  GuardedBuffer<float> y(lines * out * c);
  cpu::resize(y.data(), x.data(), axis.table(), params, Stream{});
  const auto values = resized(x, axis, params);
  double worst = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double error = std::abs(double{values[i]} - y[static_cast<int64_t>(i)]);
    if (!(error <= worst)) worst = error;
  }
  CHECK_FALSE(!(worst <= 1e-6));  // sums in double, rounded once: with contracted products the last digit
}

}  // namespace

TEST_CASE("cuda resize agrees with the CPU on rows and columns, larger and smaller") {
  REQUIRE_DEVICE();
  compare(5, 7, 13, 3);
  compare(5, 13, 7, 3);
  compare(1, 9, 18, 3 * 11);
  compare(1, 40, 9, 3 * 50);
  compare(3, 6, 6, 2);
  compare(2, 1, 5, 1);
  compare(70, 33, 66, 3);
  compare(0, 4, 8, 3);
}

TEST_CASE("cuda resize cuts off what undershoots, and lets NaN through") {
  REQUIRE_DEVICE();
  compare(4, 20, 40, 3, 0);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(resized({nan, 0, 0}, resize_axis(3, 6), {1, 3, 6, 1, 0})[0]));
}

}  // namespace swag
