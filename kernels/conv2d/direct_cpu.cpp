// Direct convolution: for each block of output pixels, copy what it reads into a zero-padded strip that fits
// the second-level cache, then multiply the strip by one panel of packed weights after the other
// (gemm_micro_kernel.h). Where no tap leaves the map, as in most 1x1, the micro-kernel reads the map itself.
//
// Bounded by arithmetic from about 64 channels on; below that by the writing of y.
#include "kernels/conv2d/direct_cpu.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "kernels/conv2d/plan_cpu.h"
#include "kernels/cpu/gemm_micro_kernel.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/mask.h"

namespace swag::cpu {
namespace {

using namespace direct;

/// The outputs of one task within its phase.
struct Block {
  int row = 0, rows = 0, col = 0, cols = 0;
  int channel = 0, channels = 0;
};

template <typename T>
Block block_of(const Plan<T>& plan, int64_t task) {
  const Blocking& b = plan.blocking;
  Block block;
  block.col = static_cast<int>(task % b.col_blocks) * b.cols;
  block.row = static_cast<int>(task / b.col_blocks % b.row_blocks) * b.rows;
  block.channel = static_cast<int>(task / b.col_blocks / b.row_blocks) * b.group_channels;
  block.cols = std::min(b.cols, plan.phase.cols.count - block.col);
  block.rows = std::min(b.rows, plan.phase.rows.count - block.row);
  block.channels = std::min(b.group_channels, plan.map.c.out - block.channel);
  return block;
}

/// Copies the input of a block; what lies outside the map is 0.
template <typename T>
void copy_strip(T* strip, const Plan<T>& plan, const Block& block) {
  const Correlation<T>& map = plan.map;
  const Axis &rows = plan.phase.rows, &cols = plan.phase.cols;
  const int64_t pitch = plan.blocking.pixel_pitch;
  const int strip_rows = rows.strip_extent(block.rows), strip_cols = cols.strip_extent(block.cols);
  const int step = cols.copy_step();
  const int first_col = cols.x_first + block.col * cols.x_step;
  const int begin = std::clamp<int>(ceil_div(std::max(-first_col, 0), step), 0, strip_cols);
  const int end = std::clamp<int>(ceil_div(std::max(map.w - first_col, 0), step), begin, strip_cols);
  for (int i = 0; i < strip_rows; ++i) {
    T* to = strip + i * plan.blocking.row_pitch;
    const int row = rows.x_first + block.row * rows.x_step + i * rows.copy_step();
    if (row < 0 || row >= map.h) {
      std::fill_n(to, strip_cols * pitch, T{0});
      continue;
    }
    std::fill(to, to + begin * pitch, T{0});
    std::fill(to + end * pitch, to + strip_cols * pitch, T{0});
    const T* from = map.x + (int64_t{row} * map.w + first_col + begin * step) * map.x_pitch;
    if (pitch == map.x_pitch && step == 1) {
      std::memcpy(to + begin * pitch, from, (end - begin) * pitch * sizeof(T));
    } else {
      for (int col = begin; col < end; ++col, from += step * map.x_pitch) {
        std::memcpy(to + col * pitch, from, map.c.in * sizeof(T));
      }
    }
  }
}

/// What all calls of the micro-kernel for one block have in common.
template <typename T>
GemmPanel<T> panel_of(const Plan<T>& plan) {
  const Correlation<T>& map = plan.map;
  const Axis &rows = plan.phase.rows, &cols = plan.phase.cols;
  const Blocking& b = plan.blocking;
  GemmPanel<T> panel;
  panel.a_step = (b.copies ? cols.strip_step() : cols.x_step) * b.pixel_pitch;
  panel.tap_row_step = b.row_pitch;
  panel.tap_rows = rows.taps;
  // Taps side by side are one run of channels where pixels touch.
  const bool touching = b.pixel_pitch == map.c.in;
  panel.tap_step = b.pixel_pitch;
  panel.taps = touching ? std::min(cols.taps, 1) : cols.taps;
  panel.depth = touching ? cols.taps * map.c.in : map.c.in;
  panel.y_step = cols.y_step * map.y_pitch;
  panel.relu = map.relu;
  panel.mask_step = cols.y_step * mask_words(map.c.out);
  return panel;
}

template <typename T>
void run_block(const Plan<T>& plan, const Block& block, T* strip) {
  const Correlation<T>& map = plan.map;
  const Axis &rows = plan.phase.rows, &cols = plan.phase.cols;
  const Blocking& b = plan.blocking;
  const int x_row = rows.x_first + block.row * rows.x_step, x_col = cols.x_first + block.col * cols.x_step;
  const T* a = map.x + (int64_t{x_row} * map.w + x_col) * map.x_pitch;
  int64_t a_row_step = rows.x_step * b.row_pitch;
  if (b.copies) {
    copy_strip(strip, plan, block);
    a = strip;
    a_row_step = rows.strip_step() * b.row_pitch;
  }
  const GemmKernel<T>& kernel = gemm_kernel<T>();
  const int64_t weights = int64_t{rows.taps} * cols.taps * map.c.in;  // per output channel
  GemmPanel<T> panel = panel_of(plan);
  panel.rows = block.cols;
  const int end = block.channel + block.channels;
  for (int channel = block.channel; channel < end; channel += kernel.panel) {
    panel.b = map.packed + plan.phase.packed_offset + channel * weights;
    panel.columns = std::min(kernel.panel, end - channel);
    panel.bias = map.bias ? map.bias + channel : nullptr;
    panel.mask_shift = channel % 32;
    panel.prefetch = !b.copies && channel == block.channel;
    for (int row = 0; row < block.rows; ++row) {
      const int y_row = rows.y_first + (block.row + row) * rows.y_step;
      const int y_col = cols.y_first + block.col * cols.y_step;
      const int64_t pixel = int64_t{y_row} * map.y_w + y_col;
      const int64_t y = pixel * map.y_pitch + channel;
      const int64_t word = pixel * mask_words(map.c.out) + channel / 32;
      panel.a = a + row * a_row_step;
      panel.y = map.y + y;
      panel.residual = map.residual ? map.residual + y : nullptr;
      panel.mask_out = map.mask_out ? map.mask_out + word : nullptr;
      panel.mask_in = map.mask_in ? map.mask_in + word : nullptr;
      kernel.multiply(panel);
    }
  }
}

template <typename T>
void run(const Correlation<T>& map, const Conv2dParams& params, Conv2dDirection direction, void* workspace,
         Stream stream) {
  const int threads = thread_count(stream);
  for (int index = 0; index < phase_count(params.layer, direction); ++index) {
    const Plan<T> plan = make_plan(map, params, direction, index, threads);
    const int64_t strip = strip_elements(plan);
    parallel_tasks(stream, plan.blocking.tasks(), [&](int64_t task, int thread) {
      run_block(plan, block_of(plan, task), static_cast<T*>(workspace) + thread * strip);
    });
  }
}

}  // namespace

template <typename T>
int64_t direct_packed_count(const Conv2dLayer& layer, Conv2dDirection direction) {
  return phase_of<T>(layer, direction, 0, 0, phase_count(layer, direction)).packed_offset;
}

template <typename T>
void direct_pack(T* packed, const T* weight, const Conv2dLayer& layer, Conv2dDirection direction,
                 Stream stream) {
  const Channels c = channels_of(layer, direction);
  const bool forward = direction == Conv2dDirection::kForward;
  const int panel = gemm_kernel<T>().panel;
  // Of weight(c_out, kh, kw, c_in): the steps of the channel written and of the one summed over.
  const int64_t filter = int64_t{layer.kh} * layer.kw * layer.c_in;
  const int64_t out_step = forward ? filter : 1, in_step = forward ? 1 : filter;
  for (int index = 0; index < phase_count(layer, direction); ++index) {
    const Phase phase = phase_of<T>(layer, direction, 0, 0, index);
    const Axis &rows = phase.rows, &cols = phase.cols;
    parallel_tasks(stream, ceil_div(c.out, panel), [&](int64_t task, int) {
      const int64_t channel = task * panel;
      const int columns = static_cast<int>(std::min<int64_t>(panel, c.out - channel));
      T* to = packed + phase.packed_offset + channel * rows.taps * cols.taps * c.in;
      for (int i = 0; i < rows.taps; ++i) {
        for (int j = 0; j < cols.taps; ++j) {
          const int tap_row = rows.tap_first + i * rows.tap_step;
          const int tap_col = cols.tap_first + j * cols.tap_step;
          const int64_t tap = int64_t{tap_row} * layer.kw + tap_col;
          for (int k = 0; k < c.in; ++k, to += panel) {
            const T* from = weight + tap * layer.c_in + channel * out_step + k * in_step;
            for (int n = 0; n < columns; ++n) to[n] = from[n * out_step];
            std::fill(to + columns, to + panel, T{0});
          }
        }
      }
    });
  }
}

template <typename T>
int64_t direct_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction, Stream stream) {
  const int threads = thread_count(stream);
  const Correlation<T> map = geometry<T>(params, direction);
  int64_t elements = 0;
  for (int index = 0; index < phase_count(params.layer, direction); ++index) {
    elements = std::max(elements, strip_elements(make_plan(map, params, direction, index, threads)));
  }
  return threads * elements * static_cast<int64_t>(sizeof(T));
}

template <typename T>
void direct_forward(T* y, const T* x, const T* packed, const Conv2dForwardEpilogue<T>& epilogue,
                    const Conv2dParams& params, void* workspace, Stream stream) {
  assert(epilogue.relu || !epilogue.mask);
  Correlation<T> map = geometry<T>(params, Conv2dDirection::kForward);
  map.x = x;
  map.y = y;
  map.packed = packed;
  map.bias = epilogue.bias;
  map.residual = epilogue.residual;
  map.relu = epilogue.relu;
  map.mask_out = epilogue.mask;
  run(map, params, Conv2dDirection::kForward, workspace, stream);
}

template <typename T>
void direct_backward_data(T* dx, const T* dy, const T* packed, const Conv2dBackwardEpilogue<T>& epilogue,
                          const Conv2dParams& params, void* workspace, Stream stream) {
  Correlation<T> map = geometry<T>(params, Conv2dDirection::kBackwardData);
  map.x = dy;
  map.y = dx;
  map.packed = packed;
  map.residual = epilogue.addend;
  map.mask_in = epilogue.mask;
  run(map, params, Conv2dDirection::kBackwardData, workspace, stream);
}

template int64_t direct_packed_count<float>(const Conv2dLayer&, Conv2dDirection);
template int64_t direct_packed_count<double>(const Conv2dLayer&, Conv2dDirection);
template void direct_pack<float>(float*, const float*, const Conv2dLayer&, Conv2dDirection, Stream);
template void direct_pack<double>(double*, const double*, const Conv2dLayer&, Conv2dDirection, Stream);
template int64_t direct_workspace_bytes<float>(const Conv2dParams&, Conv2dDirection, Stream);
template int64_t direct_workspace_bytes<double>(const Conv2dParams&, Conv2dDirection, Stream);
template void direct_forward<float>(float*, const float*, const float*, const Conv2dForwardEpilogue<float>&,
                                    const Conv2dParams&, void*, Stream);
template void direct_forward<double>(double*, const double*, const double*,
                                     const Conv2dForwardEpilogue<double>&, const Conv2dParams&, void*,
                                     Stream);
template void direct_backward_data<float>(float*, const float*, const float*,
                                          const Conv2dBackwardEpilogue<float>&, const Conv2dParams&, void*,
                                          Stream);
template void direct_backward_data<double>(double*, const double*, const double*,
                                           const Conv2dBackwardEpilogue<double>&, const Conv2dParams&, void*,
                                           Stream);

}  // namespace swag::cpu
