// Running the CUDA convolution on host data, and the definition to compare it with.
#pragma once
#include <cstdint>
#include <limits>

#include "kernels/conv2d/conv2d.h"
#include "kernels/mask.h"
#include "tests/cuda/stored.h"
#include "tests/kernels/conv2d/cases.h"

namespace swag::test {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

constexpr auto kForward = Conv2dDirection::kForward;
constexpr auto kBackward = Conv2dDirection::kBackwardData;

inline int64_t channels(const Conv2dParams& p, bool x) { return x ? p.layer.c_in : p.layer.c_out; }
inline int64_t pixels(const Conv2dParams& p, bool x) {
  return x ? int64_t{p.h} * p.w : int64_t{p.h_out()} * p.w_out();
}
inline int64_t pitch(const Conv2dParams& p, bool x) { return x ? p.x_pitch : p.y_pitch; }
inline int64_t count(const Conv2dParams& p, bool x) { return pixels(p, x) * channels(p, x); }

/// Dense to pitched, with NaN between the pixels, and back; what lies between must still be NaN.
inline Floats spread(const Floats& dense, const Conv2dParams& p, bool x) {
  Floats wide(static_cast<size_t>(pixels(p, x) * pitch(p, x)), std::numeric_limits<float>::quiet_NaN());
  for (int64_t i = 0; i < count(p, x); ++i) {
    wide[i / channels(p, x) * pitch(p, x) + i % channels(p, x)] = dense[i];
  }
  return wide;
}
inline Floats gathered(const Floats& wide, const Conv2dParams& p, bool x) {
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
inline Doubles naive(const Floats& from, const Floats& weight, const Conv2dParams& p, bool forward) {
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
  float weight_factor = 1;
};

struct Result {
  Floats values;
  std::vector<uint32_t> mask;
};

/// Packs and runs on the device, with guards around everything; maps are stored as p says, and inputs must
/// fit that. `shift`: elements that x, y and the rest lie off an aligned address. `units`: of a GPU that
/// kTensorCores is to take its tiles for.
inline Result run(const Floats& input, const Floats& weight, const Parts& parts, const Conv2dParams& p,
                  bool forward, int shift = 0, cuda::TensorUnits units = {}) {
  const Conv2dDirection direction = forward ? kForward : kBackward;
  const bool x = !forward;  // is written
  const DType from_type = forward ? p.x_type : p.y_type, to_type = forward ? p.y_type : p.x_type;
  StoredMap from(spread(input, p, forward), from_type, shift);
  StoredMap to(pixels(p, x) * pitch(p, x), to_type, shift);
  DeviceBuffer<float> original(weight), bias(parts.bias, shift);
  Workspace packed(cuda::conv2d_packed_bytes(p.layer, p.algorithm, direction, from_type));
  DeviceBuffer<uint32_t> mask_in(parts.mask_in), mask_out(pixels(p, x) * mask_words(channels(p, x)));
  Workspace workspace(cuda::conv2d_workspace_bytes(p, direction, units));
  DeviceBuffer<uint32_t> counters(std::vector<uint32_t>(cuda::kTensorCounters, 0));
  units.counters = counters.data();
  const Floats addition = parts.addend.empty() ? Floats() : spread(parts.addend, p, x);
  StoredMap other(parts.in_place ? Floats() : addition, to_type, shift);
  if (parts.in_place) to.upload(addition);
  const void* addend = parts.addend.empty() ? nullptr : parts.in_place ? to.data() : other.data();

  cuda::conv2d_pack(packed.data(), original.data(), p.layer, p.algorithm, direction, from_type, Stream{},
                    parts.weight_factor);
  if (forward) {
    Conv2dForwardEpilogue<void> e;
    e.bias = parts.bias.empty() ? nullptr : bias.data();
    e.residual = addend;
    e.relu = parts.relu;
    e.mask = parts.mask_out ? mask_out.data() : nullptr;
    cuda::conv2d_forward(to.data(), from.data(), packed.data(), e, p, workspace.data(), Stream{}, units);
  } else {
    Conv2dBackwardEpilogue<void> e;
    e.addend = addend;
    e.mask = parts.mask_in.empty() ? nullptr : mask_in.data();
    cuda::conv2d_backward_data(to.data(), from.data(), packed.data(), e, p, workspace.data(), Stream{},
                               units);
  }
  CHECK(counters.values() == std::vector<uint32_t>(cuda::kTensorCounters, 0));
  CHECK((packed.intact() && workspace.intact() && to.intact() && mask_out.intact()));
  return {gathered(to.values(), p, x), parts.mask_out ? mask_out.values() : std::vector<uint32_t>()};
}

/// The CPU twin's result without an epilogue.
inline Floats run_cpu(const Floats& input, const Floats& weight, Conv2dParams p, bool forward) {
  const Conv2dDirection direction = forward ? kForward : kBackward;
  p.algorithm = Conv2dAlgorithm::kDirect;
  const bool x = !forward;
  const Floats from = spread(input, p, forward);
  Floats to(static_cast<size_t>(pixels(p, x) * pitch(p, x)), std::numeric_limits<float>::quiet_NaN());
  GuardedBuffer<float> packed(cpu::conv2d_packed_count<float>(p.layer, p.algorithm, direction));
  GuardedBuffer<char> workspace(cpu::conv2d_workspace_bytes<float>(p, direction, Stream{}));
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
inline Doubles finished(Doubles values, const Parts& parts, int64_t c) {
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

/// Bits are those of the values, and bits of channels that do not exist are 0.
inline void check_mask(const Result& result, int64_t c) {
  std::vector<uint32_t> expected(result.mask.size());
  for (size_t i = 0; i < result.values.size(); ++i) {
    const auto pixel = static_cast<int64_t>(i) / c, channel = static_cast<int64_t>(i) % c;
    const uint32_t bit = result.values[i] > 0 ? 1u : 0u;
    expected[pixel * mask_words(static_cast<int>(c)) + channel / 32] |= bit << (channel % 32);
  }
  CHECK(result.mask == expected);
}

inline Parts forward_parts(const Conv2dParams& p, int combination) {
  Parts parts;
  if (combination & 1) parts.bias = random_vector<float>(p.layer.c_out, 4);
  if (combination & 2) parts.addend = random_vector<float>(count(p, false), 5);
  parts.relu = combination & 4;
  parts.mask_out = combination & 8;
  return parts;
}

inline Parts backward_parts(const Conv2dParams& p, int combination) {
  Parts parts;
  if (combination & 1) parts.addend = random_vector<float>(count(p, true), 6);
  if (combination & 2) {
    Random random(7);
    parts.mask_in.resize(static_cast<size_t>(pixels(p, true) * mask_words(p.layer.c_in)));
    for (uint32_t& word : parts.mask_in) word = static_cast<uint32_t>(random.bits());
  }
  return parts;
}

/// What tensor cores read in a precision, on the way forwards and on the way back.
struct TensorPrecision {
  DType value, gradient;
  DType operand(bool forward) const { return forward ? value : gradient; }
};
constexpr TensorPrecision kTf32{DType::kTf32, DType::kTf32}, kHalf{DType::kFloat16, DType::kBFloat16};

/// A convolution on tensor cores: the map that is read is of the precision, and what is written is float.
inline Conv2dParams tensor_params_of(const Conv2dCase& shape, bool forward,
                                     const TensorPrecision& precision = kTf32) {
  Conv2dParams p = shape.params();
  p.algorithm = Conv2dAlgorithm::kTensorCores;
  (forward ? p.x_type : p.y_type) = precision.operand(forward);
  return p;
}

// Tensor cores cut off what is below their sum's last bit: the emulator models them with one rounding per
// instruction, and a real one gets this much.
constexpr double kTensorTolerance = 3e-6;

inline void check_close(const Floats& actual, const Doubles& expected, double tolerance) {
  CHECK_FALSE(!(relative_l2(actual, expected) <= tolerance));
  CHECK_FALSE(!(worst_element(actual, expected) <= 4 * tolerance));
}

/// The operands of a case on tensor cores.
struct TensorOperands {
  Conv2dParams p;
  DType type;
  Floats weight, input;

  TensorOperands(const Conv2dCase& shape, bool forward, const TensorPrecision& precision)
      : p(tensor_params_of(shape, forward, precision)),
        type(precision.operand(forward)),
        weight(random_vector<float>(p.layer.weight_count(), 1)),
        input(rounded(random_vector<float>(count(p, forward), 2), type)) {}
};

/// Its sums, without an epilogue.
inline Floats tensor_sums(const Conv2dCase& shape, bool forward, const cuda::TensorUnits& units,
                          const TensorPrecision& precision) {
  const TensorOperands of(shape, forward, precision);
  return run(of.input, of.weight, {}, of.p, forward, 0, units).values;
}

/// One direction of a case on tensor cores: bare, with the whole epilogue, and in place, stored as what is
/// read. Returns the bare sums.
inline Floats check_tensor_direction(const Conv2dCase& shape, bool forward, const cuda::TensorUnits& units,
                                     const TensorPrecision& precision) {
  const TensorOperands of(shape, forward, precision);
  const Conv2dParams& p = of.p;
  CAPTURE(forward);
  CAPTURE(static_cast<int>(of.type));
  const Doubles expected = naive(of.input, rounded(of.weight, of.type), p, forward);
  const Floats sums = tensor_sums(shape, forward, units, precision);
  check_close(sums, expected, kTensorTolerance);
  Parts parts = forward ? forward_parts(p, 15) : backward_parts(p, 3);
  parts.addend = rounded(parts.addend, of.type);  // so that it can be stored as what is written below
  const Result full = run(of.input, of.weight, parts, p, forward, 0, units);
  check_close(full.values, finished(expected, parts, channels(p, !forward)), kTensorTolerance);
  if (forward) check_mask(full, p.layer.c_out);
  parts.in_place = true;
  Conv2dParams stored = p;
  (forward ? stored.y_type : stored.x_type) = of.type;
  const Result again = run(of.input, of.weight, parts, stored, forward, 0, units);
  CHECK(same_bytes(again.values, rounded(full.values, of.type)));
  CHECK(again.mask == full.mask);
  return sums;
}

inline Conv2dParams params_of(const Conv2dLayer& layer, int h, int w) {
  return Conv2dCase{"", layer, h, w, 0, 0}.params();
}

}  // namespace swag::test
