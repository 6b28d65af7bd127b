// Backward of a layer that reads an image: dx has 1 to 4 channels, of which a tile of the GEMM would be
// mostly padding. Every dx pixel gathers what it needs from dy in shared memory: no column buffer, no
// atomics.
#include "kernels/conv2d/output_cuda.cuh"

namespace swag::cuda::conv2d {
namespace {

constexpr int kThreads = kImageWarps * 32;
constexpr int kTapRows = 4;  // whose weights a thread holds in registers

struct ImageArguments {
  Output output;  // dx
  const void* dy = nullptr;
  const float* packed = nullptr;
  int64_t dy_pitch = 0;
  int h = 0, w = 0;  // of dx
  int dy_h = 0, dy_w = 0, dy_channels = 0;
  int col_tiles = 0;
  bool vectors = false;
  ImagePlan plan;
};

/// Copies the tile's eight channels from `channel` on; 0 outside the map. Two lanes share a sector.
template <typename T>
__device__ __forceinline__ void load_dy(float4* shared, const ImageArguments& g, int first_row, int first_col,
                                        int channel) {
  const ImagePlan& plan = g.plan;
  const int half = static_cast<int>(threadIdx.x) % 2, cols = plan.cols.extent;
  const int pixels = plan.rows.extent * cols;
  constexpr int kStep = kThreads / 2;
  int row = static_cast<int>(threadIdx.x) / 2 / cols, col = static_cast<int>(threadIdx.x) / 2 - row * cols;
  const int row_step = kStep / cols, col_step = kStep - row_step * cols;
  const int first = channel + half * 4;
#pragma unroll 4
  for (int pixel = static_cast<int>(threadIdx.x) / 2; pixel < pixels; pixel += kStep) {
    const int y = first_row + row, x = first_col + col;
    Floats<4> v = {};
    if (y >= 0 && y < g.dy_h && x >= 0 && x < g.dy_w) {
      const T* from =
          static_cast<const T*>(g.dy) + (static_cast<int64_t>(y) * g.dy_w + x) * g.dy_pitch + first;
      v = g.vectors && first < g.dy_channels ? load<4>(from) : load_each(from, g.dy_channels - first);
    }
    store4(&shared[half * plan.dy_plane + pixel].x, make_float4(v.at[0], v.at[1], v.at[2], v.at[3]));
    row += row_step;
    col += col_step;
    if (col >= cols) {
      col -= cols;
      ++row;
    }
  }
}

/// Adds kTaps rows of taps for four channels of dy. Each dy value is read once and used for every tap of its
/// column; the weights are the same for the whole warp.
template <int kC, int kTaps>
__device__ __forceinline__ void add_taps(float (&sum)[kImageRows][kC], const float4* dy, int dy_step,
                                         const float4* weight, int weight_step) {
  float w[kTaps][4][kC];
#pragma unroll
  for (int t = 0; t < kTaps; ++t) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const float4 four = load4(&weight[t * weight_step + e].x);
      const float v[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (int c = 0; c < kC; ++c) w[t][e][c] = v[c];
    }
  }
#pragma unroll
  for (int j = 0; j < kImageRows + kTaps - 1; ++j) {
    const float4 v = load4(&dy[j * dy_step].x);
#pragma unroll
    for (int t = 0; t < kTaps; ++t) {
      const int p = j - t;
      if (p < 0 || p >= kImageRows) continue;
#pragma unroll
      for (int c = 0; c < kC; ++c) {
        sum[p][c] += v.x * w[t][0][c] + v.y * w[t][1][c] + v.z * w[t][2][c] + v.w * w[t][3][c];
      }
    }
  }
}

/// What kDepth channels of dy add to one strip of kImageRows rows of one phase, 32 columns: a warp's work.
template <int kC>
__device__ __forceinline__ void add_strip(float (&sum)[kImageRows][kC], const float4* dy,
                                          const float4* weight, const ImagePlan& plan, int phase_row,
                                          int phase_col, int strip) {
  const int lane = static_cast<int>(threadIdx.x) % 32, cols = plan.cols.extent;
  const int taps_h = plan.rows.taps[phase_row], taps_w = plan.cols.taps[phase_col];
  const int row = plan.rows.x_first[phase_row] - plan.rows.first + strip * kImageRows;
  const int col = plan.cols.x_first[phase_col] - plan.cols.first + lane;
  int kernel_w = 0;
  for (int i = 0; i < plan.cols.stride; ++i) kernel_w += plan.cols.taps[i];
  weight +=
      (plan.rows.taps_before[phase_row] * kernel_w + taps_h * plan.cols.taps_before[phase_col]) * kDepth;
  for (int first = 0; first < taps_h; first += kTapRows) {
    for (int i = 0; i < taps_w * 2; ++i) {
      const int tap = i / 2, half = i % 2;
      const float4* d = dy + half * plan.dy_plane + (row + first) * cols + col + tap;
      const float4* w = weight + (first * taps_w + tap) * kDepth + half * 4;
      switch (min(taps_h - first, kTapRows)) {
        case 1: add_taps<kC, 1>(sum, d, cols, w, taps_w * kDepth); break;
        case 2: add_taps<kC, 2>(sum, d, cols, w, taps_w * kDepth); break;
        case 3: add_taps<kC, 3>(sum, d, cols, w, taps_w * kDepth); break;
        default: add_taps<kC, 4>(sum, d, cols, w, taps_w * kDepth); break;
      }
    }
  }
}

/// A finished strip into the tile of dx.
template <int kC>
__device__ __forceinline__ void store_strip(float* dx, const float (&sum)[kImageRows][kC],
                                            const ImagePlan& plan, int phase_row, int phase_col, int strip) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int p = 0; p < kImageRows; ++p) {
    const int row = (strip * kImageRows + p) * plan.rows.stride + phase_row;
    float* to = dx + (row * plan.cols.stride + phase_col) * plan.dx_plane + lane * kC;
#pragma unroll
    for (int c = 0; c < kC; ++c) to[c] = sum[p][c];
  }
}

/// Block: a tile of dx, 32 x 32 pixels with stride 1, 16 x 64 with stride 2; channels of dy eight at a time.
///   Warp: a strip of 8 rows x 32 columns of one phase. Thread: one column of it, its sums in registers.
/// Grid: (tiles) x 128. Shared memory: 37.3 KiB for a 3x3 with stride 1, 18.2 KiB for a 7x7 with stride 2; dx
///   takes the place of dy on its way out, so that pixels are written side by side.
/// Bound by reading dy (64 channels) or by arithmetic, which on an H100 take about as long for a 3x3.
template <int kC, typename T>
__global__ void __launch_bounds__(kThreads, kC == 4 ? 3 : 4)
    conv2d_backward_image_kernel(const __grid_constant__ ImageArguments g) {
  const ImagePlan& plan = g.plan;
  DYNAMIC_SHARED(float4, dy);
  float4* const weight = dy + 2 * plan.dy_plane;
  const int weights = plan.taps * kDepth;
  const int thread = static_cast<int>(threadIdx.x);
  const int tile_row = static_cast<int>(blockIdx.x) / g.col_tiles;
  const int tile_col = static_cast<int>(blockIdx.x) - tile_row * g.col_tiles;
  const int phases = plan.rows.stride * plan.cols.stride;
  const int phase = thread / 32 % phases, strip = thread / 32 / phases;
  const int phase_row = phase / plan.cols.stride, phase_col = phase % plan.cols.stride;
  const bool active = strip < plan.rows.tile / kImageRows;

  float sum[kImageRows][kC] = {};
  for (int channel = 0; channel < g.dy_channels; channel += kDepth) {
    load_dy<T>(dy, g, tile_row * plan.rows.tile + plan.rows.first,
               tile_col * plan.cols.tile + plan.cols.first, channel);
    const float* from = g.packed + static_cast<int64_t>(channel) * plan.taps * kImageChannels;
    for (int i = thread; i < weights; i += kThreads) store4(&weight[i].x, load4(from + i * 4));
    __syncthreads();
    if (active) add_strip<kC>(sum, dy, weight, plan, phase_row, phase_col, strip);
    __syncthreads();
  }
  float* const dx = reinterpret_cast<float*>(dy);
  if (active) store_strip<kC>(dx, sum, plan, phase_row, phase_col, strip);
  __syncthreads();

  const Output& o = g.output;
  for (int i = thread / 32; i < plan.dx_rows; i += kImageWarps) {
    const int row = tile_row * plan.dx_rows + i;
    for (int e = thread % 32; e < plan.dx_cols * kC && row < g.h; e += 32) {
      const int c = e % kC, tile_x = e / kC, col = tile_col * plan.dx_cols + tile_x;
      if (col >= g.w) break;
      const int64_t pixel = static_cast<int64_t>(row) * g.w + col, at = pixel * o.pitch + c;
      const int plane = i * plan.cols.stride + tile_x % plan.cols.stride;
      const float sum = dx[plane * plan.dx_plane + tile_x / plan.cols.stride * kC + c];
      const bool kept = o.mask_in == nullptr || (o.mask_in[pixel] >> c & 1u);
      write_some<1>(static_cast<float*>(o.y), o, at, c, &sum, kept ? 1u : 0u);
    }
  }
}

constexpr int kPackThreads = 256;

struct ImagePackArguments {
  Conv2dLayer layer;
  Axis rows, cols;  // of one phase
  int taps_before = 0;
  int64_t count = 0;
};

/// Thread: one packed weight of one phase. Grid: (count / 256) x 256. Runs once per network.
__global__ void conv2d_pack_image_kernel(float* packed, const float* weight,
                                         const __grid_constant__ ImagePackArguments g) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kPackThreads + threadIdx.x;
  if (index >= g.count) return;
  const Conv2dLayer& l = g.layer;
  const int taps = g.rows.taps * g.cols.taps;
  const int c = static_cast<int>(index % kImageChannels);
  const int channel_in_slice = static_cast<int>(index / kImageChannels % kDepth);
  const int tap = static_cast<int>(index / (kImageChannels * kDepth) % taps);
  const int slice = static_cast<int>(index / (kImageChannels * kDepth) / taps);
  const int i = g.rows.tap_first + g.rows.tap_step * (tap / g.cols.taps);
  const int j = g.cols.tap_first + g.cols.tap_step * (tap % g.cols.taps);
  const int o = slice * kDepth + channel_in_slice;
  const bool exists = o < l.c_out && c < l.c_in;
  const int64_t row = static_cast<int64_t>(slice) * l.kh * l.kw + g.taps_before + tap;
  packed[(row * kDepth + channel_in_slice) * kImageChannels + c] =
      exists ? weight[((static_cast<int64_t>(o) * l.kh + i) * l.kw + j) * l.c_in + c] : 0.f;
}

}  // namespace

// ---------------------------------------------------------------- launchers

void image_pack(float* packed, const float* weight, const Conv2dLayer& layer, Stream stream) {
  const int64_t slices = ceil_div(layer.c_out, kDepth);
  ImagePackArguments g;
  g.layer = layer;
  for (int i = 0; i < layer.stride_h * layer.stride_w; ++i) {
    g.rows = backward_axis(layer.stride_h, layer.kh, layer.stride_h, layer.pad_h, i / layer.stride_w);
    g.cols = backward_axis(layer.stride_w, layer.kw, layer.stride_w, layer.pad_w, i % layer.stride_w);
    const int taps = g.rows.taps * g.cols.taps;
    g.count = slices * taps * kDepth * kImageChannels;
    if (g.count > 0) {
      launch(conv2d_pack_image_kernel, dim3(static_cast<unsigned>(ceil_div(g.count, kPackThreads))),
             dim3(kPackThreads), 0, stream, packed, weight, g);
    }
    g.taps_before += taps;
  }
}

void image_backward_data(const Output& output, const void* dy, const float* packed,
                         const Conv2dParams& params, Stream stream) {
  ImageArguments g;
  g.output = output;
  g.dy = dy;
  g.packed = packed;
  g.dy_pitch = params.y_pitch;
  g.h = params.h;
  g.w = params.w;
  g.dy_h = params.h_out();
  g.dy_w = params.w_out();
  g.dy_channels = params.layer.c_out;
  g.vectors = g.dy_channels % 4 == 0 && g.dy_pitch % 4 == 0 && is_aligned(dy);
  g.plan = image_plan(params.layer);
  g.col_tiles = static_cast<int>(ceil_div(g.w, g.plan.dx_cols));
  const int64_t blocks = ceil_div(g.h, g.plan.dx_rows) * g.col_tiles;
  with_image_channels(params.layer.c_in, [&](auto channels) {
    const auto run = [&](auto stored) {
      constexpr auto kernel = conv2d_backward_image_kernel<decltype(channels)::value, decltype(stored)>;
      const size_t shared = static_cast<size_t>(g.plan.shared_bytes());
      allow_shared(kernel, shared);
      launch(kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), shared, stream, g);
    };
    params.y_type == DType::kBFloat16 ? run(BFloat16{}) : run(float{});
  });
}

}  // namespace swag::cuda::conv2d
