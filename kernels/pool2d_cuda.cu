#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/pool2d.h"

namespace swag::cuda {
namespace {

// Said, because the compiler otherwise saves registers at a division until it spills.
[[maybe_unused]] constexpr int kBlocksPerProcessor = 4;

/// The part [begin, end) of a window's rows or columns that lies inside the map; `origin` may be negative.
struct Span {
  int origin, begin, end;
  __device__ Span(int out, int stride, int pad, int kernel, int size)
      : origin(out * stride - pad), begin(max(origin, 0)), end(min(origin + kernel, size)) {}
};

/// The outputs [begin, end) whose windows hold row or column `in`.
struct Covering {
  int begin, end;
  __device__ Covering(int in, int stride, int pad, int kernel, int outputs)
      : begin(in + pad < kernel ? 0 : (in + pad - kernel) / stride + 1),
        end(min((in + pad) / stride + 1, outputs)) {}
};

/// Map elements that an average divides by: of the window inside map and padding, or inside the map alone.
__device__ int average_area(const Span& rows, const Span& cols, const Pool2dParams& params) {
  if (!params.count_include_pad) return (rows.end - rows.begin) * (cols.end - cols.begin);
  const int height = min(rows.origin + params.kh, params.h + params.pad_h) - rows.origin;
  const int width = min(cols.origin + params.kw, params.w + params.pad_w) - cols.origin;
  return height * width;
}

/// kWidth positions as one word in memory: the first channel in the lowest byte.
template <int kWidth>
__device__ __forceinline__ void store_positions(uint8_t* to, const int (&position)[kWidth]) {
  if constexpr (kWidth == 4) {
    *reinterpret_cast<uint32_t*>(to) =
        static_cast<uint32_t>(position[0]) | static_cast<uint32_t>(position[1]) << 8 |
        static_cast<uint32_t>(position[2]) << 16 | static_cast<uint32_t>(position[3]) << 24;
  } else {
    *to = static_cast<uint8_t>(position[0]);
  }
}

template <int kWidth>
__device__ __forceinline__ uint32_t load_positions(const uint8_t* from) {
  if constexpr (kWidth == 4) {
    return *reinterpret_cast<const uint32_t*>(from);
  } else {
    return *from;
  }
}

/// body(row, col, channel) for every pixel of an h x w map and every kWidth of its channels.
template <int kWidth, typename Body>
__device__ __forceinline__ void for_each_pixel(int h, int w, int c, Body&& body) {
  for (int row = blockIdx.y; row < h; row += gridDim.y) {
    for_each_unit(w, c / kWidth,
                  [&](int64_t col, int unit) { body(row, static_cast<int>(col), unit * kWidth); });
  }
}

/// A thread makes kWidth channels of an output pixel and their positions.
/// Grid: output columns / y x output rows; block: x groups of channels, y columns, 256 threads. No shared
/// memory: overlapping windows meet in the first-level cache. Bound by bytes: 4 per input, 5 per output.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kElementThreads, kBlocksPerProcessor)
    max_pool2d_forward_kernel(T* y, uint8_t* position, const T* x, Pool2dParams params, int h_out,
                              int w_out) {
  for_each_pixel<kWidth>(h_out, w_out, params.c, [&](int out_row, int out_col, int channel) {
    const Span rows(out_row, params.stride_h, params.pad_h, params.kh, params.h);
    const Span cols(out_col, params.stride_w, params.pad_w, params.kw, params.w);
    Floats<kWidth> best = {};
    int where[kWidth] = {};
    bool first = true;
    for (int row = rows.begin; row < rows.end; ++row) {
      for (int col = cols.begin; col < cols.end; ++col) {
        const Floats<kWidth> value =
            load<kWidth>(x + (int64_t{row} * params.w + col) * params.x_pitch + channel);
        const int tap = (row - rows.origin) * params.kw + (col - cols.origin);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
          const bool wins = first || value.at[k] > best.at[k] || value.at[k] != value.at[k];
          best.at[k] = wins ? value.at[k] : best.at[k];
          where[k] = wins ? tap : where[k];
        }
        first = false;
      }
    }
    const int64_t pixel = int64_t{out_row} * w_out + out_col;
    store(y + pixel * params.y_pitch + channel, best);
    if (params.behind_relu) {
#pragma unroll
      for (int k = 0; k < kWidth; ++k) where[k] = best.at[k] > 0 ? where[k] : kNoPosition;
    }
    if (position != nullptr) store_positions(position + pixel * params.c + channel, where);
  });
}

/// A thread gathers kWidth channels of one dx from the windows that hold it: no two threads write the same,
/// and sums have one order.
/// Grid: columns / y x rows; block: x groups of channels, y columns, 256 threads. No shared memory. Bound by
/// bytes: 4 per dx, 5 per dy; a dy is read by each pixel of its window, mostly from the caches.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kElementThreads, kBlocksPerProcessor)
    max_pool2d_backward_kernel(T* dx, const T* dy, const uint8_t* position, Pool2dParams params, int h_out,
                               int w_out) {
  for_each_pixel<kWidth>(params.h, params.w, params.c, [&](int row, int col, int channel) {
    const Covering out_rows(row, params.stride_h, params.pad_h, params.kh, h_out);
    const Covering out_cols(col, params.stride_w, params.pad_w, params.kw, w_out);
    Floats<kWidth> gradient = {};
    for (int out_row = out_rows.begin; out_row < out_rows.end; ++out_row) {
      for (int out_col = out_cols.begin; out_col < out_cols.end; ++out_col) {
        const int64_t pixel = int64_t{out_row} * w_out + out_col;
        const Floats<kWidth> from = load<kWidth>(dy + pixel * params.y_pitch + channel);
        const uint32_t maxima = load_positions<kWidth>(position + pixel * params.c + channel);
        const auto tap =
            static_cast<uint32_t>((row - (out_row * params.stride_h - params.pad_h)) * params.kw +
                                  (col - (out_col * params.stride_w - params.pad_w)));
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
          gradient.at[k] += (maxima >> (8 * k) & 0xffu) == tap ? from.at[k] : 0;
        }
      }
    }
    store(dx + (int64_t{row} * params.w + col) * params.x_pitch + channel, gradient);
  });
}

/// A thread makes kWidth channels of an output pixel.
/// Grid, block and bound as max_pool2d_forward_kernel, without positions.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kElementThreads, kBlocksPerProcessor)
    avg_pool2d_forward_kernel(T* y, const T* x, Pool2dParams params, int h_out, int w_out) {
  for_each_pixel<kWidth>(h_out, w_out, params.c, [&](int out_row, int out_col, int channel) {
    const Span rows(out_row, params.stride_h, params.pad_h, params.kh, params.h);
    const Span cols(out_col, params.stride_w, params.pad_w, params.kw, params.w);
    Floats<kWidth> sum = {};
    for (int row = rows.begin; row < rows.end; ++row) {
      for (int col = cols.begin; col < cols.end; ++col) {
        const Floats<kWidth> value =
            load<kWidth>(x + (int64_t{row} * params.w + col) * params.x_pitch + channel);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) sum.at[k] += value.at[k];
      }
    }
    const float area = static_cast<float>(average_area(rows, cols, params));
#pragma unroll
    for (int k = 0; k < kWidth; ++k) sum.at[k] /= area;
    store(y + (int64_t{out_row} * w_out + out_col) * params.y_pitch + channel, sum);
  });
}

/// A thread gathers kWidth channels of one dx.
/// Grid, block and bound as max_pool2d_backward_kernel, without positions.
template <int kWidth, typename T>
__global__ void __launch_bounds__(kElementThreads, kBlocksPerProcessor)
    avg_pool2d_backward_kernel(T* dx, const T* dy, Pool2dParams params, int h_out, int w_out) {
  for_each_pixel<kWidth>(params.h, params.w, params.c, [&](int row, int col, int channel) {
    const Covering out_rows(row, params.stride_h, params.pad_h, params.kh, h_out);
    const Covering out_cols(col, params.stride_w, params.pad_w, params.kw, w_out);
    Floats<kWidth> gradient = {};
    for (int out_row = out_rows.begin; out_row < out_rows.end; ++out_row) {
      const Span rows(out_row, params.stride_h, params.pad_h, params.kh, params.h);
      for (int out_col = out_cols.begin; out_col < out_cols.end; ++out_col) {
        const Span cols(out_col, params.stride_w, params.pad_w, params.kw, params.w);
        const int64_t pixel = int64_t{out_row} * w_out + out_col;
        const Floats<kWidth> from = load<kWidth>(dy + pixel * params.y_pitch + channel);
        const float share = 1 / static_cast<float>(average_area(rows, cols, params));
#pragma unroll
        for (int k = 0; k < kWidth; ++k) gradient.at[k] += from.at[k] * share;
      }
    }
    store(dx + (int64_t{row} * params.w + col) * params.x_pitch + channel, gradient);
  });
}

/// Threads and blocks for an h x w map of `units` groups of channels.
struct PixelGrid {
  dim3 grid, block;
  PixelGrid(int h, int w, int units) : grid(map_grid(w, map_block(units))), block(map_block(units)) {
    grid.y = static_cast<unsigned>(std::min(h, kMostGridRows));
  }
};

bool is_empty(const Pool2dParams& params) { return params.h == 0 || params.w == 0 || params.c == 0; }

}  // namespace

// ---------------------------------------------------------------- launchers

template <typename T>
void max_pool2d_forward(T* y, uint8_t* position, const T* x, const Pool2dParams& params, Stream stream) {
  if (is_empty(params)) return;
  const int h_out = params.h_out(), w_out = params.w_out();
  const bool vector = fits_float4({params.c, params.x_pitch, params.y_pitch}, {x, y}) &&
                      reinterpret_cast<uintptr_t>(position) % 4 == 0;
  const PixelGrid size(h_out, w_out, vector ? params.c / 4 : params.c);
  launch(vector ? max_pool2d_forward_kernel<4, T> : max_pool2d_forward_kernel<1, T>, size.grid, size.block, 0,
         stream, y, position, x, params, h_out, w_out);
}
template void max_pool2d_forward(float*, uint8_t*, const float*, const Pool2dParams&, Stream);
template void max_pool2d_forward(Float16*, uint8_t*, const Float16*, const Pool2dParams&, Stream);

template <typename T>
void max_pool2d_backward(T* dx, const T* dy, const uint8_t* position, const Pool2dParams& params,
                         Stream stream) {
  if (is_empty(params)) return;
  const bool vector = fits_float4({params.c, params.x_pitch, params.y_pitch}, {dx, dy}) &&
                      reinterpret_cast<uintptr_t>(position) % 4 == 0;
  const PixelGrid size(params.h, params.w, vector ? params.c / 4 : params.c);
  launch(vector ? max_pool2d_backward_kernel<4, T> : max_pool2d_backward_kernel<1, T>, size.grid, size.block,
         0, stream, dx, dy, position, params, params.h_out(), params.w_out());
}
template void max_pool2d_backward(float*, const float*, const uint8_t*, const Pool2dParams&, Stream);
template void max_pool2d_backward(Tf32*, const Tf32*, const uint8_t*, const Pool2dParams&, Stream);
template void max_pool2d_backward(BFloat16*, const BFloat16*, const uint8_t*, const Pool2dParams&, Stream);

template <typename T>
void avg_pool2d_forward(T* y, const T* x, const Pool2dParams& params, Stream stream) {
  if (is_empty(params)) return;
  const int h_out = params.h_out(), w_out = params.w_out();
  const bool vector = fits_float4({params.c, params.x_pitch, params.y_pitch}, {x, y});
  const PixelGrid size(h_out, w_out, vector ? params.c / 4 : params.c);
  launch(vector ? avg_pool2d_forward_kernel<4, T> : avg_pool2d_forward_kernel<1, T>, size.grid, size.block, 0,
         stream, y, x, params, h_out, w_out);
}
template void avg_pool2d_forward(float*, const float*, const Pool2dParams&, Stream);
template void avg_pool2d_forward(Tf32*, const Tf32*, const Pool2dParams&, Stream);
template void avg_pool2d_forward(Float16*, const Float16*, const Pool2dParams&, Stream);

template <typename T>
void avg_pool2d_backward(T* dx, const T* dy, const Pool2dParams& params, Stream stream) {
  if (is_empty(params)) return;
  const bool vector = fits_float4({params.c, params.x_pitch, params.y_pitch}, {dx, dy});
  const PixelGrid size(params.h, params.w, vector ? params.c / 4 : params.c);
  launch(vector ? avg_pool2d_backward_kernel<4, T> : avg_pool2d_backward_kernel<1, T>, size.grid, size.block,
         0, stream, dx, dy, params, params.h_out(), params.w_out());
}
template void avg_pool2d_backward(float*, const float*, const Pool2dParams&, Stream);
template void avg_pool2d_backward(Tf32*, const Tf32*, const Pool2dParams&, Stream);
template void avg_pool2d_backward(BFloat16*, const BFloat16*, const Pool2dParams&, Stream);

}  // namespace swag::cuda
