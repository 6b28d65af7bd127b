#include <limits>

#include "kernels/content_loss.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/vector_cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::random_vector;

struct Loss {
  double loss, inner;
};

Loss content_loss(const DeviceBuffer<float>& s, const DeviceBuffer<float>& target) {
  test::Workspace workspace(cuda::content_loss_workspace_bytes());
  DeviceBuffer<double> loss(1), inner(1);
  const auto count = static_cast<int64_t>(s.size());
  cuda::content_loss_forward(loss.data(), inner.data(), s.data(), target.data(), 1, workspace.data(), count,
                             Stream{});
  CHECK((loss.intact() && inner.intact() && workspace.intact()));
  return {loss.value(), inner.value()};
}

}  // namespace

TEST_CASE("cuda content loss is the sum of squared differences") {
  REQUIRE_DEVICE();
  const DeviceBuffer<float> s(std::vector<float>{1, 2, 3}), target(std::vector<float>{0, 4, 3});
  const Loss loss = content_loss(s, target);
  CHECK(loss.loss == 5);
  CHECK(loss.inner == 1 - 4);
  DeviceBuffer<float> ds(3);
  cuda::content_loss_backward(ds.data(), s.data(), target.data(), 0.5, false, 3, Stream{});
  CHECK(ds.values() == std::vector<float>{0.5, -1, 0});
  cuda::content_loss_backward(ds.data(), s.data(), target.data(), 2, true, 3, Stream{});
  CHECK(ds.values() == std::vector<float>{2.5, -5, 0});
}

TEST_CASE("cuda content loss agrees with the CPU on all sizes and addresses") {
  REQUIRE_DEVICE();
  for (const int64_t count : test::kVectorCounts) {
    for (const int64_t shift : {0, 1}) {
      CAPTURE(count);
      CAPTURE(shift);
      const auto s = random_vector<float>(count, 1, 0.9, 1.1),
                 target = random_vector<float>(count, 2, 0.9, 1.1);
      const DeviceBuffer<float> device_s(s, shift), device_target(target, shift);
      double expected = 0, inner = 0;
      cpu::content_loss_forward(&expected, &inner, s.data(), target.data(), count, Stream{});
      const Loss loss = content_loss(device_s, device_target);
      CHECK(std::abs(loss.loss - expected) <= 1e-12 * expected);
      CHECK(std::abs(loss.inner - inner) <= 1e-12 * static_cast<double>(count));

      auto ds = random_vector<float>(count, 3);
      DeviceBuffer<float> device_ds(ds, shift);
      cuda::content_loss_backward(device_ds.data(), device_s.data(), device_target.data(), 0.3, true, count,
                                  Stream{});
      cpu::content_loss_backward(ds.data(), s.data(), target.data(), 0.3, true, count, Stream{});
      CHECK(test::worst_element(device_ds.values(), ds) <= 2e-7);
      cuda::content_loss_backward(device_ds.data(), device_s.data(), device_target.data(), 0.3, false, count,
                                  Stream{});
      cpu::content_loss_backward(ds.data(), s.data(), target.data(), 0.3, false, count, Stream{});
      CHECK(test::worst_element(device_ds.values(), ds) <= 2e-7);
      CHECK(device_ds.intact());
    }
  }
}

TEST_CASE("cuda content loss: more than a grid at once, twice the same bytes, and NaN shows") {
  REQUIRE_DEVICE();
  const int64_t count = 1024 * 2048 + 5;  // the blocks go round
  auto s = random_vector<float>(count, 1);
  const DeviceBuffer<float> target(random_vector<float>(count, 2));
  DeviceBuffer<float> device_s(s);
  const Loss first = content_loss(device_s, target), second = content_loss(device_s, target);
  CHECK(test::same_bytes(&first, &second, 1));
  double expected = 0, inner = 0;
  cpu::content_loss_forward(&expected, &inner, s.data(), target.values().data(), count, Stream{});
  CHECK(std::abs(first.loss - expected) <= 1e-12 * expected);
  s[count - 1] = std::numeric_limits<float>::quiet_NaN();
  device_s.upload(s);
  CHECK(std::isnan(content_loss(device_s, target).loss));
}

}  // namespace swag
