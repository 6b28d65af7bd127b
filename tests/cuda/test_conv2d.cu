// The CUDA convolution against the definition in double and against its CPU twin, over the table of shapes.
#include <cstdint>
#include <limits>

#include "kernels/conv2d/conv2d.h"
#include "kernels/conv2d/plan_cuda.h"
#include "kernels/mask.h"
#include "tests/kernels/conv2d/cases.h"
#include "tests/cuda/device_buffer.h"

namespace swag {
namespace {

using test::Conv2dCase;
using test::DeviceBuffer;
using test::random_vector;
using test::relative_l2;
using test::same_bytes;
using test::worst_element;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

constexpr auto kForward = Conv2dDirection::kForward;
constexpr auto kBackward = Conv2dDirection::kBackwardData;
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

int64_t channels(const Conv2dParams& p, bool x) { return x ? p.layer.c_in : p.layer.c_out; }
int64_t pixels(const Conv2dParams& p, bool x) {
  return x ? int64_t{p.h} * p.w : int64_t{p.h_out()} * p.w_out();
}
int64_t pitch(const Conv2dParams& p, bool x) { return x ? p.x_pitch : p.y_pitch; }
int64_t count(const Conv2dParams& p, bool x) { return pixels(p, x) * channels(p, x); }

/// Dense to pitched, with NaN between the pixels, and back; what lies between must still be NaN.
Floats spread(const Floats& dense, const Conv2dParams& p, bool x) {
  Floats wide(static_cast<size_t>(pixels(p, x) * pitch(p, x)), std::numeric_limits<float>::quiet_NaN());
  for (int64_t i = 0; i < count(p, x); ++i) {
    wide[i / channels(p, x) * pitch(p, x) + i % channels(p, x)] = dense[i];
  }
  return wide;
}
Floats gathered(const Floats& wide, const Conv2dParams& p, bool x) {
  Floats dense;
  int64_t touched = 0;
  for (size_t i = 0; i < wide.size(); ++i) {
    if (static_cast<int64_t>(i) % pitch(p, x) < channels(p, x)) {
      dense.push_back(wide[i]);
    } else {
      touched += !std::isnan(wide[i]);
    }
  }
  CHECK(touched == 0);
  return dense;
}

/// The definition, in double: forward from x, or backward from dy.
Doubles naive(const Floats& from, const Floats& weight, const Conv2dParams& p, bool forward) {
  const Conv2dLayer& l = p.layer;
  Doubles to(static_cast<size_t>(count(p, !forward)));
  for (int tap = 0; tap < l.kh * l.kw; ++tap) {
    for (int64_t out = 0; out < pixels(p, false); ++out) {
      const int64_t u = out / p.w_out() * l.stride_h + tap / l.kw - l.pad_h;
      const int64_t v = out % p.w_out() * l.stride_w + tap % l.kw - l.pad_w;
      if (u < 0 || u >= p.h || v < 0 || v >= p.w) continue;
      const int64_t x_at = (u * p.w + v) * l.c_in, y_at = out * l.c_out;
      for (int o = 0; o < l.c_out; ++o) {
        const float* w = &weight[(int64_t{o} * l.kh * l.kw + tap) * l.c_in];
        for (int c = 0; c < l.c_in; ++c) {
          if (forward) {
            to[y_at + o] += double{from[x_at + c]} * w[c];
          } else {
            to[x_at + c] += double{from[y_at + o]} * w[c];
          }
        }
      }
    }
  }
  return to;
}

/// What a run adds to the sum, on the host; empty vectors are left out.
struct Parts {
  Floats bias, addend;  // the addend is dense: the residual, or other gradients
  bool relu = false, mask_out = false, in_place = false;
  std::vector<uint32_t> mask_in;
};

struct Result {
  Floats values;
  std::vector<uint32_t> mask;
};

/// Packs and runs on the device, with guards around everything. `shift`: elements that x, y and the rest lie
/// off an aligned address.
Result run(const Floats& input, const Floats& weight, const Parts& parts, const Conv2dParams& p, bool forward,
           int shift = 0) {
  const Conv2dDirection direction = forward ? kForward : kBackward;
  const bool x = !forward;  // is written
  DeviceBuffer<float> from(spread(input, p, forward), shift);
  DeviceBuffer<float> to(pixels(p, x) * pitch(p, x), shift), original(weight);
  DeviceBuffer<float> packed(cuda::conv2d_packed_count(p.layer, p.algorithm, direction));
  DeviceBuffer<float> bias(parts.bias, shift);
  DeviceBuffer<uint32_t> mask_in(parts.mask_in), mask_out(pixels(p, x) * mask_words(channels(p, x)));
  test::Workspace workspace(cuda::conv2d_workspace_bytes(p, direction));
  const Floats addition = parts.addend.empty() ? Floats() : spread(parts.addend, p, x);
  DeviceBuffer<float> other(parts.in_place ? Floats() : addition, shift);
  if (parts.in_place) to.upload(addition);
  const float* addend = parts.addend.empty() ? nullptr : parts.in_place ? to.data() : other.data();

  cuda::conv2d_pack(packed.data(), original.data(), p.layer, p.algorithm, direction, Stream{});
  if (forward) {
    Conv2dForwardEpilogue<float> e;
    e.bias = parts.bias.empty() ? nullptr : bias.data();
    e.residual = addend;
    e.relu = parts.relu;
    e.mask = parts.mask_out ? mask_out.data() : nullptr;
    cuda::conv2d_forward(to.data(), from.data(), packed.data(), e, p, workspace.data(), Stream{});
  } else {
    Conv2dBackwardEpilogue<float> e;
    e.addend = addend;
    e.mask = parts.mask_in.empty() ? nullptr : mask_in.data();
    cuda::conv2d_backward_data(to.data(), from.data(), packed.data(), e, p, workspace.data(), Stream{});
  }
  CHECK((packed.intact() && workspace.intact() && to.intact() && mask_out.intact()));
  return {gathered(to.values(), p, x), parts.mask_out ? mask_out.values() : std::vector<uint32_t>()};
}

/// The CPU twin's result without an epilogue.
Floats run_cpu(const Floats& input, const Floats& weight, Conv2dParams p, bool forward) {
  const Conv2dDirection direction = forward ? kForward : kBackward;
  p.algorithm = Conv2dAlgorithm::kDirect;
  const bool x = !forward;
  const Floats from = spread(input, p, forward);
  Floats to(static_cast<size_t>(pixels(p, x) * pitch(p, x)), std::numeric_limits<float>::quiet_NaN());
  test::GuardedBuffer<float> packed(cpu::conv2d_packed_count<float>(p.layer, p.algorithm, direction));
  test::GuardedBuffer<char> workspace(cpu::conv2d_workspace_bytes<float>(p, direction, Stream{}));
  cpu::conv2d_pack(packed.data(), weight.data(), p.layer, p.algorithm, direction, Stream{});
  if (forward) {
    cpu::conv2d_forward<float>(to.data(), from.data(), packed.data(), {}, p, workspace.data(), Stream{});
  } else {
    cpu::conv2d_backward_data<float>(to.data(), from.data(), packed.data(), {}, p, workspace.data(),
                                     Stream{});
  }
  return gathered(to, p, x);
}

/// The epilogue, in double.
Doubles finished(Doubles values, const Parts& parts, int64_t c) {
  for (size_t i = 0; i < values.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    if (!parts.bias.empty()) values[i] += parts.bias[at % c];
    if (!parts.addend.empty()) values[i] += parts.addend[i];
    if (parts.relu && values[i] < 0) values[i] = 0;
    if (!parts.mask_in.empty() && !mask_bit(parts.mask_in.data(), at / c, static_cast<int>(c), at % c)) {
      values[i] = 0;
    }
  }
  return values;
}

void check_close(const Floats& actual, const Doubles& expected) {
  CHECK_FALSE(!(relative_l2(actual, expected) <= kTolerance));
  CHECK_FALSE(!(worst_element(actual, expected) <= 4 * kTolerance));
}

/// Bits are those of the values, and bits of channels that do not exist are 0.
void check_mask(const Result& result, int64_t c) {
  std::vector<uint32_t> expected(result.mask.size());
  for (size_t i = 0; i < result.values.size(); ++i) {
    const auto pixel = static_cast<int64_t>(i) / c, channel = static_cast<int64_t>(i) % c;
    const uint32_t bit = result.values[i] > 0 ? 1u : 0u;
    expected[pixel * mask_words(static_cast<int>(c)) + channel / 32] |= bit << (channel % 32);
  }
  CHECK(result.mask == expected);
}

Parts forward_parts(const Conv2dParams& p, int combination) {
  Parts parts;
  if (combination & 1) parts.bias = random_vector<float>(p.layer.c_out, 4);
  if (combination & 2) parts.addend = random_vector<float>(count(p, false), 5);
  parts.relu = combination & 4;
  parts.mask_out = combination & 8;
  return parts;
}

Parts backward_parts(const Conv2dParams& p, int combination) {
  Parts parts;
  if (combination & 1) parts.addend = random_vector<float>(count(p, true), 6);
  if (combination & 2) {
    test::Random random(7);
    parts.mask_in.resize(static_cast<size_t>(pixels(p, true) * mask_words(p.layer.c_in)));
    for (uint32_t& word : parts.mask_in) word = static_cast<uint32_t>(random.bits());
  }
  return parts;
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

Conv2dParams params_of(const Conv2dLayer& layer, int h, int w) {
  return Conv2dCase{"", layer, h, w, 0, 0}.params();
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
