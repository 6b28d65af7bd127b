// Backward of a convolution that reads an image: dy times the weight as a matrix of c_out by (kh, kw, c_in)
// columns, a few rows at a time, then the columns are added up where they belong in a row of dx.
#include <algorithm>

#include "kernels/conv2d/direct_cpu.h"
#include "kernels/conv2d/plan_cpu.h"
#include "kernels/cpu/gemm_micro_kernel.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/mask.h"

namespace swag::cpu {
namespace {

using direct::ceil_div;
using direct::kLine;
using direct::round_up;

constexpr int kMostChannels = 4;
constexpr int kTasksPerThread = 4;  // fewer, longer tasks: see kMinTaskRows
constexpr int kMinTaskRows = 8;     // columns of up to kh - 1 rows are computed by the neighbour too

/// The columns of a few rows of dy, then one row of dx.
struct Layout {
  int columns = 0;         // kh * kw * c_in
  int64_t pitch = 0;       // columns rounded up to whole panels
  int slots = 0;           // rows of dy that one row of dx reads
  int64_t slot = 0;        // elements of one of them
  int64_t margin = 0;      // elements of a row before its first pixel
  int64_t row = 0;         // elements of a row with what windows read left and right of the map
  int64_t per_thread = 0;  // elements
};

template <typename T>
Layout layout_of(const Conv2dParams& p) {
  const Conv2dLayer& l = p.layer;
  const int panel = gemm_kernel<T>().panel;
  Layout layout;
  layout.columns = l.kh * l.kw * l.c_in;
  layout.pitch = round_up(layout.columns, panel);
  layout.slots = static_cast<int>(ceil_div(l.kh, l.stride_h));
  layout.slot = p.w_out() * layout.pitch;
  layout.margin = int64_t{l.pad_w} * l.c_in;
  layout.row = (int64_t{p.w} + 2 * l.pad_w) * l.c_in;
  layout.per_thread = round_up(layout.slots * layout.slot + layout.row, kLine<T>);
  return layout;
}

template <typename T>
void multiply_row(T* columns,  // (w_out, layout.pitch)
                  const T* dy, const T* packed, const Conv2dParams& p, const Layout& layout) {
  const GemmKernel<T>& kernel = gemm_kernel<T>();
  GemmPanel<T> panel;
  panel.a = dy;
  panel.a_step = p.y_pitch;
  panel.tap_rows = panel.taps = 1;
  panel.depth = p.layer.c_out;
  panel.rows = p.w_out();
  panel.columns = kernel.panel;
  panel.y_step = layout.pitch;
  for (int64_t column = 0; column < layout.pitch; column += kernel.panel) {
    panel.b = packed + column * p.layer.c_out;
    panel.y = columns + column;
    panel.prefetch = column == 0;
    kernel.multiply(panel);
  }
}

/// row += what one row of dy sends there through row i of the kernel: of each of its pixels one run of
/// kw * c_in values, of which those beyond the map fall into the row's margins.
template <typename T>
void scatter_row(T* __restrict row,  // (layout.row), its first pixel the one that a window at 0 begins with
                 const T* __restrict columns, int i, const Conv2dParams& p, const Layout& layout) {
  const Conv2dLayer& l = p.layer;
  const int w_out = p.w_out(), run = l.kw * l.c_in;
  const int64_t step = int64_t{l.stride_w} * l.c_in;
  columns += int64_t{i} * run;
  for (int q = 0; q < w_out; ++q, row += step, columns += layout.pitch) {
    for (int k = 0; k < run; ++k) row[k] += columns[k];
  }
}

template <typename T>
void finish_row(T* dx, const T* row, int64_t pixel, const Conv2dBackwardEpilogue<T>& epilogue,
                const Conv2dParams& p) {
  const int c = p.layer.c_in;
  if (!epilogue.addend && !epilogue.mask && p.x_pitch == c) {  // an image as it comes
    std::copy_n(row, int64_t{p.w} * c, dx + pixel * c);
    return;
  }
  for (int v = 0; v < p.w; ++v, ++pixel, row += c) {
    for (int channel = 0; channel < c; ++channel) {
      T value = row[channel];
      if (epilogue.addend) value += epilogue.addend[pixel * p.x_pitch + channel];
      if (epilogue.mask && !mask_bit(epilogue.mask, pixel, c, channel)) value = 0;
      dx[pixel * p.x_pitch + channel] = value;
    }
  }
}

}  // namespace

bool gather_suits(const Conv2dLayer& layer) { return layer.c_in <= kMostChannels && layer.kh * layer.kw > 1; }

template <typename T>
int64_t gather_packed_count(const Conv2dLayer& l) {
  const int panel = gemm_kernel<T>().panel;
  return round_up(int64_t{l.kh} * l.kw * l.c_in, panel) * l.c_out;
}

template <typename T>
void gather_pack(T* packed, const T* weight, const Conv2dLayer& l, Stream) {
  const int panel = gemm_kernel<T>().panel;
  const int columns = l.kh * l.kw * l.c_in;
  for (int column = 0; column < columns; column += panel) {
    const int count = std::min(panel, columns - column);
    for (int k = 0; k < l.c_out; ++k, packed += panel) {
      std::copy_n(weight + int64_t{k} * columns + column, count, packed);
      std::fill(packed + count, packed + panel, T{0});
    }
  }
}

template <typename T>
int64_t gather_workspace_bytes(const Conv2dParams& params, Stream stream) {
  return thread_count(stream) * layout_of<T>(params).per_thread * static_cast<int64_t>(sizeof(T));
}

template <typename T>
void gather_backward_data(T* dx, const T* dy, const T* packed, const Conv2dBackwardEpilogue<T>& epilogue,
                          const Conv2dParams& p, void* workspace, Stream stream) {
  const Conv2dLayer& l = p.layer;
  const Layout layout = layout_of<T>(p);
  const int w_out = p.w_out(), h_out = p.h_out();
  const int tasks = kTasksPerThread * thread_count(stream);
  const int task_rows = std::max<int>(kMinTaskRows, ceil_div(p.h, tasks));
  parallel_tasks(stream, ceil_div(p.h, task_rows), [&](int64_t task, int thread) {
    T* columns = static_cast<T*>(workspace) + thread * layout.per_thread;
    T* row = columns + layout.slots * layout.slot;
    const int begin = static_cast<int>(task) * task_rows, end = std::min(p.h, begin + task_rows);
    int next = 0;  // first row of dy whose columns were not computed; a row r is kept in slot r % slots
    for (int u = begin; u < end; ++u) {
      const int first = static_cast<int>(std::max<int64_t>(0, ceil_div(u + l.pad_h - l.kh + 1, l.stride_h)));
      const int last = std::min(h_out - 1, (u + l.pad_h) / l.stride_h);
      std::fill_n(row, layout.row, T{0});
      next = std::max(next, first);
      for (; next <= last; ++next) {
        multiply_row(columns + next % layout.slots * layout.slot, dy + int64_t{next} * w_out * p.y_pitch,
                     packed, p, layout);
      }
      for (int r = first; r <= last; ++r) {
        scatter_row(row, columns + r % layout.slots * layout.slot, u + l.pad_h - r * l.stride_h, p, layout);
      }
      finish_row(dx, row + layout.margin, int64_t{u} * p.w, epilogue, p);
    }
  });
}

template int64_t gather_packed_count<float>(const Conv2dLayer&);
template int64_t gather_packed_count<double>(const Conv2dLayer&);
template void gather_pack<float>(float*, const float*, const Conv2dLayer&, Stream);
template void gather_pack<double>(double*, const double*, const Conv2dLayer&, Stream);
template int64_t gather_workspace_bytes<float>(const Conv2dParams&, Stream);
template int64_t gather_workspace_bytes<double>(const Conv2dParams&, Stream);
template void gather_backward_data<float>(float*, const float*, const float*,
                                          const Conv2dBackwardEpilogue<float>&, const Conv2dParams&, void*,
                                          Stream);
template void gather_backward_data<double>(double*, const double*, const double*,
                                           const Conv2dBackwardEpilogue<double>&, const Conv2dParams&, void*,
                                           Stream);

}  // namespace swag::cpu
