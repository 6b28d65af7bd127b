#include <algorithm>
#include <limits>
#include <stdexcept>

#include "kernels/lbfgs/lbfgs.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/lbfgs/cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::LbfgsCase;
using test::LbfgsHost;
using test::Workspace;

/// A state of the host's, copied to the device.
struct DeviceState {
  explicit DeviceState(const LbfgsHost<float>& host)
      : ring(host.ring),
        stride(host.stride),
        x(host.x),
        start(host.start),
        direction(host.direction),
        gradient(host.gradient),
        trial_gradient(host.trial_gradient),
        history(host.history),
        scalars(host.scalars),
        workspace(cuda::lbfgs_workspace_bytes(host.ring.capacity(), host.count)),
        report(1) {}

  LbfgsState<float> state() {
    LbfgsState<float> state;
    state.x = x.data();
    state.start = start.size() == 0 ? nullptr : start.data();
    state.direction = direction.data();
    state.gradient = gradient.data();
    state.history = history.data();
    state.stride = stride;
    state.scalars = scalars.data();
    state.count = static_cast<int64_t>(x.size());
    return state;
  }
  GradientReport measure(const LbfgsMeasureParams& params) {
    cuda::lbfgs_measure(report.data(), trial_gradient.data(), state(), params, workspace.data(), Stream{});
    return report.value();
  }
  void step(const LbfgsStepParams& params) {
    cuda::lbfgs_step(state(), trial_gradient.data(), params, Stream{});
  }
  bool intact() const {
    return x.intact() && start.intact() && direction.intact() && gradient.intact() && history.intact() &&
           scalars.intact() && workspace.intact() && report.intact();
  }

  HistoryRing ring;
  int64_t stride;
  DeviceBuffer<float> x, start, direction, gradient, trial_gradient, history;
  DeviceBuffer<double> scalars;
  Workspace workspace;
  DeviceBuffer<GradientReport> report;
};

GradientReport measure_on_host(LbfgsHost<float>& host, const LbfgsMeasureParams& params) {
  std::vector<char> workspace(
      static_cast<size_t>(cpu::lbfgs_workspace_bytes<float>(host.ring.capacity(), host.count)));
  GradientReport report;
  cpu::lbfgs_measure(&report, host.trial_gradient.data(), host.state(), params, workspace.data(), Stream{});
  return report;
}

/// The worst difference of two reports, against the magnitude of what was summed.
double difference(const GradientReport& a, const GradientReport& b, int64_t count) {
  const double sums[] = {a.norms.sum_abs - b.norms.sum_abs, a.square - b.square, a.slope - b.slope,
                         a.curvature - b.curvature};
  double worst = std::abs(a.next_slope - b.next_slope) / std::abs(b.next_slope);
  for (const double sum : sums) {
    const double error = std::abs(sum) / static_cast<double>(count);
    worst = error <= worst ? worst : error;
  }
  return worst;
}

/// The worst difference of doubles that both have; what one of them left NaN is NaN in the other.
double difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    const double error = std::abs(a[i] - b[i]);
    worst = error <= worst ? worst : error;
  }
  return worst;
}

}  // namespace

TEST_CASE("cuda lbfgs_measure and lbfgs_step do what the CPU's do") {
  REQUIRE_DEVICE();
  for (const LbfgsCase& c : test::kLbfgsCases) {
    CAPTURE(c.count);
    CAPTURE(c.capacity);
    CAPTURE(c.pushes);
    LbfgsHost<float> host(c);
    DeviceState device(host);
    const GradientReport expected = measure_on_host(host, host.measure_params());
    const GradientReport report = device.measure(host.measure_params());
    CHECK(difference(report, expected, c.count) <= 1e-13);
    CHECK(report.norms.max_abs == expected.norms.max_abs);
    CHECK(report.longest == expected.longest);
    // The same again, with the same bytes.
    const std::vector<double> scalars = device.scalars.values();
    const GradientReport again = device.measure(host.measure_params());
    CHECK(test::same_bytes(&report, &again, 1));
    CHECK(test::same_bytes(device.scalars.values(), scalars));

    const LbfgsStepParams params = host.step_params(expected);
    cpu::lbfgs_step(host.state(), host.trial_gradient.data(), params, Stream{});
    device.step(params);
    CHECK(test::worst_element(device.direction.values(), host.direction) <= 1e-6);
    CHECK(test::worst_element(device.x.values(), host.x) <= 1e-6);
    CHECK(device.gradient.values() == host.gradient);
    CHECK(test::same_bytes(device.history.values(), host.history));
    CHECK(test::worst_element(device.start.values(), host.start) <= 1e-7);
    CHECK(device.intact());
    // The matrix, where it holds dots of a pair.
    std::vector<double> matrix, host_matrix;
    if (params.keeps_pair) host.ring.push();
    const std::vector<double> device_scalars = device.scalars.values();
    for (const int a : host.used_positions()) {
      for (const int b : host.used_positions()) {
        if (a < c.capacity && b < c.capacity) continue;
        matrix.push_back(device_scalars[host.dot_index(a, b)]);
        host_matrix.push_back(host.scalars[host.dot_index(a, b)]);
      }
    }
    CHECK(difference(matrix, host_matrix) <= 1e-14 * static_cast<double>(c.count));
  }
}

TEST_CASE("cuda L-BFGS takes a first step, moves, and takes steepest descent again") {
  REQUIRE_DEVICE();
  for (const int64_t count : {1, 3, 1021, 5000}) {
    LbfgsHost<float> host(LbfgsCase{count, 3, 0});
    std::fill(host.direction.begin(), host.direction.end(), std::numeric_limits<float>::quiet_NaN());
    std::fill(host.gradient.begin(), host.gradient.end(), std::numeric_limits<float>::quiet_NaN());
    DeviceState device(host);
    LbfgsMeasureParams first = host.measure_params();
    first.is_first = true;
    const GradientReport expected = measure_on_host(host, first), report = device.measure(first);
    CHECK(difference(report, expected, count) <= 1e-13);
    CHECK(report.curvature == 0);
    CHECK(report.slope == 0);
    LbfgsStepParams params;
    params.ring = host.ring;
    params.trial = 1;
    params.step = 0.5;
    cpu::lbfgs_step(host.state(), host.trial_gradient.data(), params, Stream{});
    device.step(params);
    CHECK(device.direction.values() == host.direction);
    CHECK(test::worst_element(device.x.values(), host.x) <= 1e-7);
    CHECK(device.start.values() == host.start);

    cpu::lbfgs_move(host.state(), 0.125, Stream{});
    cuda::lbfgs_move(device.state(), 0.125, Stream{});
    CHECK(test::worst_element(device.x.values(), host.x) <= 1e-7);

    params.trial = -1;
    const LbfgsState<float> state = device.state();
    cuda::lbfgs_step(state, state.gradient, params, Stream{});  // the gradient onto itself
    cpu::lbfgs_step(host.state(), host.gradient.data(), params, Stream{});
    CHECK(device.direction.values() == host.direction);
    CHECK(device.gradient.values() == host.gradient);
    CHECK(test::worst_element(device.x.values(), host.x) <= 1e-7);
    CHECK(device.intact());
  }
}

TEST_CASE("cuda lbfgs_measure reports NaN for a gradient that is not finite") {
  REQUIRE_DEVICE();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    LbfgsHost<float> host(LbfgsCase{20000, 2, 3});
    host.trial_gradient[17001] = bad;
    const GradientReport report = DeviceState(host).measure(host.measure_params());
    CHECK(std::isnan(report.norms.sum_abs));
    CHECK(std::isnan(report.norms.max_abs));
    CHECK_FALSE(std::isfinite(report.slope));
    CHECK_FALSE(std::isfinite(report.next_slope));
  }
}

TEST_CASE("cuda lbfgs_measure takes the longest history there may be, and refuses longer ones") {
  REQUIRE_DEVICE();
  for (const int capacity : {1000, cuda::kMostLbfgsHistory, cuda::kMostLbfgsHistory + 1}) {
    LbfgsHost<float> host(LbfgsCase{4, capacity, 0});
    DeviceState device(host);
    if (capacity > cuda::kMostLbfgsHistory) {
      CHECK_THROWS_AS(device.measure(host.measure_params()), std::length_error);
    } else {
      CHECK(device.measure(host.measure_params()).next_slope < 0);
    }
  }
}

#if !defined(__CUDACC__) && !defined(EMULATOR_UNWATCHED)
TEST_CASE("L-BFGS's kernels move hardly more than the fewest sectors") {
  for (const int capacity : {10, 100}) {
    const LbfgsHost<float> host(LbfgsCase{8 * 1024 + 4, capacity, capacity + 3});
    DeviceState device(host);
    emulator::Options counting;
    counting.count = true;
    emulator::configure(counting);
    emulator::take_counts();
    const GradientReport report = device.measure(host.measure_params());
    device.step(host.step_params(report));
    cuda::lbfgs_move(device.state(), 0.5, Stream{});
    const std::vector<emulator::KernelCount> counts = emulator::take_counts();
    emulator::configure(emulator::Options());
    CHECK(counts.size() == 4);
    for (const emulator::KernelCount& count : counts) {
      CAPTURE(count.kernel);
      CHECK(count.launches == 1);
      const double ratio = static_cast<double>(count.sectors) / static_cast<double>(count.fewest_sectors);
      const double waves = count.fewest_wavefronts == 0 ? 1
                                                        : static_cast<double>(count.wavefronts) /
                                                              static_cast<double>(count.fewest_wavefronts);
      MESSAGE("history " << capacity << ", " << count.kernel << ": " << count.sectors << " sectors, " << ratio
                         << " of the fewest; wavefronts " << waves << " of the fewest");
      // The recursion goes through columns of a small matrix; the others go through vectors.
      if (count.kernel.find("recursion") == std::string::npos) CHECK(ratio <= 1.1);
    }
  }
}
#endif

}  // namespace swag
