#include <limits>

#include "kernels/gram.h"
#include "kernels/softmax.h"
#include "tests/cuda/blas_handle.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/gram_cases.h"

namespace swag {
namespace {

using test::BlasHandle;
using test::DeviceBuffer;
using test::naive_gram;
using test::random_vector;
using test::relative_l2;
using test::Workspace;
using test::worst_element;

std::vector<double> gram(const DeviceBuffer<float>& s, const GramParams& params, const BlasHandle& handle) {
  Workspace workspace(cuda::gram_workspace_bytes(params));
  DeviceBuffer<double> a(int64_t{params.d} * params.d);
  cuda::gram_forward(a.data(), s.data(), workspace.data(), params, handle.blas(), Stream{});
  CHECK((a.intact() && workspace.intact()));
  return a.values();
}

struct Difference {
  double loss, inner;
};

Difference gram_difference(DeviceBuffer<float>& difference, const std::vector<double>& a,
                           const std::vector<double>& target, int d) {
  const DeviceBuffer<double> device_a(a), device_target(target);
  DeviceBuffer<double> loss(1), inner(1);
  Workspace workspace(cuda::gram_difference_workspace_bytes());
  cuda::gram_difference(loss.data(), inner.data(), difference.data(), device_a.data(), device_target.data(),
                        workspace.data(), d, Stream{});
  CHECK((difference.intact() && loss.intact() && inner.intact() && workspace.intact()));
  return {loss.value(), inner.value()};
}

}  // namespace

TEST_CASE("cuda Gram matrix of two channels at three positions") {
  REQUIRE_DEVICE();
  const BlasHandle handle;
  const DeviceBuffer<float> s(std::vector<float>{1, 4, 2, 5, 3, 6});
  CHECK(worst_element(gram(s, {3, 2}, handle), std::vector<double>{14.0 / 3, 32.0 / 3, 32.0 / 3, 77.0 / 3}) <=
        1e-7);
}

TEST_CASE("cuda Gram matrix agrees with its definition, is symmetric, and is the same twice") {
  REQUIRE_DEVICE();
  const BlasHandle handle;
  for (const GramParams& params : test::kGramShapes) {
    CAPTURE(params.m);
    CAPTURE(params.d);
    const auto s = random_vector<float>(params.m * params.d, 1, -0.5, 2);
    const DeviceBuffer<float> device_s(s);
    const auto a = gram(device_s, params, handle), expected = naive_gram(s, params);
    CHECK(relative_l2(a, expected) <= 3e-7);
    CHECK(worst_element(a, expected) <= 1e-6);
    CHECK(test::same_bytes(a, gram(device_s, params, handle)));
    int asymmetric = 0;
    for (int row = 0; row < params.d; ++row) {
      for (int col = 0; col < row; ++col) asymmetric += a[row * params.d + col] != a[col * params.d + row];
    }
    CHECK(asymmetric == 0);
  }
}

TEST_CASE("cuda Gram matrix of near-uniform floats keeps nine digits") {
  REQUIRE_DEVICE();
  const BlasHandle handle;
  const GramParams params{20000, 16};
  auto s = random_vector<float>(params.m * params.d, 1);
  for (float& value : s) value = 0.97f + 0.1f * std::max(0.f, value);  // a softmaxed ReLU: half of it equal
  CHECK(relative_l2(gram(DeviceBuffer<float>(s), params, handle), naive_gram(s, params)) <= 1e-9);
}

TEST_CASE("cuda Gram matrix of more positions than a batch of chunks holds") {
  REQUIRE_DEVICE();
  const BlasHandle handle;
  const GramParams params{932 * 512 + 4600, 17};  // a second batch of eight chunks and a piece
  const auto s = random_vector<float>(params.m * params.d, 1, -0.5, 2);
  const auto a = gram(DeviceBuffer<float>(s), params, handle), expected = naive_gram(s, params);
  CHECK(relative_l2(a, expected) <= 3e-7);
  CHECK(worst_element(a, expected) <= 1e-6);
}

TEST_CASE("cuda Gram matrix shows NaN") {
  REQUIRE_DEVICE();
  const BlasHandle handle;
  std::vector<float> s(700 * 3, 1);
  s[1000] = std::numeric_limits<float>::quiet_NaN();  // channel 1
  const auto a = gram(DeviceBuffer<float>(s), {700, 3}, handle);
  CHECK(std::isnan(a[1 * 3 + 1]));
  CHECK(std::isnan(a[1 * 3 + 2]));
  CHECK(a[0] == 1);
}

TEST_CASE("cuda gram_difference is a - target, its squared sum and its product with a") {
  REQUIRE_DEVICE();
  DeviceBuffer<float> difference(4);
  const Difference small = gram_difference(difference, {1, 2, 2, 5}, {0.5, 2, 2, 7}, 2);
  CHECK(small.loss == 4.25);
  CHECK(small.inner == 0.5 - 10);
  CHECK(difference.values() == std::vector<float>{0.5, 0, 0, -2});
  const auto a = random_vector<double>(257 * 257, 1), target = random_vector<double>(257 * 257, 2);
  DeviceBuffer<float> large(257 * 257);
  std::vector<float> expected(a.size());
  double loss = 0, inner = 0;
  cpu::gram_difference(&loss, &inner, expected.data(), a.data(), target.data(), 257, Stream{});
  const Difference found = gram_difference(large, a, target, 257);
  CHECK(std::abs(found.loss - loss) <= 1e-12 * loss);
  CHECK(std::abs(found.inner - inner) <= 1e-12 * loss);
  CHECK(test::same_bytes(large.values(), expected));
}

TEST_CASE("cuda gram_backward multiplies by the difference, and adds where asked") {
  REQUIRE_DEVICE();
  const BlasHandle handle;
  for (const GramParams& params : test::kGramBackwardShapes) {
    const int d = params.d;
    const auto s = random_vector<float>(params.m * d, 1);
    auto difference = random_vector<float>(int64_t{d} * d, 2);
    for (int row = 0; row < d; ++row) {
      for (int col = 0; col < row; ++col) difference[row * d + col] = difference[col * d + row];
    }
    std::vector<double> expected(s.size(), 0.0);
    for (int64_t i = 0; i < params.m; ++i) {
      for (int k = 0; k < d; ++k) {
        const double value = 0.5 * s[i * d + k];
        for (int j = 0; j < d; ++j) expected[i * d + j] += value * difference[k * d + j];
      }
    }
    const DeviceBuffer<float> device_s(s), device_difference(difference);
    DeviceBuffer<float> ds(params.m * d);
    cuda::gram_backward(ds.data(), device_s.data(), device_difference.data(), nullptr, 0.5, false, params,
                        handle.blas(), Stream{});
    CHECK(relative_l2(ds.values(), expected) <= 2e-6);
    CHECK(worst_element(ds.values(), expected) <= 2e-6);
    cuda::gram_backward(ds.data(), device_s.data(), device_difference.data(), nullptr, -0.25, true, params,
                        handle.blas(), Stream{});
    for (double& value : expected) value *= 0.5;
    CHECK(relative_l2(ds.values(), expected) <= 2e-6);
    const auto offset = random_vector<double>(d, 3);
    const DeviceBuffer<double> device_offset(offset);
    cuda::gram_backward(ds.data(), device_s.data(), device_difference.data(), device_offset.data(), 0.25,
                        false, params, handle.blas(), Stream{});
    for (int64_t i = 0; i < params.m * d; ++i) expected[i] += 0.25 * offset[i % d];
    CHECK(relative_l2(ds.values(), expected) <= 2e-6);
    cuda::gram_backward(ds.data(), device_s.data(), device_difference.data(), device_offset.data(), 0.25,
                        true, params, handle.blas(), Stream{});
    for (double& value : expected) value *= 2;
    CHECK(relative_l2(ds.values(), expected) <= 2e-6);
    CHECK(ds.intact());
  }
}

TEST_CASE("cuda gram_difference knows <ds, S> of the style loss") {
  REQUIRE_DEVICE();
  const BlasHandle handle;
  const GramParams params{700, 20};
  const auto s = random_vector<float>(params.m * params.d, 1, 0, 2);
  const auto target = naive_gram(random_vector<float>(params.m * params.d, 2, 0, 2), params);
  const DeviceBuffer<float> device_s(s);
  DeviceBuffer<float> difference(params.d * params.d), ds(params.m * params.d);
  const double inner = gram_difference(difference, gram(device_s, params, handle), target, params.d).inner;
  const double factor = 4.0 / static_cast<double>(params.m);
  cuda::gram_backward(ds.data(), device_s.data(), difference.data(), nullptr, factor, false, params,
                      handle.blas(), Stream{});
  const std::vector<float> gradient = ds.values();
  double expected = 0;
  for (size_t i = 0; i < s.size(); ++i) expected += static_cast<double>(gradient[i]) * s[i];
  CHECK(std::abs(factor * static_cast<double>(params.m) * inner - expected) <= 1e-6 * std::abs(expected));
}

}  // namespace swag
