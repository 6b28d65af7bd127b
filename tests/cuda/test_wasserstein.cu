#include <limits>

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

WassersteinResult on_device(const std::vector<float>& s, const std::vector<double>& target,
                            const GramParams& params, const BlasHandle& handle) {
  const int d = params.d;
  const DeviceBuffer<float> device_s(s);
  const DeviceBuffer<double> device_target(target);
  Workspace workspace(cuda::wasserstein_workspace_bytes(d)), moments(cuda::moments_workspace_bytes(params));
  DeviceBuffer<double> gram(int64_t{d} * d), mean(d), offset(d), loss(1), inner(1);
  DeviceBuffer<float> difference(int64_t{d} * d);
  cuda::moments_forward(gram.data(), mean.data(), device_s.data(), moments.data(), params, handle.blas(),
                        Stream{});
  CHECK(relative_l2(gram.values(), test::naive_gram(s, params)) <= 1e-6);
  CHECK(relative_l2(mean.values(), test::naive_means(s, params)) <= 1e-12);
  WassersteinProblem problem;
  problem.loss = loss.data();
  problem.inner = inner.data();
  problem.difference = difference.data();
  problem.offset = offset.data();
  problem.gram = gram.data();
  problem.mean = mean.data();
  problem.target = device_target.data();
  problem.workspace = workspace.data();
  problem.d = d;
  cuda::wasserstein_forward(&problem, 1, handle.blas(), Stream{});
  CHECK((gram.intact() && mean.intact() && offset.intact() && loss.intact() && inner.intact()));
  CHECK((difference.intact() && workspace.intact() && moments.intact()));
  return {loss.value(), inner.value(), test::converted<double>(difference.values()), offset.values()};
}

/// The CPU's, of the same values in float64.
WassersteinResult on_host(const std::vector<float>& s, const std::vector<double>& target,
                          const GramParams& params) {
  const int d = params.d;
  const std::vector<double> gram = test::naive_gram(s, params), mean = test::naive_means(s, params);
  WassersteinResult result;
  result.difference.resize(gram.size());
  result.offset.resize(mean.size());
  std::vector<double> workspace(static_cast<size_t>((cpu::wasserstein_workspace_bytes(d) + 7) / 8));
  WassersteinProblem problem;
  problem.loss = &result.loss;
  problem.inner = &result.inner;
  problem.difference = result.difference.data();
  problem.offset = result.offset.data();
  problem.gram = gram.data();
  problem.mean = mean.data();
  problem.target = target.data();
  problem.workspace = workspace.data();
  problem.d = d;
  cpu::wasserstein_forward<double>(&problem, 1, blas(), Stream{});
  return result;
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

TEST_CASE("cuda Wasserstein distance of what is not finite is not") {
  REQUIRE_DEVICE();
  const BlasHandle handle;
  const GramParams params{50, 6};
  const std::vector<double> target = test::style_target(features<float>(50, 6, 2), params);
  std::vector<float> s = features<float>(50, 6, 1);
  s[17] = std::numeric_limits<float>::quiet_NaN();
  const DeviceBuffer<float> device_s(s);
  DeviceBuffer<double> gram(36), mean(6), offset(6), loss(1), inner(1);
  const DeviceBuffer<double> device_target(target);
  DeviceBuffer<float> difference(36);
  Workspace workspace(cuda::wasserstein_workspace_bytes(6)), moments(cuda::moments_workspace_bytes(params));
  cuda::moments_forward(gram.data(), mean.data(), device_s.data(), moments.data(), params, handle.blas(),
                        Stream{});
  WassersteinProblem problem = {loss.data(),          inner.data(),     difference.data(),
                                offset.data(),        gram.data(),      mean.data(),
                                device_target.data(), workspace.data(), 6};
  cuda::wasserstein_forward(&problem, 1, handle.blas(), Stream{});
  CHECK(std::isnan(loss.value()));
}

}  // namespace swag
