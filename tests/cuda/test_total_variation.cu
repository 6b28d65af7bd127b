#include <limits>

#include "kernels/total_variation.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/total_variation_cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::random_vector;

/// One of the two stencils, with its twins.
struct Stencil {
  decltype(&cuda::total_variation) on_device;
  decltype(&cpu::total_variation<float>) on_host;
};
constexpr Stencil kFivePoint = {cuda::total_variation, cpu::total_variation<float>},
                  kNinePoint = {cuda::total_variation_nine_point, cpu::total_variation_nine_point<float>};

double run(const Stencil& stencil, DeviceBuffer<float>& dx, const DeviceBuffer<float>& x, double factor,
           const TotalVariationParams& params) {
  test::Workspace workspace(cuda::total_variation_workspace_bytes());
  DeviceBuffer<double> loss(1);
  stencil.on_device(loss.data(), dx.data(), x.data(), factor, workspace.data(), params, Stream{});
  CHECK((loss.intact() && dx.intact() && workspace.intact()));
  return loss.value();
}

void check_against_cpu(const Stencil& stencil, const TotalVariationParams& params) {
  CAPTURE(params.h);
  CAPTURE(params.w);
  const int64_t count = int64_t{params.h} * params.w * params.c;
  const auto x = random_vector<float>(count, 1);
  auto dx = random_vector<float>(count, 2);
  const DeviceBuffer<float> device_x(x);
  DeviceBuffer<float> device_dx(dx), again(dx);
  double expected = 0;
  stencil.on_host(&expected, dx.data(), x.data(), 0.7, params, Stream{});
  const double loss = run(stencil, device_dx, device_x, 0.7, params),
               second = run(stencil, again, device_x, 0.7, params);
  CHECK(std::abs(loss - expected) <= 1e-12 * expected);
  CHECK(test::relative_l2(device_dx.values(), dx) <= 2e-7);
  CHECK(test::worst_element(device_dx.values(), dx) <= 4e-7);
  CHECK(test::same_bytes(&loss, &second, 1));
  CHECK(test::same_bytes(device_dx.values(), again.values()));
}

// Several blocks a row; more columns than blocks; more rows than blocks; nothing.
constexpr TotalVariationParams kLargerShapes[] = {{5, 301, 3}, {3, 3001, 3}, {1100, 2, 3}, {0, 4, 3}};

}  // namespace

TEST_CASE("cuda total variation of a 2x2 image, and of a single pixel") {
  REQUIRE_DEVICE();
  const DeviceBuffer<float> x(std::vector<float>{1, 3, 2, 7}), pixel(std::vector<float>{1, 2, 3});
  DeviceBuffer<float> dx(std::vector<float>{100, 0, 0, 0}), none(std::vector<float>{0, 0, 0});
  CHECK(run(kFivePoint, dx, x, 0.5, {2, 2, 1}) == 4 + 25 + 1 + 16);
  CHECK(dx.values() == std::vector<float>{100 - 3, 2 - 4, 1 - 5, 5 + 4});
  CHECK(run(kFivePoint, none, pixel, 1, {1, 1, 3}) == 0);
  CHECK(none.values() == std::vector<float>{0, 0, 0});
}

TEST_CASE("cuda total variation agrees with the CPU on odd shapes, by both stencils") {
  REQUIRE_DEVICE();
  for (const TotalVariationParams& params : test::kTotalVariationShapes)
    check_against_cpu(kFivePoint, params);
  for (const TotalVariationParams& params : {TotalVariationParams{1, 1, 3}, TotalVariationParams{1, 7, 3},
                                             TotalVariationParams{7, 1, 3}, TotalVariationParams{2, 2, 3}})
    check_against_cpu(kNinePoint, params);
  for (const TotalVariationParams& params : kLargerShapes) {
    check_against_cpu(kFivePoint, params);
    check_against_cpu(kNinePoint, params);
  }
}

TEST_CASE("cuda total variation shows NaN") {
  REQUIRE_DEVICE();
  std::vector<float> x(60, 1);
  x[31] = std::numeric_limits<float>::quiet_NaN();
  DeviceBuffer<float> dx(std::vector<float>(60, 0));
  CHECK(std::isnan(run(kFivePoint, dx, DeviceBuffer<float>(x), 1, {4, 5, 3})));
}

}  // namespace swag
