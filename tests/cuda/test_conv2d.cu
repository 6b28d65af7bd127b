// The CUDA convolution against the definition in double and against its CPU twin, over the table of shapes.
#include <cstdint>
#include <limits>

#include "kernels/conv2d/plan_cuda.h"
#include "tests/cuda/conv2d_harness.h"

namespace swag {
namespace {

using test::backward_parts;
using test::channels;
using test::check_mask;
using test::Conv2dCase;
using test::count;
using test::Doubles;
using test::finished;
using test::Floats;
using test::forward_parts;
using test::kBackward;
using test::kForward;
using test::naive;
using test::params_of;
using test::Parts;
using test::pixels;
using test::random_vector;
using test::relative_l2;
using test::Result;
using test::run;
using test::run_cpu;
using test::same_bytes;
using test::worst_element;

constexpr double kTolerance = 1e-6;

/// The shared cases, and those that reach what only the CUDA twin has.
std::vector<Conv2dCase> cases() {
  std::vector<Conv2dCase> all = test::conv2d_cases();
  all.push_back({"sums split over blocks", {512, 64, 3, 3, 1, 1, 1, 1}, 5, 6});
  all.push_back({"sums split over blocks, stride 2", {256, 256, 3, 3, 2, 2, 1, 1}, 7, 6, 4, 8});
  all.push_back({"sums split over blocks, no round number", {301, 70, 3, 3, 1, 1, 1, 1}, 3, 5, 1, 2});
  all.push_back({"image forwards, two tiles of channels", {3, 100, 3, 3, 1, 1, 1, 1}, 9, 70});
  all.push_back({"gray image forwards, stride 2", {1, 65, 5, 5, 2, 2, 2, 2}, 21, 90, 0, 7});
  all.push_back({"two channels forwards, oblong", {2, 64, 1, 7, 1, 1, 0, 3}, 6, 41, 3, 0});
  all.push_back({"four channels forwards, unpadded", {4, 48, 4, 3, 2, 2, 0, 0}, 20, 75});
  all.push_back({"several tiles of an image", {3, 20, 3, 3, 1, 1, 1, 1}, 70, 75});
  all.push_back({"image of two channels in a wider tensor", {2, 13, 5, 5, 1, 2, 2, 1}, 21, 90, 3, 1});
  all.push_back({"image of four channels, 9x9", {4, 8, 9, 9, 1, 1, 4, 4}, 20, 20});
  all.push_back({"image of three phases", {3, 12, 5, 5, 3, 1, 2, 2}, 30, 40});
  all.push_back({"image with a stride that no tile has", {3, 8, 5, 5, 5, 6, 0, 0}, 20, 26});
  return all;
}

void check_close(const Floats& actual, const Doubles& expected) {
  CHECK_FALSE(!(relative_l2(actual, expected) <= kTolerance));
  CHECK_FALSE(!(worst_element(actual, expected) <= 4 * kTolerance));
}

/// Both directions of a shape, bare and with the whole epilogue, against the definition and the CPU.
void check_case(const Conv2dCase& shape, Conv2dAlgorithm algorithm) {
  CAPTURE(shape.name);
  Conv2dParams p = shape.params();
  p.algorithm = algorithm;
  const Floats weight = random_vector<float>(p.layer.weight_count(), 1);
  for (const bool forward : {true, false}) {
    CAPTURE(forward);
    const Floats input = random_vector<float>(count(p, forward), 2);
    const Doubles expected = naive(input, weight, p, forward);
    const Result bare = run(input, weight, {}, p, forward);
    check_close(bare.values, expected);
    check_close(bare.values, test::converted<double>(run_cpu(input, weight, p, forward)));
    Parts parts = forward ? forward_parts(p, 15) : backward_parts(p, 3);
    const Result full = run(input, weight, parts, p, forward);
    check_close(full.values, finished(expected, parts, channels(p, !forward)));
    if (forward) check_mask(full, p.layer.c_out);
    if (p.layer.weight_count() * pixels(p, false) > 100'000'000) continue;  // once is enough of the largest
    parts.in_place = true;
    const Result again = run(input, weight, parts, p, forward);
    CHECK(same_bytes(again.values, full.values));
    CHECK(again.mask == full.mask);
  }
}

}  // namespace

TEST_CASE("cuda conv2d agrees with the definition and the CPU, bare and with everything in its epilogue") {
  REQUIRE_DEVICE();
  for (const Conv2dCase& shape : cases()) check_case(shape, Conv2dAlgorithm::kDirect);
}

TEST_CASE("cuda conv2d plain agrees with the definition and the CPU") {
  REQUIRE_DEVICE();
  for (const Conv2dCase& shape : cases()) {
    if (shape.name != "several blocks") check_case(shape, Conv2dAlgorithm::kPlain);
  }
}

TEST_CASE("cuda conv2d computes in float what is stored in 16 bits, where tensor cores do not suit") {
  REQUIRE_DEVICE();
  for (const Conv2dLayer& layer :
       {Conv2dLayer{8, 40, 3, 3, 1, 1, 1, 1}, Conv2dLayer{37, 9, 3, 3, 2, 2, 1, 1},
        Conv2dLayer{300, 68, 3, 3, 1, 1, 1, 1}, Conv2dLayer{3, 68, 3, 3, 1, 1, 1, 1}}) {
    for (const auto algorithm : {Conv2dAlgorithm::kDirect, Conv2dAlgorithm::kPlain}) {
      for (const bool forward : {true, false}) {
        CAPTURE(layer.c_in);
        CAPTURE(forward);
        Conv2dParams p = params_of(layer, 7, 9);
        p.algorithm = algorithm;
        const DType type = forward ? DType::kFloat16 : DType::kBFloat16;
        const bool picture = layer.c_in == 3;  // stays float
        DType &from = forward ? p.x_type : p.y_type, &to = forward ? p.y_type : p.x_type;
        if (!(picture && forward)) from = type;
        const Floats weight = random_vector<float>(layer.weight_count(), 1);
        const Floats input = test::rounded(random_vector<float>(count(p, forward), 2), from);
        Parts parts = forward ? forward_parts(p, 15) : backward_parts(p, 3);
        parts.weight_factor = picture && !forward ? 1.f : 0.25f;
        parts.addend = test::rounded(parts.addend, type);
        Floats scaled = weight;
        for (float& value : scaled) value *= parts.weight_factor;
        const Doubles sum = naive(input, scaled, p, forward);
        const Result full = run(input, weight, parts, p, forward);
        check_close(full.values, finished(sum, parts, channels(p, !forward)));
        if (picture && !forward) continue;
        to = type;
        const Result narrow = run(input, weight, parts, p, forward);
        CHECK(same_bytes(narrow.values, test::rounded(full.values, type)));
        CHECK(narrow.mask == full.mask);
      }
    }
  }
}

TEST_CASE("cuda conv2d takes every combination of its epilogue, and any address") {
  REQUIRE_DEVICE();
  for (const Conv2dLayer& layer :
       {Conv2dLayer{8, 40, 3, 3, 1, 1, 1, 1}, Conv2dLayer{36, 9, 3, 3, 2, 2, 1, 1},
        Conv2dLayer{300, 68, 3, 3, 1, 1, 1, 1}, Conv2dLayer{3, 12, 3, 3, 1, 1, 1, 1},
        Conv2dLayer{3, 66, 3, 3, 1, 1, 1, 1}}) {
    for (const auto algorithm : {Conv2dAlgorithm::kDirect, Conv2dAlgorithm::kPlain}) {
      Conv2dParams p = params_of(layer, 7, 6);
      p.algorithm = algorithm;
      const Floats weight = random_vector<float>(layer.weight_count(), 8);
      const Floats x = random_vector<float>(count(p, true), 9),
                   dy = random_vector<float>(count(p, false), 10);
      const Doubles y_sum = naive(x, weight, p, true), dx_sum = naive(dy, weight, p, false);
      for (int combination = 0; combination < 16; ++combination) {
        CAPTURE(combination);
        if ((combination & 12) == 8) continue;  // a mask only comes with ReLU
        const Parts parts = forward_parts(p, combination);
        const Result y = run(x, weight, parts, p, true, combination % 3);
        check_close(y.values, finished(y_sum, parts, layer.c_out));
        if (parts.mask_out) check_mask(y, layer.c_out);
      }
      for (int combination = 0; combination < 4; ++combination) {
        const Parts parts = backward_parts(p, combination);
        check_close(run(dy, weight, parts, p, false, combination % 3).values,
                    finished(dx_sum, parts, layer.c_in));
      }
    }
  }
}

TEST_CASE("cuda conv2d sums 4608 products as exactly as the CPU") {
  REQUIRE_DEVICE();
  const Conv2dParams p = params_of({512, 64, 3, 3, 1, 1, 1, 1}, 6, 6);
  // All positive, as behind a ReLU: the sums grow, and so does what each addition rounds away.
  const Floats x = random_vector<float>(count(p, true), 11, 0, 1);
  const Floats weight = random_vector<float>(p.layer.weight_count(), 12, -0.2, 1);
  const Doubles expected = naive(x, weight, p, true);
  const double of_cpu = relative_l2(run_cpu(x, weight, p, true), expected);
  const double of_cuda = relative_l2(run(x, weight, {}, p, true).values, expected);
  MESSAGE("relative error: CPU " << of_cpu << ", CUDA " << of_cuda);
  CHECK_FALSE(!(of_cuda <= 2 * of_cpu));
}

TEST_CASE("cuda conv2d gives the same bytes twice, split sums and phases too") {
  REQUIRE_DEVICE();
  for (const Conv2dLayer& layer :
       {Conv2dLayer{512, 64, 3, 3, 1, 1, 1, 1}, Conv2dLayer{31, 33, 3, 3, 2, 2, 1, 1},
        Conv2dLayer{3, 16, 7, 7, 2, 2, 3, 3}}) {
    const Conv2dParams p = params_of(layer, 9, 8);
    const Floats weight = random_vector<float>(layer.weight_count(), 13);
    for (const bool forward : {true, false}) {
      const Floats input = random_vector<float>(count(p, forward), 14);
      const Result first = run(input, weight, {}, p, forward), second = run(input, weight, {}, p, forward);
      CHECK(same_bytes(first.values, second.values));
    }
  }
}

TEST_CASE("cuda conv2d lets NaN through its ReLU and gives it no mask bit") {
  REQUIRE_DEVICE();
  for (const auto algorithm : {Conv2dAlgorithm::kDirect, Conv2dAlgorithm::kPlain}) {
    Conv2dParams p = params_of({2, 40, 3, 3, 1, 1, 1, 1}, 5, 5);
    p.algorithm = algorithm;
    Floats x = random_vector<float>(count(p, true), 15);
    x[0] = std::numeric_limits<float>::quiet_NaN();
    const Result y = run(x, random_vector<float>(p.layer.weight_count(), 16), forward_parts(p, 12), p, true);
    check_mask(y, 40);
    for (int i = 0; i < 25 * 40; ++i) CHECK(std::isnan(y.values[i]) == (i / 200 <= 1 && i / 40 % 5 <= 1));
  }
}

TEST_CASE("cuda conv2d backward writes 0, not NaN, where the mask is 0") {
  REQUIRE_DEVICE();
  for (const int c_in : {3, 40}) {
    const Conv2dParams p = params_of({c_in, 8, 3, 3, 1, 1, 1, 1}, 4, 4);
    const Floats dy(static_cast<size_t>(count(p, false)), std::numeric_limits<float>::quiet_NaN());
    Parts parts;
    parts.mask_in.resize(static_cast<size_t>(16 * mask_words(c_in)));
    const Floats dx = run(dy, random_vector<float>(p.layer.weight_count(), 17), parts, p, false).values;
    CHECK(same_bytes(dx, Floats(dx.size(), 0.f)));
  }
}

TEST_CASE("cuda conv2d splits sums where a map gives the GPU too few tiles") {
  const auto tiling = [](const Conv2dLayer& layer, int size) {
    return cuda::conv2d::choose_tiling(cuda::conv2d::gemm_of(params_of(layer, size, size), kForward));
  };
  const auto large = tiling({256, 256, 3, 3, 1, 1, 1, 1}, 128),
             small = tiling({512, 512, 3, 3, 1, 1, 1, 1}, 16);
  CHECK((large.m == 128 && large.n == 64 && large.splits == 1));
  CHECK((small.m == 64 && small.n == 64 && small.splits == 16));
  CHECK(tiling({64, 32, 3, 3, 1, 1, 1, 1}, 256).n == 32);
  CHECK(tiling({64, 512, 1, 1, 1, 1, 0, 0}, 8).splits == 1);  // short sums are left whole
  CHECK(cuda::conv2d_workspace_bytes(params_of({512, 512, 3, 3, 1, 1, 1, 1}, 16, 16), kForward) ==
        int64_t{16} * 256 * 512 * 4);
}

}  // namespace swag
