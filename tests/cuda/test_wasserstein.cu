#include <limits>
#include <memory>

#include "kernels/wasserstein.h"
#include "src/support/blas.h"
#include "tests/cuda/blas_handle.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/wasserstein_cases.h"

namespace swag {
namespace {

using test::BlasHandle;
using test::DeviceBuffer;
using test::features;
using test::relative_l2;
using test::WassersteinResult;
using test::Workspace;

using Buffers = test::WassersteinBuffers<DeviceBuffer, float>;

void run(Buffers& buffers, const std::vector<float>& s, const std::vector<double>& target,
         const GramParams& params, const BlasHandle& handle) {
  const DeviceBuffer<float> device_s(s);
  const DeviceBuffer<double> device_target(target);
  Workspace moments(cuda::moments_workspace_bytes(params));
  cuda::moments_forward(buffers.gram.data(), buffers.mean.data(), device_s.data(), moments.data(), params,
                        handle.blas(), Stream{});
  const WassersteinProblem problem = buffers.problem(device_target.data());
  const cuda::Lane lane = {handle.blas(), Stream{}};
  cuda::wasserstein_forward(&problem, 1, &lane, 1);
  CHECK((buffers.intact() && moments.intact()));
}

WassersteinResult on_device(const std::vector<float>& s, const std::vector<double>& target,
                            const GramParams& params, const BlasHandle& handle) {
  Buffers buffers(params.d, cuda::wasserstein_workspace_bytes(params.d));
  run(buffers, s, target, params, handle);
  CHECK(relative_l2(buffers.gram.values(), test::naive_gram(s, params)) <= 1e-6);
  CHECK(relative_l2(buffers.mean.values(), test::naive_means(s, params)) <= 1e-12);
  return buffers.result();
}

/// The CPU's, of the same values in float64.
WassersteinResult on_host(const std::vector<float>& s, const std::vector<double>& target,
                          const GramParams& params) {
  test::WassersteinBuffers<test::GuardedBuffer, double> buffers(params.d,
                                                                cpu::wasserstein_workspace_bytes(params.d));
  const std::vector<double> gram = test::naive_gram(s, params), mean = test::naive_means(s, params);
  std::copy(gram.begin(), gram.end(), buffers.gram.data());
  std::copy(mean.begin(), mean.end(), buffers.mean.data());
  const WassersteinProblem problem = buffers.problem(target.data());
  cpu::wasserstein_forward<double>(&problem, 1, blas(), Stream{});
  return buffers.result();
}

/// dW / dS * m / 2
std::vector<double> gradient(const std::vector<float>& s, const WassersteinResult& result,
                             const GramParams& params) {
  std::vector<double> ds(s.size());
  for (int64_t i = 0; i < params.m; ++i) {
    for (int64_t k = 0; k < params.d; ++k) {
      double sum = result.offset[k];
      for (int64_t j = 0; j < params.d; ++j) sum += result.difference[j * params.d + k] * s[i * params.d + j];
      ds[i * params.d + k] = sum;
    }
  }
  return ds;
}

}  // namespace

TEST_CASE("cuda Wasserstein distance is the CPU's, of few positions too") {
  REQUIRE_DEVICE();
  const BlasHandle handle;
  for (const test::WassersteinCase& shape : test::kWassersteinCases) {
    CAPTURE(shape.d);
    const GramParams params{shape.m, shape.d};
    const std::vector<float> s = features<float>(shape.m, shape.d, 1);
    const std::vector<double> target =
        test::style_target(features<float>(shape.m_style, shape.d, 2), {shape.m_style, shape.d});
    const WassersteinResult device = on_device(s, target, params, handle), host = on_host(s, target, params);
    CHECK(std::abs(device.loss - host.loss) <= 1e-6 * host.loss);
    CHECK(std::abs(device.inner - host.inner) <= 1e-6 * (std::abs(host.inner) + host.loss));
    CHECK(relative_l2(gradient(s, device, params), gradient(s, host, params)) <= 5e-4);
  }
}

TEST_CASE("cuda Wasserstein distances of many taps are those of each, whatever the lanes") {
  REQUIRE_DEVICE();
  const BlasHandle handle, beside;
  const cuda::Lane lanes[] = {{handle.blas(), Stream{}}, {beside.blas(), Stream{}}};
  std::vector<int> sizes = {12, 5, 12, 7, 5};
  sizes.resize(25, 12);  // more of one size than are solved together
  std::vector<std::unique_ptr<Buffers>> all;
  std::vector<std::unique_ptr<DeviceBuffer<double>>> targets;
  std::vector<WassersteinProblem> problems;
  std::vector<WassersteinResult> expected;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const GramParams params{60, sizes[i]};
    const std::vector<float> s = features<float>(60, sizes[i], 10 + i);
    const std::vector<double> target = test::style_target(features<float>(60, sizes[i], 50 + i), params);
    targets.push_back(std::make_unique<DeviceBuffer<double>>(target));
    all.push_back(std::make_unique<Buffers>(sizes[i], cuda::wasserstein_workspace_bytes(sizes[i])));
    run(*all.back(), s, target, params, handle);
    expected.push_back(all.back()->result());
    problems.push_back(all.back()->problem(targets.back()->data()));
  }
  for (const int count : {1, 2}) {
    for (const auto& buffers : all) {
      buffers->loss.upload({0});
      buffers->offset.upload(std::vector<double>(buffers->offset.size()));
      buffers->difference.upload(std::vector<float>(buffers->difference.size()));
    }
    cuda::wasserstein_forward(problems.data(), static_cast<int>(problems.size()), lanes, count);
    for (size_t i = 0; i < all.size(); ++i) {
      CHECK(all[i]->intact());
      const WassersteinResult result = all[i]->result();
      CHECK(std::abs(result.loss - expected[i].loss) <= 1e-12 * expected[i].loss);
      CHECK(relative_l2(result.difference, expected[i].difference) <= 1e-6);
      CHECK(relative_l2(result.offset, expected[i].offset) <= 1e-9);
    }
  }
}

TEST_CASE("cuda Wasserstein distance of what is not finite is not") {
  REQUIRE_DEVICE();
  const BlasHandle handle;
  const GramParams params{50, 6};
  const std::vector<double> target = test::style_target(features<float>(50, 6, 2), params);
  std::vector<float> s = features<float>(50, 6, 1);
  s[17] = std::numeric_limits<float>::quiet_NaN();
  Buffers buffers(6, cuda::wasserstein_workspace_bytes(6));
  run(buffers, s, target, params, handle);
  CHECK(std::isnan(buffers.loss.value()));
}

}  // namespace swag
