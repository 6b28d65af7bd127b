#include <algorithm>
#include <limits>

#include "kernels/cpu/elementwise.h"
#include "kernels/pool2d.h"

namespace swag::cpu {
namespace {

constexpr int kChannelBlock = 64;  // channels whose positions stay in the first-level cache

/// The part [begin, end) of a window's rows or columns that lies inside the map; `origin` may be negative.
struct Span {
  int origin, begin, end;
  Span(int out, int stride, int pad, int kernel, int size)
      : origin(out * stride - pad), begin(std::max(origin, 0)), end(std::min(origin + kernel, size)) {}
};

/// The outputs [begin, end) whose windows hold row or column `in`.
struct Covering {
  int begin, end;
  Covering(int in, int stride, int pad, int kernel, int outputs)
      : begin(in + pad < kernel ? 0 : (in + pad - kernel) / stride + 1),
        end(std::min((in + pad) / stride + 1, outputs)) {}
};

/// An integer as wide as T, so that one vector mask selects both a maximum and its position.
template <typename T>
struct IndexOf;
template <>
struct IndexOf<float> {
  using type = int32_t;
};
template <>
struct IndexOf<double> {
  using type = int64_t;
};

/// The maxima of `channels` <= kChannelBlock channels of one window, and their positions.
template <typename T>
void max_window(T* __restrict y, uint8_t* __restrict position, const T* __restrict x, const Span& rows,
                const Span& cols, int channels, const Pool2dParams& params) {
  using Index = typename IndexOf<T>::type;
  Index where[kChannelBlock];
  for (int row = rows.begin; row < rows.end; ++row) {
    for (int col = cols.begin; col < cols.end; ++col) {
      const T* value = x + (int64_t{row} * params.w + col) * params.x_pitch;
      const Index tap = (row - rows.origin) * params.kw + (col - cols.origin);
      if (row == rows.begin && col == cols.begin) {
        std::copy(value, value + channels, y);
        std::fill(where, where + channels, tap);
        continue;
      }
      for (int k = 0; k < channels; ++k) {
        // Everything is read, whether needed or not: a conditional read does not vectorise.
        const T challenger = value[k], best = y[k];
        const Index best_tap = where[k];
        const bool wins = (challenger > best) | (challenger != challenger);
        y[k] = wins ? challenger : best;
        where[k] = wins ? tap : best_tap;
      }
    }
  }
  if (position) {
    for (int k = 0; k < channels; ++k) {
      position[k] = params.behind_relu && !(y[k] > 0) ? kNoPosition : static_cast<uint8_t>(where[k]);
    }
  }
}

/// Map elements that an average divides by: of the window inside map and padding, or inside the map alone.
int average_area(const Span& rows, const Span& cols, const Pool2dParams& params) {
  if (!params.count_include_pad) return (rows.end - rows.begin) * (cols.end - cols.begin);
  const int height = std::min(rows.origin + params.kh, params.h + params.pad_h) - rows.origin;
  const int width = std::min(cols.origin + params.kw, params.w + params.pad_w) - cols.origin;
  return height * width;
}

/// body(row, col) for every pixel of an h x w map, each worth `elements` of work.
template <typename Body>
void parallel_pixels(Stream stream, int h, int w, int elements, Body&& body) {
  parallel_ranges(stream, int64_t{h} * w, pixel_grain(elements), [&](int64_t begin, int64_t end) {
    int row = static_cast<int>(begin / w), col = static_cast<int>(begin % w);
    for (int64_t pixel = begin; pixel < end; ++pixel) {
      body(row, col);
      if (++col == w) {
        col = 0;
        ++row;
      }
    }
  });
}

/// visit(output pixel, its rows, its columns) for every window that holds (row, col), in scan order. The
/// backward passes gather by it: each dx is written by one thread, and sums have one order.
template <typename Visit>
void for_each_window(int row, int col, const Pool2dParams& p, Visit&& visit) {
  const int w_out = p.w_out();
  const Covering out_rows(row, p.stride_h, p.pad_h, p.kh, p.h_out());
  const Covering out_cols(col, p.stride_w, p.pad_w, p.kw, w_out);
  for (int out_row = out_rows.begin; out_row < out_rows.end; ++out_row) {
    for (int out_col = out_cols.begin; out_col < out_cols.end; ++out_col) {
      visit(int64_t{out_row} * w_out + out_col, Span(out_row, p.stride_h, p.pad_h, p.kh, p.h),
            Span(out_col, p.stride_w, p.pad_w, p.kw, p.w));
    }
  }
}

}  // namespace

template <typename T>
void max_pool2d_forward(T* y, uint8_t* position, const T* x, const Pool2dParams& params, Stream stream) {
  const int w_out = params.w_out(), reads = params.c * params.kh * params.kw;
  parallel_pixels(stream, params.h_out(), w_out, reads, [&](int out_row, int out_col) {
    const Span rows(out_row, params.stride_h, params.pad_h, params.kh, params.h);
    const Span cols(out_col, params.stride_w, params.pad_w, params.kw, params.w);
    const int64_t pixel = int64_t{out_row} * w_out + out_col;
    for (int channel = 0; channel < params.c; channel += kChannelBlock) {
      max_window(y + pixel * params.y_pitch + channel,
                 position ? position + pixel * params.c + channel : nullptr, x + channel, rows, cols,
                 std::min(kChannelBlock, params.c - channel), params);
    }
  });
}

template <typename T>
void max_pool2d_backward(T* dx, const T* dy, const uint8_t* position, const Pool2dParams& params,
                         Stream stream) {
  parallel_pixels(stream, params.h, params.w, params.c, [&](int row, int col) {
    T* __restrict gradient = dx + (int64_t{row} * params.w + col) * params.x_pitch;
    bool first = true;
    for_each_window(row, col, params, [&](int64_t pixel, const Span& rows, const Span& cols) {
      const T* __restrict from = dy + pixel * params.y_pitch;
      const uint8_t* __restrict maximum = position + pixel * params.c;
      const auto tap = static_cast<uint8_t>((row - rows.origin) * params.kw + (col - cols.origin));
      for (int k = 0; k < params.c; ++k) {
        const T value = from[k];
        const T share = maximum[k] == tap ? value : T(0);
        gradient[k] = first ? share : gradient[k] + share;
      }
      first = false;
    });
    if (first) std::fill(gradient, gradient + params.c, T(0));
  });
}

template <typename T>
void avg_pool2d_forward(T* y, const T* x, const Pool2dParams& params, Stream stream) {
  const int w_out = params.w_out(), reads = params.c * params.kh * params.kw;
  parallel_pixels(stream, params.h_out(), w_out, reads, [&](int out_row, int out_col) {
    const Span rows(out_row, params.stride_h, params.pad_h, params.kh, params.h);
    const Span cols(out_col, params.stride_w, params.pad_w, params.kw, params.w);
    T* __restrict average = y + (int64_t{out_row} * w_out + out_col) * params.y_pitch;
    std::fill(average, average + params.c, T(0));
    for (int row = rows.begin; row < rows.end; ++row) {
      for (int col = cols.begin; col < cols.end; ++col) {
        const T* __restrict value = x + (int64_t{row} * params.w + col) * params.x_pitch;
        for (int k = 0; k < params.c; ++k) average[k] += value[k];
      }
    }
    const T area = static_cast<T>(average_area(rows, cols, params));
    for (int k = 0; k < params.c; ++k) average[k] /= area;
  });
}

template <typename T>
void avg_pool2d_backward(T* dx, const T* dy, const Pool2dParams& params, Stream stream) {
  parallel_pixels(stream, params.h, params.w, params.c, [&](int row, int col) {
    T* __restrict gradient = dx + (int64_t{row} * params.w + col) * params.x_pitch;
    std::fill(gradient, gradient + params.c, T(0));
    for_each_window(row, col, params, [&](int64_t pixel, const Span& rows, const Span& cols) {
      const T* __restrict from = dy + pixel * params.y_pitch;
      const T share = 1 / static_cast<T>(average_area(rows, cols, params));
      for (int k = 0; k < params.c; ++k) gradient[k] += from[k] * share;
    });
  });
}

template void max_pool2d_forward(float*, uint8_t*, const float*, const Pool2dParams&, Stream);
template void max_pool2d_forward(double*, uint8_t*, const double*, const Pool2dParams&, Stream);
template void max_pool2d_backward(float*, const float*, const uint8_t*, const Pool2dParams&, Stream);
template void max_pool2d_backward(double*, const double*, const uint8_t*, const Pool2dParams&, Stream);
template void avg_pool2d_forward(float*, const float*, const Pool2dParams&, Stream);
template void avg_pool2d_forward(double*, const double*, const Pool2dParams&, Stream);
template void avg_pool2d_backward(float*, const float*, const Pool2dParams&, Stream);
template void avg_pool2d_backward(double*, const double*, const Pool2dParams&, Stream);

}  // namespace swag::cpu
