// Forward of a layer that reads an image: its columns of 27 or 147 products fill no slices of the GEMM, and a
// pixel of three floats no access of 16 bytes. A block keeps its patch of the image in shared memory, where a
// row of taps lies side by side.
#include "kernels/conv2d/output_cuda.cuh"

namespace swag::cuda::conv2d {
namespace {

constexpr int kThreads = 128, kWarps = kThreads / 32;

struct ImageArguments {
  Output output;
  const float* x = nullptr;
  const float* packed = nullptr;  // (kh, kw * c_in, out_padded)
  Conv2dLayer layer;
  int64_t x_pitch = 0;
  int h = 0, w = 0, y_h = 0, y_w = 0;
  int out_padded = 0;
  int col_tiles = 0;
  ForwardImagePlan plan;
};

/// The image from (first_row, first_col) on, 0 outside of it. A warp reads a row, from a whole sector on.
template <int kC>
__device__ __forceinline__ void load_patch(float* patch, const ImageArguments& g, int first_row,
                                           int first_col) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int r = static_cast<int>(threadIdx.x) / 32; r < g.plan.patch_rows; r += kWarps) {
    const int y = first_row + r;
    const int64_t row = (static_cast<int64_t>(y) * g.w + first_col) * g.x_pitch;
    for (int e = lane - static_cast<int>(row & 7); e < g.plan.patch_row; e += 32) {
      if (e < 0) continue;
      const int col = e / kC, c = e % kC, x = first_col + col;
      const bool exists = y >= 0 && y < g.h && x >= 0 && x < g.w;
      patch[r * g.plan.patch_row + e] = exists ? g.x[row + col * g.x_pitch + c] : 0.f;
    }
  }
}

/// The weights of one row of taps, for the block's channels.
__device__ __forceinline__ void load_weights(float* weight, const float* from, int products, int out_padded) {
  constexpr int kFours = kWideTile / 4;
  for (int i = static_cast<int>(threadIdx.x); i < products * kFours; i += kThreads) {
    store4(weight + i * 4, load4(from + static_cast<int64_t>(i / kFours) * out_padded + i % kFours * 4));
  }
}

/// Block: 4 x 32 output pixels x 64 channels. Warp: two rows of them x 32 channels, 8 lanes of pixels by 4 of
///   channels. Thread: 8 x 8 sums, of pixels 8 columns apart, so that 8 lanes read from different banks, and
///   of channels as in the GEMM.
/// Grid: (tiles of pixels x tiles of channels) x 128. Shared memory: the patch and the weights of one row of
///   taps, 4.6 KiB for a 3x3, 15.8 KiB for a 7x7 with stride 2.
/// Bound by writing y (3x3) or by arithmetic (7x7).
template <int kC, int kStride, typename Y>
__global__ void __launch_bounds__(kThreads, 4)
    conv2d_forward_image_kernel(const __grid_constant__ ImageArguments g) {
  const ForwardImagePlan& plan = g.plan;
  const Output& o = g.output;
  DYNAMIC_SHARED(float, weight);
  const int products = g.layer.kw * kC;  // of one row of taps
  float* const patch = weight + products * kWideTile;
  const int thread = static_cast<int>(threadIdx.x);
  const auto [m, n] = place_of_lane(thread % 32);
  const int channel_tiles = g.out_padded / kWideTile;
  const int first_channel = static_cast<int>(blockIdx.x) % channel_tiles * kWideTile;
  const int tile = static_cast<int>(blockIdx.x) / channel_tiles;
  const int tile_row = tile / g.col_tiles * kForwardRows, tile_col = tile % g.col_tiles * kForwardCols;
  const int warp_row = thread / 64 * 2, warp_channel = thread / 32 % 2 * 32;

  load_patch<kC>(patch, g, tile_row * kStride - g.layer.pad_h, tile_col * kStride - g.layer.pad_w);
  const float* a_row = patch + warp_row * kStride * plan.patch_row + m * kStride * kC;
  const float* const b_column = weight + warp_channel + n * 4;
  float sum[8][8] = {};
  for (int i = 0; i < g.layer.kh; ++i, a_row += plan.patch_row) {
    if (i > 0) __syncthreads();
    load_weights(weight, g.packed + static_cast<int64_t>(i) * products * g.out_padded + first_channel,
                 products, g.out_padded);
    __syncthreads();
#pragma unroll 3
    for (int k = 0; k < products; ++k) {
      const float4 b0 = load4(b_column + k * kWideTile), b1 = load4(b_column + k * kWideTile + 16);
      const float b[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
#pragma unroll
      for (int p = 0; p < 8; ++p) {
        const float a = a_row[p / 4 * kStride * plan.patch_row + p % 4 * 8 * kStride * kC + k];
#pragma unroll
        for (int c = 0; c < 8; ++c) sum[p][c] += a * b[c];
      }
    }
  }

  const int words = (o.channels + 31) / 32, word = (first_channel + warp_channel) / 32;
  const int channel = first_channel + warp_channel + n * 4;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = tile_row + warp_row + r;
    uint32_t signs = 0;  // of the pixel that is this lane's among four lanes
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      const int col = tile_col + q * 8 + m;
      const int64_t pixel = static_cast<int64_t>(row) * g.y_w + col;
      uint32_t positive = 0;
      if (row < g.y_h && col < g.y_w) positive = write_eight<Y>(o, pixel, channel, n, sum[r * 4 + q], kWarp);
      if (o.mask_out == nullptr) continue;
      positive = join_word(positive);
      if (q == n) signs = positive;
    }
    const int col = tile_col + n * 8 + m;
    if (o.mask_out != nullptr && row < g.y_h && col < g.y_w && word < words) {
      o.mask_out[(static_cast<int64_t>(row) * g.y_w + col) * words + word] = signs;
    }
  }
}

}  // namespace

// ---------------------------------------------------------------- launchers

void image_forward(const Output& output, const float* x, const float* packed, const Conv2dParams& params,
                   Stream stream) {
  const Gemm gemm = gemm_of(params, Conv2dDirection::kForward);
  ImageArguments g;
  g.output = output;
  g.x = x;
  g.packed = packed;
  g.layer = params.layer;
  g.x_pitch = params.x_pitch;
  g.h = params.h;
  g.w = params.w;
  g.y_h = gemm.y_h;
  g.y_w = gemm.y_w;
  g.out_padded = gemm.out_padded;
  g.plan = forward_image_plan(params.layer);
  g.col_tiles = static_cast<int>(ceil_div(g.y_w, kForwardCols));
  const int64_t blocks = ceil_div(g.y_h, kForwardRows) * g.col_tiles * (g.out_padded / kWideTile);
  with_image_channels(params.layer.c_in, [&](auto channels) {
    constexpr int kC = decltype(channels)::value;
    const auto run = [&](auto stored) {
      using Y = decltype(stored);
      launch(g.layer.stride_h == 1 ? conv2d_forward_image_kernel<kC, 1, Y>
                                   : conv2d_forward_image_kernel<kC, 2, Y>,
             dim3(static_cast<unsigned>(blocks)), dim3(kThreads), static_cast<size_t>(g.plan.shared_bytes),
             stream, g);
    };
    output.type == DType::kFloat16 ? run(Float16{}) : run(float{});
  });
}

}  // namespace swag::cuda::conv2d
