// Step 5: 16 bytes per access, no bank conflicts, and the next slice on its way while this one is used.
//
// Idea:     a float4 is one instruction where four floats are four. A slice is stored turned (k, pixel),
//           its rows padded by 4 floats, so that the 2 x 16 lanes of a store hit 32 banks. A thread's 8
//           pixels are two groups of 4, 64 apart, so that lanes read neighbouring float4. The next slice
//           is read into registers before the products begin and stored after them, into the other of two
//           buffers: one barrier per slice.
// Mapping:  as step 4: 8 x 4 outputs per thread, 128 x 64 per block of 256 threads, slices of 16 columns.
//           Grid: (pixels / 128) x (c_out / 64). Shared memory: 25 KiB.
// Bound by: arithmetic: 32 multiply-adds for 3 reads of shared memory.
//
// Where channels are no multiple of 4 or a tensor is not aligned, the same kernel loads four floats one
// by one.
#include "kernels/cuda/vector.cuh"
#include "kernels/ladder/conv2d_geometry.cuh"

namespace swag::ladder {
namespace {

constexpr int kPixels = 128, kChannels = 64, kDepth = 16;
constexpr int kThreads = 256;
constexpr int kPad = 4;
constexpr int kGroups = 2;  // of 4 pixels per thread

template <bool kVectors>
__device__ __forceinline__ float4 load_patch(const float* x, const Geometry& g, const Window& window, int k) {
  float v[4] = {};
  if constexpr (kVectors) {  // four channels of one tap
    const int64_t offset = k < g.depth ? patch_offset(g, window, tap_of(g, k)) : -1;
    if (offset >= 0) return load4(x + offset);
  } else {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int64_t offset = k + e < g.depth ? patch_offset(g, window, tap_of(g, k + e)) : -1;
      if (offset >= 0) v[e] = x[offset];
    }
  }
  return make_float4(v[0], v[1], v[2], v[3]);
}

template <bool kVectors>
__device__ __forceinline__ float4 load_weight(const float* weight, const Geometry& g, int channel, int k) {
  float v[4] = {};
  const float* from = weight + static_cast<int64_t>(channel) * g.depth + k;
  if constexpr (kVectors) {
    if (channel < g.c_out && k < g.depth) return load4(from);
  } else {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      if (channel < g.c_out && k + e < g.depth) v[e] = from[e];
    }
  }
  return make_float4(v[0], v[1], v[2], v[3]);
}

template <int kRow>
__device__ __forceinline__ void store_turned(float (*tile)[kRow], int k, int row, float4 v) {
  tile[k][row] = v.x;
  tile[k + 1][row] = v.y;
  tile[k + 2][row] = v.z;
  tile[k + 3][row] = v.w;
}

template <bool kVectors>
__global__ void __launch_bounds__(kThreads, 2)
    conv2d_vectorised_kernel(float* y, const float* x, const float* weight, Epilogue epilogue, Geometry g) {
  __shared__ __align__(16) float a_tile[2][kDepth][kPixels + kPad];
  __shared__ __align__(16) float w_tile[2][kDepth][kChannels + kPad];
  const int thread = static_cast<int>(threadIdx.x);
  const int first_pixel = static_cast<int>(blockIdx.x) * kPixels;
  const int first_channel = static_cast<int>(blockIdx.y) * kChannels;
  // Two lanes copy the 32 bytes of a sector; a thread copies columns k and k + 8 of a window, 4 of a filter.
  const int copy_k = thread % 2 * 4, a_row = thread / 2;
  const int w_k = copy_k + thread / kPixels * 8, w_row = thread / 2 % kChannels;
  const int pixel = thread / 16 * 4, channel = thread % 16 * 4;
  const Window window = window_of(g, first_pixel + a_row);

  float4 next_a[2], next_w;
  const auto load = [&](int begin) {
    next_a[0] = load_patch<kVectors>(x, g, window, begin + copy_k);
    next_a[1] = load_patch<kVectors>(x, g, window, begin + copy_k + 8);
    next_w = load_weight<kVectors>(weight, g, first_channel + w_row, begin + w_k);
  };
  const auto store = [&](int buffer) {
    store_turned(a_tile[buffer], copy_k, a_row, next_a[0]);
    store_turned(a_tile[buffer], copy_k + 8, a_row, next_a[1]);
    store_turned(w_tile[buffer], w_k, w_row, next_w);
  };

  float sum[8][4] = {}, piece[8][4] = {};
  load(0);
  store(0);
  __syncthreads();
  for (int begin = 0, slice = 0; begin < g.depth; begin += kDepth, ++slice) {
    const int buffer = slice % 2;
    const bool more = begin + kDepth < g.depth;
    if (more) load(begin + kDepth);
#pragma unroll
    for (int k = 0; k < kDepth; ++k) {
      const float4 low = load4(&a_tile[buffer][k][pixel]);
      const float4 high = load4(&a_tile[buffer][k][pixel + kPixels / kGroups]);
      const float4 four = load4(&w_tile[buffer][k][channel]);
      const float a[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
      const float w[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
      for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) piece[i][j] += a[i] * w[j];
      }
    }
    if (slice % (kPiece / kDepth) == kPiece / kDepth - 1 || !more) add_piece(sum, piece);
    if (more) store(1 - buffer);
    __syncthreads();  // the other buffer is full, and this one may be filled again
  }

  const int c = first_channel + channel;
  Epilogue rest = epilogue;  // without the bias, which is read once for 8 pixels
  rest.bias = nullptr;
  float bias[4];
#pragma unroll
  for (int j = 0; j < 4; ++j)
    bias[j] = epilogue.bias != nullptr && c + j < g.c_out ? epilogue.bias[c + j] : 0;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int p = first_pixel + pixel + i % 4 + i / 4 * (kPixels / kGroups);
    if (p >= g.pixels) continue;
    float* out = y + static_cast<int64_t>(p) * g.y_pitch + c;
    float v[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) v[j] = finish(sum[i][j] + bias[j], rest, c + j);
    if (kVectors && c + 3 < g.c_out) {
      store4(out, make_float4(v[0], v[1], v[2], v[3]));
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (c + j < g.c_out) out[j] = v[j];
      }
    }
  }
}

}  // namespace

void conv2d_5_vectorised(float* y, const float* x, const float* weight, const Epilogue& epilogue,
                         const Conv2dParams& params, Stream stream) {
  if (is_empty(params)) return;
  const Geometry g = geometry_of(params);
  const dim3 grid(ceil_div(g.pixels, kPixels), ceil_div(g.c_out, kChannels));
  const auto kernel =
      takes_vectors(y, x, weight, g) ? conv2d_vectorised_kernel<true> : conv2d_vectorised_kernel<false>;
  launch(kernel, grid, kThreads, 0, stream, y, x, weight, epilogue, g);
}

}  // namespace swag::ladder
