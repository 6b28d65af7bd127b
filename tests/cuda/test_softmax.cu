#include <limits>

#include "kernels/softmax.h"
#include "tests/cuda/device_buffer.h"
#include "tests/kernels/softmax_cases.h"

namespace swag {
namespace {

using test::DeviceBuffer;
using test::random_vector;
using test::relative_l2;
using test::same_bytes;
using test::Workspace;
using test::worst_element;

/// The shared shapes, and more: channels four at a time, several tiles a block, an empty map.
std::vector<SoftmaxParams> shapes() {
  std::vector<SoftmaxParams> all(std::begin(test::kSoftmaxShapes), std::end(test::kSoftmaxShapes));
  for (const SoftmaxParams& params : {SoftmaxParams{50, 64, 1}, SoftmaxParams{9, 260, 0.7}}) {
    all.push_back(params);
  }
  return all;
}

SoftmaxStatistics statistics_of(const DeviceBuffer<float>& f, const SoftmaxParams& params) {
  Workspace workspace(cuda::softmax_workspace_bytes());
  DeviceBuffer<SoftmaxStatistics> statistics(1);
  cuda::softmax_statistics(statistics.data(), f.data(), workspace.data(), params, Stream{});
  CHECK((statistics.intact() && workspace.intact()));
  return statistics.value();
}

std::vector<float> softmax(const DeviceBuffer<float>& f, const SoftmaxParams& params) {
  DeviceBuffer<SoftmaxStatistics> statistics(std::vector<SoftmaxStatistics>{statistics_of(f, params)});
  DeviceBuffer<float> s(static_cast<int64_t>(f.size()));
  cuda::softmax_forward(s.data(), f.data(), statistics.data(), params, Stream{});
  CHECK(s.intact());
  return s.values();
}

double entropy_of(const DeviceBuffer<float>& f, const SoftmaxParams& params, bool by_channel) {
  Workspace workspace(cuda::softmax_workspace_bytes());
  DeviceBuffer<double> entropy(1);
  const auto run = by_channel ? cuda::softmax_channel_entropy<float> : cuda::softmax_entropy<float>;
  run(entropy.data(), f.data(), workspace.data(), params, Stream{});
  CHECK((entropy.intact() && workspace.intact()));
  return entropy.value();
}

/// softmax(f / temperature) over `count` entries in float64, times `factor`.
void naive_softmax(double* p, const float* f, int64_t count, double temperature, double factor) {
  double sum = 0;
  const double max = *std::max_element(f, f + count);
  for (int64_t i = 0; i < count; ++i) sum += std::exp((f[i] - max) / temperature);
  for (int64_t i = 0; i < count; ++i) p[i] = factor * std::exp((f[i] - max) / temperature) / sum;
}

}  // namespace

TEST_CASE("cuda softmax of a map of four entries, times four") {
  REQUIRE_DEVICE();
  const float peak = std::log(5.f);
  const DeviceBuffer<float> f(std::vector<float>{0, std::log(3.f), 0, peak});  // exponentials 1, 3, 1, 5
  const SoftmaxStatistics statistics = statistics_of(f, {2, 2, 1});
  CHECK(statistics.max == static_cast<double>(peak));
  CHECK(std::abs(statistics.sum - 2) <= 1e-6);
  CHECK(worst_element(softmax(f, {2, 2, 1}), std::vector<double>{0.4, 1.2, 0.4, 2}) <= 1e-6);
}

TEST_CASE("cuda softmax over the map agrees with its definition and with the CPU") {
  REQUIRE_DEVICE();
  for (const SoftmaxParams& params : shapes()) {
    const int64_t count = params.m * params.d;
    for (const int64_t shift : {0, 1}) {
      CAPTURE(count);
      CAPTURE(shift);
      const auto f = random_vector<float>(count, 1, -3, 9);
      const DeviceBuffer<float> device_f(f, shift);
      SoftmaxStatistics expected_statistics;
      cpu::softmax_statistics(&expected_statistics, f.data(), params, Stream{});
      const SoftmaxStatistics statistics = statistics_of(device_f, params);
      CHECK(statistics.max == expected_statistics.max);
      CHECK(std::abs(statistics.sum - expected_statistics.sum) <= 2e-7 * expected_statistics.sum);
      std::vector<double> expected(f.size());
      naive_softmax(expected.data(), f.data(), count, params.temperature, static_cast<double>(count));
      const auto s = softmax(device_f, params);
      CHECK(relative_l2(s, expected) <= 1e-6);
      CHECK(worst_element(s, expected) <= 1e-6);
    }
  }
}

TEST_CASE("cuda softmaxed values have no common rounding") {
  REQUIRE_DEVICE();
  // A factor rounded to float would be off by up to 6e-8 for all of them; the rest averages out.
  const auto f = random_vector<float>(70000, 1, 0, 4);
  const DeviceBuffer<float> device_f(f);
  for (const double temperature : {0.9, 1.0, 1.7, 3.0}) {
    double sum = 0;
    for (const float value : softmax(device_f, {7000, 10, temperature})) sum += value;
    CHECK(std::abs(sum / 70000 - 1) <= 2e-9);
  }
}

TEST_CASE("cuda softmax statistics run on when the maximum grows from tile to tile") {
  REQUIRE_DEVICE();
  // More tiles than blocks; the first block's later tiles hold larger values than its earlier ones.
  const SoftmaxParams params{1024 * 64 + 100, 65, 2};
  const int64_t count = params.m * params.d;
  auto f = random_vector<float>(count, 1, 0, 2);
  for (int64_t i = count * 63 / 64; i < count; ++i) f[i] += 3;
  const DeviceBuffer<float> device_f(f);
  SoftmaxStatistics expected;
  cpu::softmax_statistics(&expected, f.data(), params, Stream{});
  const SoftmaxStatistics first = statistics_of(device_f, params), second = statistics_of(device_f, params);
  CHECK(first.max == expected.max);
#ifdef __CUDACC__
  constexpr double kBias = 2e-7;  // of a GPU's expf, the mean of which its documents do not give
#else
  constexpr double kBias = 2e-8;
#endif
  CHECK(std::abs(first.sum - expected.sum) <= kBias * expected.sum);
  CHECK(test::same_bytes(&first, &second, 1));
}

TEST_CASE("cuda softmax statistics leave out -infinity and know the empty map") {
  REQUIRE_DEVICE();
  const float none = -std::numeric_limits<float>::infinity();
  std::vector<float> f(9000, none);
  f[8500] = 2;
  const SoftmaxStatistics statistics = statistics_of(DeviceBuffer<float>(f), {9000, 1, 1});
  CHECK(statistics.max == 2);
  CHECK(statistics.sum == 1);
  const SoftmaxStatistics empty = statistics_of(DeviceBuffer<float>(0), {0, 5, 1});
  CHECK(empty.max == static_cast<double>(none));
  CHECK(empty.sum == 0);
}

TEST_CASE("cuda softmax over the channels agrees with its definition, and backward with the CPU") {
  REQUIRE_DEVICE();
  for (const SoftmaxParams& params : shapes()) {
    const int64_t count = params.m * params.d;
    for (const int64_t shift : {0, 1}) {
      CAPTURE(params.m);
      CAPTURE(params.d);
      const auto f = random_vector<float>(count, 1, -3, 9), ds = random_vector<float>(count, 2);
      std::vector<double> expected(f.size());
      for (int64_t i = 0; i < params.m; ++i) {
        const int64_t at = i * params.d;
        naive_softmax(expected.data() + at, f.data() + at, params.d, params.temperature, 1);
      }
      const DeviceBuffer<float> device_f(f, shift), device_ds(ds, shift);
      DeviceBuffer<float> s(count, shift), df(count, shift);
      cuda::softmax_channel_forward(s.data(), device_f.data(), params, Stream{});
      CHECK(relative_l2(s.values(), expected) <= 2e-6);
      CHECK(worst_element(s.values(), expected) <= 3e-6);
      cuda::softmax_channel_backward(df.data(), device_ds.data(), s.data(), params, Stream{});
      std::vector<float> expected_df(f.size());
      cpu::softmax_channel_backward(expected_df.data(), ds.data(), s.values().data(), params, Stream{});
      CHECK(worst_element(df.values(), expected_df) <= 1e-6);
      CHECK((s.intact() && df.intact()));
    }
  }
}

TEST_CASE("cuda softmax backward agrees with the CPU") {
  REQUIRE_DEVICE();
  for (const SoftmaxParams& params : shapes()) {
    const int64_t count = params.m * params.d;
    for (const int64_t shift : {0, 1}) {
      CAPTURE(count);
      const auto ds = random_vector<float>(count, 2), s = random_vector<float>(count, 3, 0, 2);
      std::vector<float> expected(ds.size());
      double inner = 0;
      for (size_t i = 0; i < ds.size(); ++i) inner += static_cast<double>(ds[i]) * s[i];
      cpu::softmax_backward(expected.data(), ds.data(), s.data(), {{&inner, nullptr}, {1, 0}}, params,
                            Stream{});
      const DeviceBuffer<float> device_ds(ds, shift), device_s(s, shift);
      DeviceBuffer<float> df(count, shift);
      const DeviceBuffer<double> parts(std::vector<double>{inner / 4, inner / 10});
      const SoftmaxInner known{{parts.data(), parts.data() + 1}, {2, 5}};
      cuda::softmax_backward(df.data(), device_ds.data(), device_s.data(), known, params, Stream{});
      CHECK(worst_element(df.values(), expected) <= 1e-6);
      CHECK(df.intact());
    }
  }
}

TEST_CASE("cuda entropies agree with the CPU and span 0 to 1") {
  REQUIRE_DEVICE();
  for (const SoftmaxParams& params : shapes()) {
    const auto f = random_vector<float>(params.m * params.d, 1, 0, 6);
    const DeviceBuffer<float> device_f(f);
    CHECK(std::abs(entropy_of(device_f, params, false) - cpu::softmax_entropy(f.data(), params, Stream{})) <=
          1e-6);
    CHECK(std::abs(entropy_of(device_f, params, true) -
                   cpu::softmax_channel_entropy(f.data(), params, Stream{})) <= 1e-6);
  }
  const DeviceBuffer<float> flat(std::vector<float>(600, 3));
  CHECK(std::abs(entropy_of(flat, {100, 6, 1}, false) - 1) <= 1e-12);
  CHECK(std::abs(entropy_of(flat, {100, 6, 1}, true) - 1) <= 1e-12);
  CHECK(entropy_of(flat, {1, 1, 1}, false) == 0);
  CHECK(entropy_of(flat, {600, 1, 1}, true) == 0);
  std::vector<float> peak(600, 0);
  peak[77] = 3;
  CHECK(entropy_of(DeviceBuffer<float>(peak), {100, 6, 1e-30}, false) == 0);  // q is infinite in float
}

TEST_CASE("cuda softmax: a NaN anywhere makes every value NaN") {
  REQUIRE_DEVICE();
  for (const size_t where : {size_t{0}, size_t{100}, size_t{9999}}) {
    auto f = random_vector<float>(10000, 1);
    f[where] = std::numeric_limits<float>::quiet_NaN();
    const DeviceBuffer<float> device_f(f);
    CHECK(std::isnan(statistics_of(device_f, {100, 100, 1}).max));
    int numbers = 0;
    for (const float value : softmax(device_f, {100, 100, 1})) numbers += !std::isnan(value);
    CHECK(numbers == 0);
    CHECK(std::isnan(entropy_of(device_f, {100, 100, 1}, false)));
  }
}

TEST_CASE("cuda smoothings in place give the same bytes, and scale multiplies") {
  REQUIRE_DEVICE();
  for (const int d : {36, 37}) {
    const SoftmaxParams params{101, d, 1.5};
    const int64_t count = params.m * d;
    const auto f = random_vector<float>(count, 1), ds = random_vector<float>(count, 2);
    const DeviceBuffer<float> device_f(f), device_ds(ds);
    const DeviceBuffer<SoftmaxStatistics> statistics(
        std::vector<SoftmaxStatistics>{statistics_of(device_f, params)});
    const DeviceBuffer<float> s(softmax(device_f, params));
    DeviceBuffer<float> out(count), in_place(f);
    const DeviceBuffer<double> product(std::vector<double>{0.7});
    const SoftmaxInner inner{{nullptr, product.data()}, {0, 3}};
    cuda::softmax_forward(in_place.data(), in_place.data(), statistics.data(), params, Stream{});
    CHECK(same_bytes(in_place.values(), s.values()));

    cuda::softmax_backward(out.data(), device_ds.data(), s.data(), inner, params, Stream{});
    in_place.upload(ds);
    cuda::softmax_backward(in_place.data(), in_place.data(), s.data(), inner, params, Stream{});
    CHECK(same_bytes(in_place.values(), out.values()));

    cuda::softmax_channel_forward(out.data(), device_f.data(), params, Stream{});
    in_place.upload(f);
    cuda::softmax_channel_forward(in_place.data(), in_place.data(), params, Stream{});
    CHECK(same_bytes(in_place.values(), out.values()));

    cuda::softmax_channel_backward(out.data(), device_ds.data(), s.data(), params, Stream{});
    in_place.upload(ds);
    cuda::softmax_channel_backward(in_place.data(), in_place.data(), s.data(), params, Stream{});
    CHECK(same_bytes(in_place.values(), out.values()));

    in_place.upload(f);
    cuda::scale(in_place.data(), in_place.data(), 0.3, count, Stream{});
    std::vector<float> scaled(f.size());
    cpu::scale(scaled.data(), f.data(), 0.3, count, Stream{});
    CHECK(same_bytes(in_place.values(), scaled));
  }
}

}  // namespace swag
