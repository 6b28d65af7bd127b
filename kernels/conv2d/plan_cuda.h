// How a convolution is cut up for a GPU: phases, tiles, splits of the sum, the layout of packed weights.
// Internal to kernels/conv2d/*_cuda.*: sizes and indices only, no CUDA in it, so that any test can read it.
//
// Both directions are the same matrix product: an output pixel is a row of A (what it reads, taps times
// channels), an output channel a column of B (the weight). Backward-data with strides is stride_h * stride_w
// such products, one per phase of the pixels of dx, each dense: nothing is multiplied by inserted zeros.
#pragma once
#include <algorithm>
#include <cstdint>

#include "kernels/conv2d/conv2d.h"
#include "kernels/conv2d/phases.h"

namespace swag::cuda::conv2d {

constexpr int kDepth = 8;              // columns of A in shared memory at a time: a slice
constexpr int kPhasesPerLaunch = 4;    // a stride of 2 in one launch
constexpr int kWantedWarps = 132 * 8;  // two per scheduler of an H100; a constant, so that results are too
constexpr int kMinSplitSlices = 32;    // a shorter sum costs less than adding up its parts
constexpr int kMaxSplits = 16;

/// A tile is kTileM pixels by kTileN channels. Few channels get a narrow tile; they are padded to whole ones.
constexpr int kNarrowTile = 32, kWideTile = 64;

using phases::Axis;
using phases::backward_axis;
using phases::ceil_div;
using phases::forward_axis;
using phases::round_up;

struct Phase {
  Axis rows, cols;
  int64_t packed_offset = 0;  // elements

  int64_t pixels() const { return int64_t{rows.count} * cols.count; }
  int taps() const { return rows.taps * cols.taps; }
};

// ---------------------------------------------------------------- forward of a layer that reads an image

constexpr int kImageChannels = 4;    // at most: a tile of 32 channels would be mostly padding
constexpr int kImageProducts = 160;  // at most, forwards: a longer sum is made of pieces, by the GEMM
constexpr int kForwardRows = 4, kForwardCols = 32;  // output pixels of a tile

/// A tile's patch of the image is (row, column * channel), as in memory.
struct ForwardImagePlan {
  int patch_rows = 0, patch_row = 0;  // rows, and the floats of one
  int shared_bytes = 0;  // the weights of one row of taps, (tap column * channel, 64), and the patch
};

inline ForwardImagePlan forward_image_plan(const Conv2dLayer& l) {
  ForwardImagePlan plan;
  plan.patch_rows = (kForwardRows - 1) * l.stride_h + l.kh;
  plan.patch_row = ((kForwardCols - 1) * l.stride_w + l.kw) * l.c_in;
  plan.shared_bytes = 4 * (l.kw * l.c_in * kWideTile + plan.patch_rows * plan.patch_row);
  return plan;
}

inline bool forward_image_suits(const Conv2dLayer& l) {
  return l.c_in <= kImageChannels && l.c_out > kNarrowTile && l.stride_h == l.stride_w && l.stride_h <= 2 &&
         l.kh * l.kw * l.c_in <= kImageProducts && forward_image_plan(l).shared_bytes <= 48 << 10;
}

// ---------------------------------------------------------------- matrix product

/// The matrix product behind one direction of a layer.
struct Gemm {
  Conv2dLayer layer;
  Conv2dDirection direction = Conv2dDirection::kForward;
  int in = 0, in_padded = 0;    // channels per tap: of A as they are, and as packed (see gemm_of)
  int out = 0, out_padded = 0;  // columns of B
  int h = 0, w = 0;             // pixels of what is read
  int y_h = 0, y_w = 0;         // and of what is written
  int64_t x_pitch = 0, y_pitch = 0;

  int phases() const { return direction == Conv2dDirection::kForward ? 1 : layer.stride_h * layer.stride_w; }
  int64_t slices(const Phase& phase) const { return ceil_div(int64_t{phase.taps()} * in_padded, kDepth); }
  int64_t packed_elements(const Phase& phase) const { return slices(phase) * kDepth * out_padded; }
};

/// Without a map (pack): only taps and channels count. Channels of a tap are padded to an access of 16 bytes,
/// but those of an image, which the image kernel reads one by one, are not.
inline Gemm gemm_of(const Conv2dLayer& layer, Conv2dDirection direction) {
  const bool forward = direction == Conv2dDirection::kForward;
  Gemm g;
  g.layer = layer;
  g.direction = direction;
  g.in = forward ? layer.c_in : layer.c_out;
  g.out = forward ? layer.c_out : layer.c_in;
  g.in_padded = forward && forward_image_suits(layer) ? g.in : static_cast<int>(round_up(g.in, 4));
  g.out_padded = static_cast<int>(round_up(g.out, g.out <= kNarrowTile ? kNarrowTile : kWideTile));
  return g;
}

inline Gemm gemm_of(const Conv2dParams& p, Conv2dDirection direction) {
  const bool forward = direction == Conv2dDirection::kForward;
  Gemm g = gemm_of(p.layer, direction);
  g.h = forward ? p.h : p.h_out();
  g.w = forward ? p.w : p.w_out();
  g.y_h = forward ? p.h_out() : p.h;
  g.y_w = forward ? p.w_out() : p.w;
  g.x_pitch = forward ? p.x_pitch : p.y_pitch;
  g.y_pitch = forward ? p.y_pitch : p.x_pitch;
  return g;
}

/// Packed weights are (phase, slice, column of the slice, output channel); a phase's columns are (tap row,
/// tap column, input channel), rounded up to whole slices with zeros. Walks all phases: call visit(phase).
template <typename Visit>
void for_each_phase(const Gemm& g, const Visit& visit) {
  const Conv2dLayer& l = g.layer;
  int64_t offset = 0;
  for (int i = 0; i < g.phases(); ++i) {
    Phase phase;
    if (g.direction == Conv2dDirection::kForward) {
      phase.rows = forward_axis(g.h, l.kh, l.stride_h, l.pad_h);
      phase.cols = forward_axis(g.w, l.kw, l.stride_w, l.pad_w);
    } else {
      phase.rows = backward_axis(g.y_h, l.kh, l.stride_h, l.pad_h, i / l.stride_w);
      phase.cols = backward_axis(g.y_w, l.kw, l.stride_w, l.pad_w, i % l.stride_w);
    }
    phase.packed_offset = offset;
    offset += g.packed_elements(phase);
    visit(phase);
  }
}

inline int64_t gemm_packed_count(const Gemm& g) {
  int64_t count = 0;
  for_each_phase(g, [&](const Phase& phase) { count += g.packed_elements(phase); });
  return count;
}

/// Pixels and channels of a block's tile, and into how many parts the sums are split.
struct Tiling {
  int m = 128, n = kWideTile;
  int splits = 1;

  int threads() const { return m * n / 64; }  // each has 8 pixels by 8 channels
};

/// The one place where shapes meet tiles. Large maps: 128 x 64. Where that leaves the GPU idle: 64 x 64, and
/// where even these are few, each sum is cut into parts that other blocks compute and a second pass adds.
inline Tiling choose_tiling(const Gemm& g) {
  Tiling t;
  t.n = g.out_padded < kWideTile ? kNarrowTile : kWideTile;
  const auto warps = [&](int m) {
    int64_t tiles = 0;
    for_each_phase(g, [&](const Phase& phase) {
      if (phase.taps() > 0) tiles += ceil_div(phase.pixels(), m);  // the others are no work
    });
    return tiles * (g.out_padded / t.n) * (m * t.n / 64 / 32);
  };
  if (t.n == kWideTile && warps(128) < kWantedWarps) t.m = 64;
  int64_t longest = 0;
  for_each_phase(g, [&](const Phase& phase) { longest = std::max(longest, g.slices(phase)); });
  const int64_t wanted = kWantedWarps / std::max<int64_t>(warps(t.m), 1);
  const int64_t possible = std::min<int64_t>(longest / kMinSplitSlices, kMaxSplits);
  t.splits = static_cast<int>(std::max<int64_t>(std::min(wanted, possible), 1));
  return t;
}

/// Whether another pass writes the map: it adds up split sums, and it knows types of 16 bits.
inline bool gemm_has_second_pass(const Tiling& tiling, DType written) {
  return tiling.splits > 1 || size_of(written) == 2;
}

/// Partial sums are (split, pixel of the map, padded channel).
inline int64_t gemm_workspace_bytes(const Gemm& g, DType written) {
  const Tiling t = choose_tiling(g);
  if (!gemm_has_second_pass(t, written)) return 0;
  return int64_t{t.splits} * g.y_h * g.y_w * g.out_padded * static_cast<int64_t>(sizeof(float));
}

// ---------------------------------------------------------------- backward of a layer that reads an image

constexpr int kImageStride = 4;    // at most, per axis; phases at most kImageWarps
constexpr int kImageColumns = 32;  // pixels of one phase in a row: one per lane
constexpr int kImageRows = 8;      // and under one another, in a thread's registers
constexpr int kImageWarps = 4;
constexpr int kImageSharedBytes = 64 << 10;  // what a Turing block can have

/// One axis of the image kernel's tiles: all its phases, and how much of dy they read.
struct ImageAxis {
  int stride = 1;
  int x_first[kImageStride] = {};
  int taps[kImageStride] = {};
  int taps_before[kImageStride] = {};  // of the phases before
  int tile = 0;                        // pixels of one phase
  int first = 0, extent = 0;           // of the dy that a tile reads, for the tile at pixel 0
};

inline ImageAxis image_axis(int kernel, int stride, int pad, int tile) {
  ImageAxis axis;
  axis.stride = stride;
  axis.tile = tile;
  int last = 0, before = 0;
  bool any = false;
  for (int phase = 0; phase < stride; ++phase) {
    const Axis a = backward_axis(stride, kernel, stride, pad, phase);
    axis.x_first[phase] = a.x_first;
    axis.taps[phase] = a.taps;
    axis.taps_before[phase] = before;
    before += a.taps;
    if (a.taps == 0) continue;
    axis.first = any ? std::min(axis.first, a.x_first) : a.x_first;
    last = any ? std::max(last, a.x_first + a.taps - 1) : a.x_first + a.taps - 1;
    any = true;
  }
  axis.extent = last - axis.first + tile;
  return axis;
}

/// dy in shared memory is (half of a slice, row, column) of four channels each; the halves are 16 banks
/// apart. dx is (row, phase of the column, column, channel), the phases 16 banks apart too.
struct ImagePlan {
  ImageAxis rows, cols;
  int taps = 0;
  int dx_rows = 0, dx_cols = 0;  // pixels of a tile
  int dy_plane = 0;              // float4
  int dx_plane = 0;              // floats

  /// dx follows on dy and the weights, in the same place.
  int shared_bytes() const {
    const int dx = 4 * dx_rows * cols.stride * dx_plane;
    return std::max(16 * (2 * dy_plane + kDepth * taps), dx);
  }
};

inline ImagePlan image_plan(const Conv2dLayer& l) {
  ImagePlan plan;
  const int strips = std::max(kImageWarps / (l.stride_h * l.stride_w), 1);
  plan.rows = image_axis(l.kh, l.stride_h, l.pad_h, strips * kImageRows);
  plan.cols = image_axis(l.kw, l.stride_w, l.pad_w, kImageColumns);
  plan.dx_rows = plan.rows.tile * l.stride_h;
  plan.dx_cols = plan.cols.tile * l.stride_w;
  plan.taps = l.kh * l.kw;
  plan.dy_plane = static_cast<int>(round_up(int64_t{plan.rows.extent} * plan.cols.extent + 4, 8)) - 4;
  plan.dx_plane = kImageColumns * l.c_in + (l.stride_w > 1 ? 16 : 0);
  return plan;
}

inline bool backward_image_suits(const Conv2dLayer& l) {
  return l.c_in <= kImageChannels && l.stride_h <= kImageStride && l.stride_w <= kImageStride &&
         l.stride_h * l.stride_w <= kImageWarps && image_plan(l).shared_bytes() <= kImageSharedBytes;
}

/// (slice of dy's channels, phase row, phase column, tap row, tap column, channel of the slice, channel of dx
/// padded to 4).
inline int64_t image_packed_count(const Conv2dLayer& l) {
  return ceil_div(l.c_out, kDepth) * l.kh * l.kw * kDepth * kImageChannels;
}

}  // namespace swag::cuda::conv2d
