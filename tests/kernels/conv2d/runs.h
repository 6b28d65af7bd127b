// Runs the CPU convolution between guards, and the definition of kernels/conv2d/conv2d.h in double: what the
// tests of its algorithms share.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/conv2d/conv2d.h"
#include "kernels/cpu/thread_pool.h"
#include "tests/helpers.h"
#include "tests/kernels/conv2d/cases.h"

namespace swag::test {

/// Numbers in [-1, 1) that are exact in both precisions.
inline std::vector<double> noise(int64_t count, uint64_t seed) {
  return converted<double>(random_vector<float>(count, seed));
}

/// A map of `pixels` by `c` values at a pitch. What lies between the pixels must stay as it was: NaN.
template <typename T>
struct PitchedMap {
  int64_t pixels, c, pitch;
  GuardedBuffer<T> data;

  PitchedMap(int64_t pixels_, int64_t c_, int64_t pitch_)
      : pixels(pixels_), c(c_), pitch(pitch_), data(pixels_ * pitch_) {}
  PitchedMap(const std::vector<double>& values, int64_t c_, int64_t pitch_)
      : PitchedMap(static_cast<int64_t>(values.size()) / c_, c_, pitch_) {
    for (int64_t i = 0; i < pixels * c; ++i) data[i / c * pitch + i % c] = static_cast<T>(values[i]);
  }
  std::vector<double> values() const {
    std::vector<double> result;
    for (int64_t i = 0; i < pixels * c; ++i) result.push_back(data[i / c * pitch + i % c]);
    return result;
  }
  bool intact() const {
    for (int64_t i = 0; i < pixels * pitch; ++i) {
      if (i % pitch >= c && !std::isnan(data[i])) return false;
    }
    return data.intact();
  }
};

/// Calls visit(output pixel, input pixel, tap) for every product of the definition; maps are dense.
template <typename Visit>
void for_each_tap(const Conv2dParams& p, const Visit& visit) {
  const Conv2dLayer& l = p.layer;
  for (int r = 0; r < p.h_out(); ++r) {
    for (int q = 0; q < p.w_out(); ++q) {
      for (int i = 0; i < l.kh; ++i) {
        for (int j = 0; j < l.kw; ++j) {
          const int u = r * l.stride_h + i - l.pad_h, v = q * l.stride_w + j - l.pad_w;
          if (u < 0 || u >= p.h || v < 0 || v >= p.w) continue;
          visit(int64_t{r} * p.w_out() + q, int64_t{u} * p.w + v, i * l.kw + j);
        }
      }
    }
  }
}

inline std::vector<double> naive_forward(const std::vector<double>& x, const std::vector<double>& weight,
                                         const Conv2dParams& p) {
  const Conv2dLayer& l = p.layer;
  std::vector<double> y(int64_t{p.h_out()} * p.w_out() * l.c_out);
  for_each_tap(p, [&](int64_t to, int64_t from, int tap) {
    for (int o = 0; o < l.c_out; ++o) {
      const double* w = &weight[(int64_t{o} * l.kh * l.kw + tap) * l.c_in];
      for (int k = 0; k < l.c_in; ++k) y[to * l.c_out + o] += x[from * l.c_in + k] * w[k];
    }
  });
  return y;
}

inline std::vector<double> naive_backward(const std::vector<double>& dy, const std::vector<double>& weight,
                                          const Conv2dParams& p) {
  const Conv2dLayer& l = p.layer;
  std::vector<double> dx(int64_t{p.h} * p.w * l.c_in);
  for_each_tap(p, [&](int64_t from, int64_t to, int tap) {
    for (int o = 0; o < l.c_out; ++o) {
      const double* w = &weight[(int64_t{o} * l.kh * l.kw + tap) * l.c_in];
      for (int k = 0; k < l.c_in; ++k) dx[to * l.c_in + k] += dy[from * l.c_out + o] * w[k];
    }
  });
  return dx;
}

inline int64_t x_count(const Conv2dParams& p) { return int64_t{p.h} * p.w * p.layer.c_in; }
inline int64_t y_count(const Conv2dParams& p) { return int64_t{p.h_out()} * p.w_out() * p.layer.c_out; }

/// Packs, runs and checks the guards of everything that is written.
template <typename T>
std::vector<double> run_forward(const std::vector<double>& x, const std::vector<double>& weight,
                                const Conv2dForwardEpilogue<T>& epilogue, const Conv2dParams& p,
                                Stream stream, PitchedMap<T>& y) {
  const auto direction = Conv2dDirection::kForward;
  PitchedMap<T> input(x, p.layer.c_in, p.x_pitch);
  GuardedBuffer<T> packed(cpu::conv2d_packed_count<T>(p.layer, p.algorithm, direction));
  GuardedBuffer<unsigned char> workspace(cpu::conv2d_workspace_bytes<T>(p, direction, stream));
  cpu::conv2d_pack(packed.data(), converted<T>(weight).data(), p.layer, p.algorithm, direction, stream);
  cpu::conv2d_forward(y.data.data(), input.data.data(), packed.data(), epilogue, p, workspace.data(), stream);
  CHECK(packed.intact());
  CHECK(workspace.intact());
  CHECK(y.intact());
  return y.values();
}

template <typename T>
std::vector<double> run_forward(const std::vector<double>& x, const std::vector<double>& weight,
                                const Conv2dForwardEpilogue<T>& epilogue, const Conv2dParams& p,
                                Stream stream) {
  PitchedMap<T> y(y_count(p) / p.layer.c_out, p.layer.c_out, p.y_pitch);
  return run_forward(x, weight, epilogue, p, stream, y);
}

template <typename T>
std::vector<double> run_backward(const std::vector<double>& dy, const std::vector<double>& weight,
                                 const Conv2dBackwardEpilogue<T>& epilogue, const Conv2dParams& p,
                                 Stream stream, PitchedMap<T>& dx) {
  const auto direction = Conv2dDirection::kBackwardData;
  PitchedMap<T> input(dy, p.layer.c_out, p.y_pitch);
  GuardedBuffer<T> packed(cpu::conv2d_packed_count<T>(p.layer, p.algorithm, direction));
  GuardedBuffer<unsigned char> workspace(cpu::conv2d_workspace_bytes<T>(p, direction, stream));
  cpu::conv2d_pack(packed.data(), converted<T>(weight).data(), p.layer, p.algorithm, direction, stream);
  cpu::conv2d_backward_data(dx.data.data(), input.data.data(), packed.data(), epilogue, p, workspace.data(),
                            stream);
  CHECK(packed.intact());
  CHECK(workspace.intact());
  CHECK(dx.intact());
  return dx.values();
}

template <typename T>
std::vector<double> run_backward(const std::vector<double>& dy, const std::vector<double>& weight,
                                 const Conv2dBackwardEpilogue<T>& epilogue, const Conv2dParams& p,
                                 Stream stream) {
  PitchedMap<T> dx(x_count(p) / p.layer.c_in, p.layer.c_in, p.x_pitch);
  return run_backward(dy, weight, epilogue, p, stream, dx);
}

inline Conv2dParams small_params(Conv2dLayer layer, int h, int w) {
  return Conv2dCase{"", layer, h, w}.params();
}

}  // namespace swag::test
