// How the direct convolution of the CPU is cut up: phases, blocks of pixels, groups of output channels.
// Internal to conv2d_direct_cpu.cpp: sizes and indices only, no arithmetic on maps.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/conv2d/conv2d.h"
#include "kernels/conv2d/phases.h"
#include "kernels/cpu/gemm_micro_kernel.h"

namespace swag::cpu::direct {

constexpr int64_t kBlockReadBytes = 384 << 10;     // leaves the second-level cache room for the weights
constexpr int64_t kBlockWrittenBytes = 256 << 10;  // every panel writes a piece of each pixel
constexpr int64_t kBlockColumns = 64;
constexpr int64_t kMinBlockColumns = 24;
constexpr int kGroupChannels = 32;     // output channels are shared out in whole words of the mask
constexpr int kTasksPerThread = 8;     // so that waiting for the last one costs little
constexpr int64_t kAliasBytes = 4096;  // rows of A this far apart fall into one set of the first-level cache

template <typename T>
constexpr int64_t kLine = 64 / sizeof(T);  // elements of a cache line

using phases::Axis;
using phases::backward_axis;
using phases::ceil_div;
using phases::forward_axis;
using phases::round_up;

struct Phase {
  Axis rows, cols;
  int64_t packed_offset = 0;  // of its weights
};

inline int phase_count(const Conv2dLayer& layer, Conv2dDirection direction) {
  return direction == Conv2dDirection::kForward ? 1 : layer.stride_h * layer.stride_w;
}

/// The axes of phase (index / stride_w, index % stride_w). Without a map (h = w = 0) only their taps count.
inline Axis row_axis(const Conv2dLayer& l, Conv2dDirection direction, int h, int index) {
  if (direction == Conv2dDirection::kForward) return forward_axis(h, l.kh, l.stride_h, l.pad_h);
  return backward_axis(h, l.kh, l.stride_h, l.pad_h, index / l.stride_w);
}
inline Axis col_axis(const Conv2dLayer& l, Conv2dDirection direction, int w, int index) {
  if (direction == Conv2dDirection::kForward) return forward_axis(w, l.kw, l.stride_w, l.pad_w);
  return backward_axis(w, l.kw, l.stride_w, l.pad_w, index % l.stride_w);
}

/// Channels summed over and channels written.
struct Channels {
  int in = 0, out = 0;
};
inline Channels channels_of(const Conv2dLayer& l, Conv2dDirection direction) {
  return direction == Conv2dDirection::kForward ? Channels{l.c_in, l.c_out} : Channels{l.c_out, l.c_in};
}

/// Packed weights are (phase, panel of output channels, tap row, tap column, input channel, channel of the
/// panel).
template <typename T>
int64_t phase_packed_count(const Axis& rows, const Axis& cols, const Channels& c) {
  return round_up(c.out, gemm_kernel<T>().panel) * rows.taps * cols.taps * c.in;
}

template <typename T>
Phase phase_of(const Conv2dLayer& layer, Conv2dDirection direction, int h, int w, int index) {
  const Channels c = channels_of(layer, direction);
  Phase phase;
  for (int i = 0;; ++i) {
    phase.rows = row_axis(layer, direction, h, i);
    phase.cols = col_axis(layer, direction, w, i);
    if (i == index) return phase;
    phase.packed_offset += phase_packed_count<T>(phase.rows, phase.cols, c);
  }
}

/// How a phase is cut into tasks: blocks of output pixels times groups of output channels.
struct Blocking {
  bool copies = false;
  int rows = 1, cols = 1;  // outputs per block
  int64_t row_blocks = 0, col_blocks = 0;
  int64_t groups = 1;
  int group_channels = 0;
  int64_t pixel_pitch = 0, row_pitch = 0;  // elements from pixel to pixel and row to row of strip or map

  int64_t tasks() const { return row_blocks * col_blocks * groups; }
};

/// Everything about one call but the tasks' own state.
template <typename T>
struct Correlation {
  const T* x = nullptr;  // what is read: a map of h x w pixels
  int h = 0, w = 0;
  int64_t x_pitch = 0;
  T* y = nullptr;  // what is written: rows of y_w pixels
  int y_w = 0;
  int64_t y_pitch = 0;
  Channels c;
  const T* packed = nullptr;
  const T* bias = nullptr;
  const T* residual = nullptr;
  bool relu = false;
  uint32_t* mask_out = nullptr;
  const uint32_t* mask_in = nullptr;
};

template <typename T>
struct Plan {
  Correlation<T> map;  // pointers are null while only sizes are asked for
  Phase phase;
  Blocking blocking;
};

/// A 1x1 of stride 1 has no rows: its map is one list of pixels.
template <typename T>
void flatten(Correlation<T>& map, Phase& phase) {
  const auto is_plain = [](const Axis& axis, int extent) {
    return axis.taps == 1 && axis.x_step == 1 && axis.y_step == 1 && axis.x_first == 0 &&
           axis.count == extent;
  };
  if (!is_plain(phase.rows, map.h) || !is_plain(phase.cols, map.w)) return;
  phase.cols.count = map.w = map.y_w = map.h * map.w;
  phase.rows.count = map.h = 1;
}

/// Splits `count` into parts of nearly `part`, all equally long but the last.
inline int even_part(int count, int64_t part) {
  return static_cast<int>(ceil_div(count, ceil_div(count, std::max<int64_t>(part, 1))));
}

template <typename T>
bool rows_alias(int64_t elements) {
  return elements * static_cast<int64_t>(sizeof(T)) % kAliasBytes == 0;
}

/// Sets rows and cols of a block so that what it reads and writes fits the cache, with little halo.
inline void choose_block(Blocking& blocking, const Phase& phase, int64_t x_pixel_bytes,
                         int64_t y_pixel_bytes) {
  const Axis &rows = phase.rows, &cols = phase.cols;
  const int64_t x_pixels = std::max<int64_t>(kBlockReadBytes / x_pixel_bytes, 1);
  const int64_t y_pixels = std::max<int64_t>(kBlockWrittenBytes / y_pixel_bytes, 1);
  const auto set_cols = [&](int64_t part) {
    blocking.cols = even_part(cols.count, std::max(part, kMinBlockColumns));
  };
  const auto rows_that_fit = [&] {
    const int64_t strip_rows = x_pixels / cols.strip_extent(blocking.cols);
    const int64_t readable = (strip_rows - std::max(rows.taps, 1)) / rows.strip_step() + 1;
    return std::min({readable, y_pixels / blocking.cols, int64_t{rows.count}});
  };
  set_cols(rows.count == 1 ? std::min(x_pixels, y_pixels) : kBlockColumns);
  if (rows_that_fit() < rows.taps) set_cols(blocking.cols / 2);
  blocking.rows = even_part(rows.count, rows_that_fit());
}

template <typename T>
Blocking choose_blocking(const Correlation<T>& map, const Phase& phase, int threads) {
  const Axis &rows = phase.rows, &cols = phase.cols;
  Blocking blocking;
  if (rows.count == 0 || cols.count == 0) return blocking;
  const bool reads = rows.taps > 0 && cols.taps > 0;
  blocking.copies = reads && (!rows.stays_inside(map.h) || !cols.stays_inside(map.w) ||
                              rows_alias<T>(cols.x_step * map.x_pitch));
  blocking.pixel_pitch = map.x_pitch;
  if (blocking.copies) {
    blocking.pixel_pitch = map.c.in;
    if (rows_alias<T>(cols.strip_step() * blocking.pixel_pitch)) blocking.pixel_pitch += kLine<T>;
  }
  choose_block(blocking, phase, blocking.pixel_pitch * sizeof(T), map.c.out * sizeof(T));
  blocking.row_pitch = (blocking.copies ? cols.strip_extent(blocking.cols) : map.w) * blocking.pixel_pitch;
  blocking.row_blocks = ceil_div(rows.count, blocking.rows);
  blocking.col_blocks = ceil_div(cols.count, blocking.cols);

  const int64_t words = ceil_div(map.c.out, kGroupChannels);
  const int64_t blocks = blocking.row_blocks * blocking.col_blocks;
  const int64_t wanted = ceil_div(int64_t{kTasksPerThread} * threads, blocks);
  const int64_t group_words = ceil_div(words, threads == 1 ? 1 : std::min(wanted, words));
  blocking.groups = ceil_div(words, group_words);
  blocking.group_channels = static_cast<int>(group_words * kGroupChannels);
  return blocking;
}

template <typename T>
Plan<T> make_plan(const Correlation<T>& map, const Conv2dParams& params, Conv2dDirection direction, int index,
                  int threads) {
  Plan<T> plan;
  plan.map = map;
  plan.phase = phase_of<T>(params.layer, direction, params.h, params.w, index);
  flatten(plan.map, plan.phase);
  plan.blocking = choose_blocking(plan.map, plan.phase, threads);
  return plan;
}

template <typename T>
int64_t strip_elements(const Plan<T>& plan) {
  if (!plan.blocking.copies || plan.blocking.tasks() == 0) return 0;
  return round_up(plan.phase.rows.strip_extent(plan.blocking.rows) * plan.blocking.row_pitch, kLine<T>);
}

template <typename T>
Correlation<T> geometry(const Conv2dParams& p, Conv2dDirection direction) {
  Correlation<T> map;
  map.c = channels_of(p.layer, direction);
  const bool forward = direction == Conv2dDirection::kForward;
  map.h = forward ? p.h : p.h_out();
  map.w = forward ? p.w : p.w_out();
  map.x_pitch = forward ? p.x_pitch : p.y_pitch;
  map.y_w = forward ? p.w_out() : p.w;
  map.y_pitch = forward ? p.y_pitch : p.x_pitch;
  return map;
}

}  // namespace swag::cpu::direct
