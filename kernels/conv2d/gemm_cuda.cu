// The fast convolution: an implicit GEMM on float32 units, and the second pass of split sums.
#include "kernels/conv2d/output_cuda.cuh"

namespace swag::cuda::conv2d {
namespace {

// A float that sums thousands of products loses digits: every addition rounds to the size that the sum has by
// then. Products are summed in pieces of 64, then the pieces: 64 registers more per thread.
constexpr int kPieceSlices = 64 / kDepth;
constexpr int kPad = 4;  // floats per row of the turned A: its stores then hit 32 banks

__device__ __forceinline__ float4 zero4() { return make_float4(0, 0, 0, 0); }

/// Where a lane's 8 x 8 sums lie in the tile.
struct Place {
  int m = 0, n = 0;  // the lane's column in units of 4 pixels, of 4 channels
  int first_m = 0;   // pixels first_m + 0..3 and first_m + kTileM / 2 + 0..3
  int first_n = 0;   // channels first_n + 0..3 and first_n + 16 + 0..3
};
template <int kTileM>
__device__ __forceinline__ Place place_of(int thread) {
  constexpr int kWarpsM = kTileM / 64;
  const LanePlace lane = place_of_lane(thread % 32);
  const int warp = thread / 32;
  Place p;
  p.m = lane.m;
  p.n = lane.n;
  p.first_m = (warp % kWarpsM * 8 + p.m) * 4;
  p.first_n = warp / kWarpsM * 32 + p.n * 4;
  return p;
}

/// The part of A that a thread copies: four channels of kRows pixels, two lanes for the eight of a slice.
template <typename T, int kRows, int kRowStep, bool kVectors>
struct Reader {
  int row[kRows], col[kRows];  // of the window's corner; far outside for a pixel that does not exist
  int64_t base[kRows];         // element of that corner
  int64_t offset;              // of the tap and channel, from any corner
  int channel, tap_row, tap_col;

  __device__ __forceinline__ Reader(const GemmArguments& g, const Phase& phase, int first_pixel, int slice,
                                    int thread) {
    const Axis &rows = phase.rows, &cols = phase.cols;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int pixel = first_pixel + thread / 2 + r * kRowStep;
      const int y = pixel / cols.count;
      row[r] = y < rows.count ? rows.x_first + rows.x_step * y : -(1 << 30);
      col[r] = cols.x_first + cols.x_step * (pixel - y * cols.count);
      base[r] = (static_cast<int64_t>(row[r]) * g.w + col[r]) * g.x_pitch;
    }
    const int k = slice * kDepth + thread % 2 * 4, tap = k / g.in_padded;
    channel = k - tap * g.in_padded;
    tap_row = cols.taps > 0 ? tap / cols.taps : 0;
    tap_col = tap - tap_row * cols.taps;
    offset = (static_cast<int64_t>(tap_row) * g.w + tap_col) * g.x_pitch + channel;
  }

  __device__ __forceinline__ float4 load(const GemmArguments& g, const Phase& phase, int r) const {
    const unsigned y = row[r] + tap_row, x = col[r] + tap_col;
    if (y >= static_cast<unsigned>(g.h) || x >= static_cast<unsigned>(g.w) || tap_row >= phase.rows.taps) {
      return zero4();
    }
    const T* from = static_cast<const T*>(g.x) + base[r] + offset;
    Floats<4> v;
    if constexpr (kVectors) {
      v = swag::cuda::load<4>(from);
    } else {
      v = load_each(from, g.in - channel);
    }
    return make_float4(v.at[0], v.at[1], v.at[2], v.at[3]);
  }

  __device__ __forceinline__ void advance(const GemmArguments& g, const Phase& phase) {
    channel += kDepth;
    offset += kDepth;
    while (channel >= g.in_padded) {  // twice where a tap has four channels
      channel -= g.in_padded;
      offset += g.x_pitch - g.in_padded;
      if (++tap_col == phase.cols.taps) {
        tap_col = 0;
        ++tap_row;
        offset += (g.w - phase.cols.taps) * g.x_pitch;
      }
    }
  }
};

/// sum += A B for one slice. Each float4 of shared memory serves 32 multiply-adds.
template <int kTileM, int kTileN>
__device__ __forceinline__ void multiply(float (&sum)[8][8], const float (*a_tile)[kTileM + kPad],
                                         const float (*b_tile)[kTileN], const Place& place) {
#pragma unroll
  for (int k = 0; k < kDepth; ++k) {
    const float4 a0 = load4(&a_tile[k][place.first_m]), a1 = load4(&a_tile[k][place.first_m + kTileM / 2]);
    const float4 b0 = load4(&b_tile[k][place.first_n]), b1 = load4(&b_tile[k][place.first_n + 16]);
    const float a[8] = {a0.x, a0.y, a0.z, a0.w, a1.x, a1.y, a1.z, a1.w};
    const float b[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (int j = 0; j < 8; ++j) sum[i][j] += a[i] * b[j];
    }
  }
}

/// Pixel `index` of a phase as a pixel of the map that is written, or -1.
__device__ __forceinline__ int map_pixel(const GemmArguments& g, const Phase& phase, int index) {
  const Axis &rows = phase.rows, &cols = phase.cols;
  const int row = index / cols.count, col = index - row * cols.count;
  if (row >= rows.count) return -1;
  return (rows.y_first + rows.y_step * row) * g.y_w + cols.y_first + cols.y_step * col;
}

/// Each lane looks up one of the four pixels that it shares with three others: its place, its mask.
template <int kTileM>
__device__ __forceinline__ void write_tile(const GemmArguments& g, const Phase& phase, int first_pixel,
                                           int first_channel, const Place& place, const float (&sum)[8][8]) {
  const Output& o = g.output;
  const int words = (o.channels + 31) / 32, channel = first_channel + place.first_n, word = channel / 32;
  const bool split = g.second_pass;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int own = map_pixel(g, phase, first_pixel + half * (kTileM / 2) + place.first_m + place.n);
    const bool has_mask = own >= 0 && word < words;
    const int64_t mask_at = static_cast<int64_t>(own) * words + word;
    uint32_t kept = kWarp, signs = 0;
    if (o.mask_in != nullptr && has_mask && !split) kept = o.mask_in[mask_at];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int source = lane_of(place.m, i);
      const int pixel = __shfl_sync(kWarp, own, source);
      const uint32_t bits = __shfl_sync(kWarp, kept, source);
      const float(&s)[8] = sum[half * 4 + i];
      uint32_t positive = 0;
      if (pixel >= 0 && split) {
        const int64_t row = static_cast<int64_t>(blockIdx.y) * g.y_pixels + pixel;
        float* const to = g.partial + row * g.out_padded + channel;
        store4(to, make_float4(s[0], s[1], s[2], s[3]));
        store4(to + 16, make_float4(s[4], s[5], s[6], s[7]));
      } else if (pixel >= 0) {
        positive = write_eight<float>(o, pixel, channel, place.n, s, bits);
      }
      if (o.mask_out == nullptr || split) continue;
      positive = join_word(positive);
      if (place.n == i) signs = positive;
    }
    if (o.mask_out != nullptr && has_mask && !split) o.mask_out[mask_at] = signs;
  }
}

/// Block: kTileM pixels of one phase x kTileN channels, in slices of 8 of the sum's columns; the next slice
/// is
///   read into registers before the products begin and stored, A turned, into the other of two buffers after
///   them. Thread: 8 x 8 sums, and as many of the pieces.
/// Grid: (tiles of pixels x tiles of channels, splits, phases) x kTileM * kTileN / 64 threads. Blocks side by
///   side share their pixels: A comes from DRAM once, the weights stay in the second-level cache.
/// Shared memory: 12.3 KiB for 128 x 64, 8.3 KiB for 64 x 64, 10.3 KiB for 128 x 32.
/// Bound by arithmetic from some 10 multiply-adds per byte of tensor on (H100; T4: 13): 3x3, and most 1x1.
template <typename T, int kTileM, int kTileN, bool kVectors>
__global__ void __launch_bounds__(kTileM* kTileN / 64, 16384 / (kTileM * kTileN))
    conv2d_gemm_kernel(const __grid_constant__ GemmArguments g) {
  constexpr int kThreads = kTileM * kTileN / 64, kRowStep = kThreads / 2, kRows = kTileM / kRowStep;
  constexpr int kWeightStep = kThreads * 4 / kTileN, kWeights = kDepth / kWeightStep;
  __shared__ __align__(16) float a_tile[2][kDepth][kTileM + kPad];
  __shared__ __align__(16) float b_tile[2][kDepth][kTileN];
  const Phase& phase = g.phase[blockIdx.z];
  const int channel_tiles = g.out_padded / kTileN, thread = static_cast<int>(threadIdx.x);
  const int first_channel = static_cast<int>(blockIdx.x) % channel_tiles * kTileN;
  const int first_pixel = static_cast<int>(blockIdx.x) / channel_tiles * kTileM;
  if (first_pixel >= phase.rows.count * phase.cols.count) return;
  const int columns = phase.rows.taps * phase.cols.taps * g.in_padded;
  const int slices = (columns + kDepth - 1) / kDepth;
  const int begin = slices * static_cast<int>(blockIdx.y) / g.splits;
  const int end = slices * (static_cast<int>(blockIdx.y) + 1) / g.splits;
  const Place place = place_of<kTileM>(thread);

  const int copy_k = thread % 2 * 4, copy_m = thread / 2;
  const int weight_k = thread / (kTileN / 4), weight_n = thread % (kTileN / 4) * 4;
  Reader<T, kRows, kRowStep, kVectors> reader(g, phase, first_pixel, begin, thread);
  const float* weight = static_cast<const float*>(g.packed) + phase.packed_offset + first_channel + weight_n +
                        (static_cast<int64_t>(begin) * kDepth + weight_k) * g.out_padded;
  float4 next_a[kRows], next_b[kWeights];
  const auto load = [&] {
#pragma unroll
    for (int r = 0; r < kRows; ++r) next_a[r] = reader.load(g, phase, r);
#pragma unroll
    for (int r = 0; r < kWeights; ++r) next_b[r] = load4(weight + r * kWeightStep * g.out_padded);
    reader.advance(g, phase);
    weight += kDepth * static_cast<int64_t>(g.out_padded);
  };
  const auto store = [&](int buffer) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      a_tile[buffer][copy_k][copy_m + r * kRowStep] = next_a[r].x;
      a_tile[buffer][copy_k + 1][copy_m + r * kRowStep] = next_a[r].y;
      a_tile[buffer][copy_k + 2][copy_m + r * kRowStep] = next_a[r].z;
      a_tile[buffer][copy_k + 3][copy_m + r * kRowStep] = next_a[r].w;
    }
#pragma unroll
    for (int r = 0; r < kWeights; ++r) {
      store4(&b_tile[buffer][weight_k + r * kWeightStep][weight_n], next_b[r]);
    }
  };

  float sum[8][8] = {}, piece[8][8] = {};
  if (begin < end) load();
  for (int slice = begin; slice < end; ++slice) {
    const int buffer = (slice - begin) % 2;
    store(buffer);
    __syncthreads();  // also: nobody reads the other buffer any more, which the next store fills
    const bool more = slice + 1 < end;
    if (more) load();
    multiply<kTileM, kTileN>(piece, a_tile[buffer], b_tile[buffer], place);
    if (more && (slice - begin) % kPieceSlices != kPieceSlices - 1) continue;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        sum[i][j] += piece[i][j];
        piece[i][j] = 0;
      }
    }
  }
  write_tile<kTileM>(g, phase, first_pixel, first_channel, place, sum);
}

constexpr int kReduceThreads = 256;

/// Thread: four channels of one pixel, from all splits. Grid: (pixels * out_padded / 4 / 256) x 256. No
/// shared memory. Bound by the bytes of the partial sums, which the second-level cache mostly holds.
template <typename Y>
__global__ void __launch_bounds__(kReduceThreads)
    conv2d_add_splits_kernel(const __grid_constant__ GemmArguments g) {
  const Output& o = g.output;
  const int fours = g.out_padded / 4;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kReduceThreads + threadIdx.x;
  const int64_t pixel = index / fours;
  const int four = static_cast<int>(index - pixel * fours), channel = four * 4, shift = four % 8 * 4;
  const bool mine = pixel < g.y_pixels && channel < o.channels;
  const int64_t mask_at = pixel * ((o.channels + 31) / 32) + channel / 32;
  uint32_t signs = 0;
  if (mine) {
    const int64_t split_step = g.y_pixels * g.out_padded;
    const float* from = g.partial + pixel * g.out_padded + channel;
    float4 sum = load4(from);
#pragma unroll 4
    for (int split = 1; split < g.splits; ++split) {
      const float4 part = load4(from + split * split_step);
      sum = make_float4(sum.x + part.x, sum.y + part.y, sum.z + part.z, sum.w + part.w);
    }
    const uint32_t kept = o.mask_in != nullptr ? o.mask_in[mask_at] : kWarp;
    signs = write_four<Y>(o, pixel, channel, sum, kept >> shift) << shift;
  }
  if (o.mask_out == nullptr) return;
  for (int step = 1; step < 8; step *= 2) signs |= __shfl_xor_sync(kWarp, signs, step);
  if (mine && four % 8 == 0) o.mask_out[mask_at] = signs;
}

// ---------------------------------------------------------------- launchers

template <typename T, int kTileM, int kTileN>
void launch_tiles(const GemmArguments& g, int phases, Stream stream) {
  int64_t pixels = 0;
  for (int i = 0; i < phases; ++i) pixels = std::max(pixels, g.phase[i].pixels());
  const int64_t tiles = ceil_div(pixels, kTileM) * (g.out_padded / kTileN);
  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(g.splits),
                  static_cast<unsigned>(phases));
  // What is stored in 16 bits seldom comes here, and is read one by one.
  constexpr bool kCanVectors = std::is_same_v<T, float>;
  const bool vectors = kCanVectors && g.in % 4 == 0 && g.x_pitch % 4 == 0 && is_aligned(g.x);
  launch(vectors ? conv2d_gemm_kernel<T, kTileM, kTileN, kCanVectors>
                 : conv2d_gemm_kernel<T, kTileM, kTileN, false>,
         grid, dim3(kTileM * kTileN / 64), 0, stream, g);
}

}  // namespace

void gemm_run(GemmArguments arguments, const Gemm& gemm, DType operand, Stream stream) {
  const Tiling tiling = choose_tiling(gemm);
  arguments.splits = tiling.splits;
  arguments.second_pass = gemm_has_second_pass(tiling, arguments.output.type);
  for_each_launch(arguments, gemm, [&](const GemmArguments& g, int phases) {
    with_stored(operand, [&](auto zero) {
      using T = decltype(zero);
      if (tiling.n == kNarrowTile) {
        launch_tiles<T, 128, kNarrowTile>(g, phases, stream);
      } else if (tiling.m == 128) {
        launch_tiles<T, 128, kWideTile>(g, phases, stream);
      } else {
        launch_tiles<T, 64, kWideTile>(g, phases, stream);
      }
    });
  });
  if (!arguments.second_pass) return;
  const int64_t blocks = ceil_div(arguments.y_pixels * arguments.out_padded / 4, kReduceThreads);
  with_stored(arguments.output.type, [&](auto zero) {
    launch(conv2d_add_splits_kernel<decltype(zero)>, dim3(static_cast<unsigned>(blocks)),
           dim3(kReduceThreads), 0, stream, arguments);
  });
}

}  // namespace swag::cuda::conv2d
