// Winograd's convolution against the definition in double, and its transforms against their derivation.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/conv2d/winograd_cpu.h"
#include "kernels/conv2d/winograd_transform_cpu.h"
#include "kernels/mask.h"
#include "tests/kernels/conv2d/runs.h"

using namespace swag;
using namespace swag::test;

namespace {

constexpr double kLayerTolerance = 5e-6;  // relative L2 of one layer

void check_close(const std::vector<double>& actual, const std::vector<double>& expected) {
  CHECK_FALSE(!(relative_l2(actual, expected) <= kLayerTolerance));
  CHECK_FALSE(!(worst_element(actual, expected) <= 2 * kLayerTolerance));
}

Conv2dParams with(Conv2dParams params, Conv2dAlgorithm algorithm) {
  params.algorithm = algorithm;
  return params;
}
Conv2dParams winograd(const Conv2dParams& params) { return with(params, Conv2dAlgorithm::kWinograd); }

/// Maps that end within a tile, blocks of tiles per thread and shared ones, odd channels, odd paddings.
std::vector<Conv2dCase> winograd_cases() {
  std::vector<Conv2dCase> cases = {
      {"one whole tile", {32, 32, 3, 3, 1, 1, 1, 1}, 4, 4},
      {"tile and a pixel, unpadded", {16, 16, 3, 3, 1, 1, 0, 0}, 7, 11},
      {"padded by two, the full convolution", {20, 24, 3, 3, 1, 1, 2, 2}, 5, 10},
      {"many blocks", {64, 96, 3, 3, 1, 1, 1, 1}, 33, 50},
      {"a group and a part of a word", {33, 71, 3, 3, 1, 1, 1, 1}, 10, 9, 2, 5},
      {"weights that leave the cache, two blocks", {512, 270, 3, 3, 1, 1, 1, 1}, 39, 42},
      {"weights that leave the cache, one tile", {512, 270, 3, 3, 1, 1, 1, 1}, 2, 3},
  };
  for (const Conv2dCase& shape : conv2d_cases()) {
    if (cpu::winograd_can(shape.layer)) cases.push_back(shape);
  }
  return cases;
}

// The direct algorithm in double is itself tested against the definition, and fast enough for large layers.
std::vector<double> exact_forward(const std::vector<double>& x, const std::vector<double>& weight,
                                  const Conv2dParams& p, Stream stream) {
  return run_forward<double>(x, weight, {}, with(p, Conv2dAlgorithm::kDirect), stream);
}
std::vector<double> exact_backward(const std::vector<double>& dy, const std::vector<double>& weight,
                                   const Conv2dParams& p, Stream stream) {
  return run_backward<double>(dy, weight, {}, with(p, Conv2dAlgorithm::kDirect), stream);
}

}  // namespace

TEST_CASE("winograd adds bias and residual, applies ReLU and leaves the mask") {
  ThreadPool pool(2);
  for (const Conv2dCase& shape : winograd_cases()) {
    CAPTURE(shape.name);
    const Conv2dParams p = winograd(shape.params());
    const int c = p.layer.c_out;
    const auto x = noise(x_count(p), 31), weight = noise(p.layer.weight_count(), 32);
    const auto bias = random_vector<float>(c, 33);
    const auto addition = noise(y_count(p), 34);
    auto expected = exact_forward(x, weight, p, cpu::stream_of(pool));
    check_close(run_forward<float>(x, weight, {}, p, cpu::stream_of(pool)), expected);
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] = std::max(expected[i] + bias[i % c] + addition[i], 0.0);
    }
    PitchedMap<float> residual(addition, c, p.y_pitch);
    GuardedBuffer<uint32_t> mask(y_count(p) / c * mask_words(c));
    Conv2dForwardEpilogue<float> epilogue{bias.data(), residual.data.data(), true, mask.data()};
    const auto y = run_forward<float>(x, weight, epilogue, p, cpu::stream_of(pool));
    check_close(y, expected);
    CHECK(mask.intact());
    int wrong_bits = 0;
    for (int64_t pixel = 0; pixel < y_count(p) / c; ++pixel) {
      for (int channel = 0; channel < mask_words(c) * 32; ++channel) {
        const bool positive = channel < c && y[pixel * c + channel] > 0;
        wrong_bits += mask_bit(mask.data(), pixel, c, channel) != positive;
      }
    }
    CHECK(wrong_bits == 0);
    CHECK(run_forward<float>(x, weight, epilogue, p, cpu::stream_of(pool), residual) == y);  // in place
  }
}

TEST_CASE("winograd backward adds the addend, then applies the mask") {
  ThreadPool pool(2);
  for (const Conv2dCase& shape : winograd_cases()) {
    CAPTURE(shape.name);
    const Conv2dParams p = winograd(shape.params());
    const int c = p.layer.c_in;
    const auto dy = noise(y_count(p), 35), weight = noise(p.layer.weight_count(), 36);
    const auto addition = noise(x_count(p), 37);
    Random random(38);
    std::vector<uint32_t> mask(x_count(p) / c * mask_words(c));
    for (uint32_t& word : mask) word = static_cast<uint32_t>(random.bits());
    auto expected = exact_backward(dy, weight, p, cpu::stream_of(pool));
    check_close(run_backward<float>(dy, weight, {}, p, cpu::stream_of(pool)), expected);
    for (size_t i = 0; i < expected.size(); ++i) {
      const bool kept = mask_bit(mask.data(), static_cast<int64_t>(i) / c, c, static_cast<int>(i % c));
      expected[i] = kept ? expected[i] + addition[i] : 0;
    }
    PitchedMap<float> addend(addition, c, p.x_pitch);
    const Conv2dBackwardEpilogue<float> epilogue{addend.data.data(), mask.data()};
    const auto dx = run_backward<float>(dy, weight, epilogue, p, cpu::stream_of(pool));
    check_close(dx, expected);
    CHECK(run_backward<float>(dy, weight, epilogue, p, cpu::stream_of(pool), addend) == dx);  // in place
  }
}

TEST_CASE("winograd gives the same bytes whatever the number of threads") {
  for (const Conv2dCase& shape : winograd_cases()) {
    CAPTURE(shape.name);
    const Conv2dParams p = winograd(shape.params());
    const auto x = noise(x_count(p), 41), dy = noise(y_count(p), 42);
    const auto weight = noise(p.layer.weight_count(), 43);
    const auto y = run_forward<float>(x, weight, {}, p, {});
    const auto dx = run_backward<float>(dy, weight, {}, p, {});
    for (const int threads : {2, 3, 11}) {
      ThreadPool pool(threads);
      CHECK(run_forward<float>(x, weight, {}, p, cpu::stream_of(pool)) == y);
      CHECK(run_backward<float>(dy, weight, {}, p, cpu::stream_of(pool)) == dx);
    }
  }
}

TEST_CASE("winograd asked of another layer or of double precision computes as the direct algorithm") {
  for (const Conv2dCase& shape : conv2d_cases()) {
    CAPTURE(shape.name);
    const Conv2dParams p = shape.params();
    const auto x = noise(x_count(p), 44), dy = noise(y_count(p), 45);
    const auto weight = noise(p.layer.weight_count(), 46);
    CHECK(run_forward<double>(x, weight, {}, winograd(p), {}) == run_forward<double>(x, weight, {}, p, {}));
    if (cpu::winograd_can(p.layer)) continue;
    CHECK(run_forward<float>(x, weight, {}, winograd(p), {}) == run_forward<float>(x, weight, {}, p, {}));
    CHECK(run_backward<float>(dy, weight, {}, winograd(p), {}) == run_backward<float>(dy, weight, {}, p, {}));
  }
}

TEST_CASE("auto takes winograd for 3x3 layers of stride 1 with many channels, in single precision") {
  const auto chosen = [](const Conv2dLayer& layer, bool double_precision) {
    const Conv2dAlgorithm forward = cpu::conv2d_choose(layer, Conv2dDirection::kForward, double_precision);
    CHECK(cpu::conv2d_choose(layer, Conv2dDirection::kBackwardData, double_precision) == forward);
    return forward;
  };
  CHECK(chosen({64, 128, 3, 3, 1, 1, 1, 1}, false) == Conv2dAlgorithm::kWinograd);
  CHECK(chosen({64, 128, 3, 3, 1, 1, 0, 2}, false) == Conv2dAlgorithm::kWinograd);
  CHECK(chosen({64, 128, 3, 3, 1, 1, 1, 1}, true) == Conv2dAlgorithm::kDirect);
  CHECK(chosen({3, 64, 3, 3, 1, 1, 1, 1}, false) == Conv2dAlgorithm::kDirect);
  CHECK(chosen({64, 64, 3, 3, 2, 2, 1, 1}, false) == Conv2dAlgorithm::kDirect);
  CHECK(chosen({64, 64, 1, 1, 1, 1, 0, 0}, false) == Conv2dAlgorithm::kDirect);
  CHECK(chosen({64, 64, 3, 1, 1, 1, 1, 0}, false) == Conv2dAlgorithm::kDirect);
}

TEST_CASE("winograd lets NaN through its ReLU, no further than its tile, and gives it no mask bit") {
  const Conv2dParams p = winograd(small_params({2, 40, 3, 3, 1, 1, 1, 1}, 9, 9));
  auto x = noise(x_count(p), 47);
  const auto weight = noise(p.layer.weight_count(), 48);
  x[0] = std::numeric_limits<double>::quiet_NaN();
  std::vector<uint32_t> mask(81 * mask_words(40));
  Conv2dForwardEpilogue<float> epilogue;
  epilogue.relu = true;
  epilogue.mask = mask.data();
  const auto y = run_forward<float>(x, weight, epilogue, p, {});
  for (int pixel = 0; pixel < 81; ++pixel) {
    for (int channel = 0; channel < 40; ++channel) {
      const double value = y[pixel * 40 + channel];
      if (pixel / 9 <= 1 && pixel % 9 <= 1) CHECK(std::isnan(value));
      if (pixel / 9 >= 4 || pixel % 9 >= 4) CHECK_FALSE(std::isnan(value));
      CHECK(mask_bit(mask.data(), pixel, 40, channel) == (value > 0));
    }
  }
  const std::vector<double> dy(y_count(p), std::numeric_limits<double>::quiet_NaN());
  const std::vector<uint32_t> nothing(81 * mask_words(2));
  const Conv2dBackwardEpilogue<float> masked{nullptr, nothing.data()};
  CHECK(run_backward<float>(dy, weight, masked, p, {}) == std::vector<double>(x_count(p), 0.0));
}

namespace {

using Row = std::vector<double>;
using Matrix = std::vector<Row>;

/// The product of all (x - root) but that of root `skipped`, lowest power first, as 6 coefficients.
Row polynomial(const Row& roots, int skipped) {
  Row p(6, 0.0);
  p[0] = 1;
  for (int k = 0; k < static_cast<int>(roots.size()); ++k) {
    if (k == skipped) continue;
    for (int power = 5; power >= 0; --power) p[power] = (power ? p[power - 1] : 0) - roots[k] * p[power];
  }
  return p;
}

const Row& points() {
  static const Row values = {0, cpu::kWinogradA, -cpu::kWinogradA, cpu::kWinogradB, -cpu::kWinogradB};
  return values;
}

/// B^T of Cook and Toom: the numerators of Lagrange's polynomials, then that of the point at infinity.
Matrix input_matrix() {
  Matrix b;
  for (int j = 0; j <= 5; ++j) b.push_back(polynomial(points(), j));
  return b;
}

/// A^T: the powers of the points.
Matrix output_matrix() {
  Matrix a(4, Row(6, 0.0));
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 5; ++j) a[i][j] = std::pow(points()[j], i);
  }
  a[3][5] = 1;
  return a;
}

/// G: the powers of the points over the denominators of Lagrange's polynomials.
Matrix weight_matrix() {
  Matrix g;
  for (int j = 0; j < 5; ++j) {
    const double point = points()[j];
    double denominator = 1;
    for (int k = 0; k < 5; ++k) denominator *= k == j ? 1 : point - points()[k];
    g.push_back({1 / denominator, point / denominator, point * point / denominator});
  }
  g.push_back({0, 0, 1});
  return g;
}

/// m x m^T for one channel.
Matrix sandwich(const Matrix& m, const Matrix& x) {
  const size_t rows = m.size(), inner = x.size();
  Matrix y(rows, Row(rows, 0.0));
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < rows; ++j) {
      for (size_t k = 0; k < inner * inner; ++k)
        y[i][j] += m[i][k / inner] * x[k / inner][k % inner] * m[j][k % inner];
    }
  }
  return y;
}

void check_weight_transform(const cpu::WinogradKernels& kernels) {
  constexpr int kChannels = 32, kDepth = 3, kStep = kDepth * kChannels + 16;
  const auto taps = random_vector<float>(kDepth * 9 * kChannels, 50);
  for (int row = 0; row < 6; ++row) {
    GuardedBuffer<float> u(5 * kStep + kDepth * kChannels);
    cpu::WinogradWeights weights;
    weights.g = taps.data();
    weights.channels = kChannels;
    weights.depth = kDepth;
    weights.row = row;
    weights.u = u.data();
    weights.position_step = kStep;
    kernels.transform_weights(weights);
    Row actual, expected;
    for (int k = 0; k < kDepth; ++k) {
      for (int c = 0; c < kChannels; ++c) {
        Matrix g(3, Row(3));
        for (int tap = 0; tap < 9; ++tap) g[tap / 3][tap % 3] = taps[(k * 9 + tap) * kChannels + c];
        const Matrix transformed = sandwich(weight_matrix(), g);
        for (int col = 0; col < 6; ++col) {
          actual.push_back(u[col * kStep + k * kChannels + c]);
          expected.push_back(transformed[row][col]);
        }
      }
    }
    CHECK_FALSE(!(relative_l2(actual, expected) <= 1e-6));
    CHECK(u.intact());
  }
}

constexpr int kPixelStep = 50, kRowStep = 400, kPositionStep = 80;

void check_input_transform(const cpu::WinogradKernels& kernels, int channels, uint32_t rows, uint32_t cols) {
  const auto x = random_vector<float>(6 * kRowStep, 51);
  GuardedBuffer<float> v(36 * kPositionStep);
  cpu::WinogradInput input;
  input.x = x.data();
  input.row_step = kRowStep;
  input.pixel_step = kPixelStep;
  input.channels = channels;
  input.rows = rows;
  input.cols = cols;
  input.v = v.data();
  input.position_step = kPositionStep;
  kernels.transform_input(input);
  Row actual, expected;
  for (int c = 0; c < channels; ++c) {
    Matrix d(6, Row(6, 0.0));
    for (int k = 0; k < 36; ++k) {
      if (rows >> k / 6 & cols >> k % 6 & 1u) d[k / 6][k % 6] = x[k / 6 * kRowStep + k % 6 * kPixelStep + c];
    }
    const Matrix transformed = sandwich(input_matrix(), d);
    for (int k = 0; k < 36; ++k) {
      actual.push_back(v[k * kPositionStep + c]);
      expected.push_back(transformed[k / 6][k % 6]);
    }
  }
  CHECK_FALSE(!(relative_l2(actual, expected) <= 1e-6));
  CHECK(v.intact());
}

void check_output_transform(const cpu::WinogradKernels& kernels, int channels, int rows, int cols) {
  auto m = random_vector<float>(36 * kPositionStep, 52);
  for (int i = 0; i < 36 * kPositionStep; ++i) {
    if (i % kPositionStep >= channels) m[i] = 0;
  }
  const auto bias = random_vector<float>(channels, 53);
  const auto kept = static_cast<uint32_t>(Random(54).bits());
  PitchedMap<float> y(noise(16 * channels, 55), channels, kPixelStep);
  std::vector<double> expected = y.values();
  const std::vector<uint32_t> mask_in(32, kept);
  std::vector<uint32_t> mask_out(32, 0xdeadbeefu), signs(32, 0xdeadbeefu);
  const int words = static_cast<int>(mask_words(channels));
  for (int pixel = 0; pixel < 16; ++pixel) {
    if (pixel / 4 >= rows || pixel % 4 >= cols) continue;
    for (int word = 0; word < words; ++word) signs[pixel * 2 + word] = 0;
    for (int c = 0; c < channels; ++c) {
      Matrix products(6, Row(6));
      for (int k = 0; k < 36; ++k) products[k / 6][k % 6] = m[k * kPositionStep + c];
      double& value = expected[pixel * channels + c];
      value = std::max(sandwich(output_matrix(), products)[pixel / 4][pixel % 4] + bias[c] + value, 0.0);
      if (value > 0) signs[pixel * 2 + c / 32] |= 1u << c % 32;
      if (!(kept >> c % 32 & 1u)) value = 0;
    }
  }
  cpu::WinogradOutput output;
  output.m = m.data();
  output.position_step = kPositionStep;
  output.channels = channels;
  output.rows = rows;
  output.cols = cols;
  output.y = y.data.data();
  output.row_step = 4 * kPixelStep;
  output.pixel_step = kPixelStep;
  output.bias = bias.data();
  output.residual = y.data.data();
  output.relu = true;
  output.mask_out = mask_out.data();
  output.mask_in = mask_in.data();
  output.mask_row_step = 8;
  output.mask_pixel_step = 2;
  kernels.transform_output(output);
  CHECK_FALSE(!(relative_l2(y.values(), expected) <= 1e-6));
  CHECK(mask_out == signs);
  CHECK(y.intact());
}

}  // namespace

TEST_CASE("the transforms of all instruction sets agree with the Cook-Toom construction") {
  using cpu::InstructionSet;
  for (const auto set : {InstructionSet::kGeneric, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    const cpu::WinogradKernels* kernels = cpu::winograd_kernels(set);
    if (!kernels) {
      MESSAGE("SKIP: this machine lacks instruction set " << static_cast<int>(set));
      continue;
    }
    CAPTURE(static_cast<int>(set));
    check_weight_transform(*kernels);
    for (const int channels : {1, 7, 8, 16, 31, 32, 33, 48}) {
      CAPTURE(channels);
      check_input_transform(*kernels, channels, 0x3f, 0x3f);
      check_input_transform(*kernels, channels, 0x3e, 0x07);
      check_output_transform(*kernels, channels, 4, 4);
      check_output_transform(*kernels, channels, 1, 3);
    }
  }
}

TEST_CASE("one layer of VGG19 by winograd differs from double precision by less than 5e-6") {
  ThreadPool pool(2);
  for (const int c : {64, 128, 256, 512}) {
    CAPTURE(c);
    const Conv2dParams p = winograd(small_params({c, c, 3, 3, 1, 1, 1, 1}, 18, 22));
    auto x = noise(x_count(p), 61);
    for (double& value : x) value = std::max(value, 0.0);  // what a ReLU lets through
    const auto dy = noise(y_count(p), 62), weight = noise(p.layer.weight_count(), 63);
    const Stream stream = cpu::stream_of(pool);
    const double forward =
        relative_l2(run_forward<float>(x, weight, {}, p, stream), exact_forward(x, weight, p, stream));
    const double backward =
        relative_l2(run_backward<float>(dy, weight, {}, p, stream), exact_backward(dy, weight, p, stream));
    CAPTURE(forward);
    CAPTURE(backward);
    CHECK_FALSE(!(forward <= kLayerTolerance));
    CHECK_FALSE(!(backward <= kLayerTolerance));
  }
}
