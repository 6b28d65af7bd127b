// The CPU convolution against a naive one in double, over the table of shapes.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "kernels/conv2d/conv2d.h"
#include "kernels/cpu/gemm_micro_kernel.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/mask.h"
#include "tests/helpers.h"
#include "tests/kernels/conv2d/cases.h"
#include "tests/kernels/conv2d/runs.h"

using namespace swag;
using namespace swag::test;

namespace {

template <typename T>
constexpr double kTolerance = sizeof(T) == sizeof(float) ? 2e-6 : 2e-15;

/// NaN in either error fails.
template <typename T>
void check_close(const std::vector<double>& actual, const std::vector<double>& expected) {
  CHECK_FALSE(!(test::relative_l2(actual, expected) <= kTolerance<T>));
  CHECK_FALSE(!(test::worst_element(actual, expected) <= 4 * kTolerance<T>));
}

}  // namespace

TEST_CASE_TEMPLATE("conv2d of a 2x3 map gives the numbers worked out by hand", T, float, double) {
  // x = 1 2 3   weight = 1 10    padding 1 at the left and the right only
  //     4 5 6            100 1000
  const Conv2dParams p = small_params({1, 1, 2, 2, 1, 1, 0, 1}, 2, 3);
  const std::vector<double> x = {1, 2, 3, 4, 5, 6}, weight = {1, 10, 100, 1000};
  CHECK(run_forward<T>(x, weight, {}, p, {}) == std::vector<double>{4010, 5421, 6532, 603});
  // dy = 1 2 3 4: dx(0, 0) = 1 * 10 + 2 * 1, dx(1, 2) = 3 * 1000 + 4 * 100, ...
  const std::vector<double> dx = {12, 23, 34, 1200, 2300, 3400};
  CHECK(run_backward<T>({1, 2, 3, 4}, weight, {}, p, {}) == dx);
}

TEST_CASE_TEMPLATE("conv2d forward agrees with the definition on every shape", T, float, double) {
  ThreadPool pool(2);
  for (const Conv2dCase& shape : conv2d_cases()) {
    CAPTURE(shape.name);
    const Conv2dParams p = shape.params();
    const auto x = noise(x_count(p), 1), weight = noise(p.layer.weight_count(), 2);
    check_close<T>(run_forward<T>(x, weight, {}, p, cpu::stream_of(pool)), naive_forward(x, weight, p));
  }
}

TEST_CASE_TEMPLATE("conv2d backward agrees with the transposed definition on every shape", T, float, double) {
  ThreadPool pool(2);
  for (const Conv2dCase& shape : conv2d_cases()) {
    CAPTURE(shape.name);
    const Conv2dParams p = shape.params();
    const auto dy = noise(y_count(p), 3), weight = noise(p.layer.weight_count(), 4);
    check_close<T>(run_backward<T>(dy, weight, {}, p, cpu::stream_of(pool)), naive_backward(dy, weight, p));
  }
}

TEST_CASE("conv2d backward is the gradient of forward by central differences") {
  const Conv2dLayer layers[] = {
      {5, 7, 3, 3, 1, 1, 1, 1}, {5, 7, 3, 2, 2, 3, 1, 0}, {3, 4, 5, 5, 2, 2, 2, 2}, {6, 4, 1, 1, 1, 1, 0, 0}};
  for (const Conv2dLayer& layer : layers) {
    const Conv2dParams p = small_params(layer, 6, 7);
    auto x = noise(x_count(p), 5);
    const auto dy = noise(y_count(p), 6), weight = noise(layer.weight_count(), 7);
    const auto loss = [&] {  // <dy, conv(x)>
      const auto y = run_forward<double>(x, weight, {}, p, {});
      double sum = 0;
      for (size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
      return sum;
    };
    const auto dx = run_backward<double>(dy, weight, {}, p, {});
    for (size_t i = 0; i < x.size(); i += 11) {
      const double step = 1e-3, kept = x[i];
      x[i] = kept + step;
      const double above = loss();
      x[i] = kept - step;
      const double below = loss();
      x[i] = kept;
      CHECK_FALSE(!(std::abs((above - below) / (2 * step) - dx[i]) <= 1e-10));
    }
  }
}

TEST_CASE_TEMPLATE("conv2d adds bias and residual, then ReLU, and leaves its signs", T, float, double) {
  ThreadPool pool(2);
  for (const Conv2dCase& shape : conv2d_cases()) {
    CAPTURE(shape.name);
    const Conv2dParams p = shape.params();
    const int c = p.layer.c_out;
    const auto x = noise(x_count(p), 8), weight = noise(p.layer.weight_count(), 9);
    const auto bias = test::converted<T>(noise(c, 10));
    const auto addition = noise(y_count(p), 11);
    auto expected = naive_forward(x, weight, p);
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += bias[i % c] + addition[i];

    PitchedMap<T> residual(addition, c, p.y_pitch);
    test::GuardedBuffer<uint32_t> mask(y_count(p) / c * mask_words(c));
    Conv2dForwardEpilogue<T> epilogue;
    epilogue.bias = bias.data();
    epilogue.residual = residual.data.data();
    check_close<T>(run_forward<T>(x, weight, epilogue, p, cpu::stream_of(pool)), expected);

    epilogue.relu = true;
    epilogue.mask = mask.data();
    for (double& v : expected) v = v < 0 ? 0 : v;
    const auto y = run_forward<T>(x, weight, epilogue, p, cpu::stream_of(pool));
    check_close<T>(y, expected);
    CHECK(mask.intact());
    int64_t wrong_bits = 0;
    for (int64_t pixel = 0; pixel < y_count(p) / c; ++pixel) {
      for (int channel = 0; channel < mask_words(c) * 32; ++channel) {
        const bool positive = channel < c && y[pixel * c + channel] > 0;
        wrong_bits += mask_bit(mask.data(), pixel, c, channel) != positive;
      }
    }
    CHECK(wrong_bits == 0);

    // In place: the residual is the output's own memory.
    epilogue.residual = residual.data.data();
    CHECK(run_forward<T>(x, weight, epilogue, p, cpu::stream_of(pool), residual) == y);
  }
}

TEST_CASE_TEMPLATE("conv2d backward adds the addend, then applies the mask", T, float, double) {
  ThreadPool pool(2);
  for (const Conv2dCase& shape : conv2d_cases()) {
    CAPTURE(shape.name);
    const Conv2dParams p = shape.params();
    const int c = p.layer.c_in;
    const auto dy = noise(y_count(p), 12), weight = noise(p.layer.weight_count(), 13);
    const auto addition = noise(x_count(p), 14);
    test::Random random(15);
    std::vector<uint32_t> mask(x_count(p) / c * mask_words(c));
    for (uint32_t& word : mask) word = static_cast<uint32_t>(random.bits());
    auto expected = naive_backward(dy, weight, p);
    for (size_t i = 0; i < expected.size(); ++i) {
      const bool kept = mask_bit(mask.data(), static_cast<int64_t>(i) / c, c, static_cast<int>(i % c));
      expected[i] = kept ? expected[i] + addition[i] : 0;
    }
    PitchedMap<T> addend(addition, c, p.x_pitch);
    Conv2dBackwardEpilogue<T> epilogue;
    epilogue.addend = addend.data.data();
    epilogue.mask = mask.data();
    const auto dx = run_backward<T>(dy, weight, epilogue, p, cpu::stream_of(pool));
    check_close<T>(dx, expected);
    CHECK(run_backward<T>(dy, weight, epilogue, p, cpu::stream_of(pool), addend) == dx);
  }
}

TEST_CASE_TEMPLATE("conv2d gives the same bytes with one, two and three threads", T, float, double) {
  ThreadPool one(1), two(2), three(3);
  for (const Conv2dCase& shape : conv2d_cases()) {
    CAPTURE(shape.name);
    const Conv2dParams p = shape.params();
    const auto x = noise(x_count(p), 16), dy = noise(y_count(p), 17);
    const auto weight = noise(p.layer.weight_count(), 18);
    const auto y = run_forward<T>(x, weight, {}, p, {});
    const auto dx = run_backward<T>(dy, weight, {}, p, {});
    for (ThreadPool* pool : {&one, &two, &three}) {
      CHECK(run_forward<T>(x, weight, {}, p, cpu::stream_of(*pool)) == y);
      CHECK(run_backward<T>(dy, weight, {}, p, cpu::stream_of(*pool)) == dx);
    }
  }
}

TEST_CASE_TEMPLATE("conv2d lets NaN through its ReLU and gives it no mask bit", T, float, double) {
  const Conv2dParams p = small_params({2, 40, 3, 3, 1, 1, 1, 1}, 5, 5);
  auto x = noise(x_count(p), 19);
  const auto weight = noise(p.layer.weight_count(), 20);
  x[0] = std::numeric_limits<double>::quiet_NaN();
  std::vector<uint32_t> mask(25 * mask_words(40));
  Conv2dForwardEpilogue<T> epilogue;
  epilogue.relu = true;
  epilogue.mask = mask.data();
  const auto y = run_forward<T>(x, weight, epilogue, p, {});
  for (int pixel = 0; pixel < 25; ++pixel) {
    const bool reached = pixel / 5 <= 1 && pixel % 5 <= 1;
    for (int channel = 0; channel < 40; ++channel) {
      const double value = y[pixel * 40 + channel];
      CHECK(std::isnan(value) == reached);
      CHECK(mask_bit(mask.data(), pixel, 40, channel) == (value > 0));
    }
  }
}

TEST_CASE("conv2d backward writes 0, not NaN, where the mask is 0") {
  for (const int c_in : {3, 40}) {
    const Conv2dParams p = small_params({c_in, 8, 3, 3, 1, 1, 1, 1}, 4, 4);
    const auto weight = noise(p.layer.weight_count(), 21);
    const std::vector<double> dy(y_count(p), std::numeric_limits<double>::quiet_NaN());
    const std::vector<uint32_t> mask(16 * mask_words(c_in));
    Conv2dBackwardEpilogue<float> epilogue;
    epilogue.mask = mask.data();
    CHECK(run_backward<float>(dy, weight, epilogue, p, {}) == std::vector<double>(x_count(p), 0.0));
  }
}

namespace {

/// One call with every part of the epilogue: `rows` rows, the panel's columns or fewer, and a mask that
/// another panel has written to already where its word has room for two.
template <typename T>
void check_micro_kernel(const cpu::GemmKernel<T>& kernel, int rows, int columns) {
  constexpr int kTapRows = 2, kTaps = 3, kDepth = 21;
  constexpr int kStep = 7, kTapRowStep = 900, kTapStep = 11;
  const auto a = test::random_vector<T>(2000, 22);
  auto b = test::random_vector<T>(kTapRows * kTaps * kDepth * kernel.panel, 23);
  for (size_t i = 0; i < b.size(); ++i) {
    if (static_cast<int>(i) % kernel.panel >= columns) b[i] = 0;
  }
  const auto bias = test::random_vector<T>(columns, 24);
  const auto keep = static_cast<uint32_t>(test::Random(25).bits());
  PitchedMap<T> y(noise(rows * columns, 26), columns, columns + 3);  // the residual too
  std::vector<double> expected = y.values();
  for (int i = 0; i < rows * columns; ++i) {
    const int m = i / columns, n = i % columns;
    expected[i] += bias[n];
    for (int k = 0; k < kTapRows * kTaps * kDepth; ++k) {
      const int tap_row = k / (kTaps * kDepth), tap = k / kDepth % kTaps;
      const T left = a[m * kStep + tap_row * kTapRowStep + tap * kTapStep + k % kDepth];
      expected[i] += double{left} * b[k * kernel.panel + n];
    }
    if (expected[i] < 0) expected[i] = 0;
  }
  cpu::GemmPanel<T> panel;
  panel.a = a.data();
  panel.a_step = kStep;
  panel.tap_row_step = kTapRowStep;
  panel.tap_step = kTapStep;
  panel.tap_rows = kTapRows;
  panel.taps = kTaps;
  panel.depth = kDepth;
  panel.prefetch = rows % 2 == 0;
  panel.b = b.data();
  panel.y = y.data.data();
  panel.y_step = y.pitch;
  panel.rows = rows;
  panel.columns = columns;
  panel.bias = bias.data();
  panel.residual = y.data.data();
  panel.relu = true;
  panel.mask_shift = 32 - kernel.panel;
  panel.mask_step = 1;
  std::vector<uint32_t> mask(rows, 1u), kept(rows, keep);
  panel.mask_out = mask.data();
  panel.mask_in = kept.data();
  kernel.multiply(panel);
  int wrong_bits = 0;
  for (int m = 0; m < rows; ++m) {
    uint32_t word = panel.mask_shift ? 1u : 0u;
    for (int n = 0; n < columns; ++n) {
      if (expected[m * columns + n] > 0) word |= 1u << (panel.mask_shift + n);
      if (!(keep >> (panel.mask_shift + n) & 1u)) expected[m * columns + n] = 0;
    }
    wrong_bits += word != mask[m];
  }
  CHECK(wrong_bits == 0);
  check_close<T>(y.values(), expected);
  CHECK(y.intact());
}

}  // namespace

TEST_CASE_TEMPLATE("the micro-kernels of all instruction sets agree with the definition", T, float, double) {
  using cpu::InstructionSet;
  for (const auto set : {InstructionSet::kGeneric, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    const cpu::GemmKernels* kernels = cpu::gemm_kernels(set);
    if (!kernels) {
      MESSAGE("SKIP: this machine lacks instruction set " << static_cast<int>(set));
      continue;
    }
    const cpu::GemmKernel<T>* kernel;
    if constexpr (std::is_same_v<T, float>) {
      kernel = &kernels->of_float;
    } else {
      kernel = &kernels->of_double;
    }
    CAPTURE(static_cast<int>(set));
    REQUIRE(32 % kernel->panel == 0);
    for (int rows = 1; rows <= 30; ++rows) {
      CAPTURE(rows);
      check_micro_kernel(*kernel, rows, kernel->panel);
      check_micro_kernel(*kernel, rows, rows % kernel->panel + 1);
    }
  }
}
