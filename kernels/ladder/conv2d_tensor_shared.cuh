// What the steps on tensor cores share: slices of 32 columns in shared memory, how they get there, rounding.
#pragma once
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/vector.cuh"
#include "kernels/ladder/conv2d_geometry.cuh"

namespace swag::ladder {

constexpr int kSliceColumns = kPiece;
constexpr int kChunks = kSliceColumns / 4;  // of 16 bytes in a row

/// Where chunk `chunk` of row `row` lies in a slice. Rows of 128 bytes would all begin in bank 0; permuted by
/// the row, the same chunk of eight rows lies in eight different groups of banks.
__device__ __forceinline__ float* chunk_at(float* slice, int row, int chunk) {
  return slice + row * kSliceColumns + (chunk ^ row % kChunks) * 4;
}

/// Copies 4 columns of a row, as one chunk or one by one; find(e) points to column e, or is null where zeros
/// belong.
template <bool kVectors, typename Find>
__device__ __forceinline__ void copy_chunk(float* to, const float* any, const Find& find) {
  constexpr int kBytes = kVectors ? 16 : 4;
#pragma unroll
  for (int e = 0; e < 16 / kBytes; ++e) {
    const float* from = find(e);
    cp_async<kBytes>(to + e, from != nullptr ? from : any, from != nullptr ? kBytes : 0);
  }
}

template <int kCount>
__device__ __forceinline__ void round_all(uint32_t (&r)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) r[i] = round_to_tf32(__uint_as_float(r[i]));
}

/// What a thread copies of each slice: one chunk of some rows of A and of W, `kThreads / 8` rows apart.
template <int kThreads, int kPixels, int kChannels, bool kVectors>
class SliceCopier {
 public:
  __device__ __forceinline__ SliceCopier(const float* x, const float* weight, const Geometry& g,
                                         int first_pixel, int first_channel)
      : x_(x), weight_(weight), first_channel_(first_channel) {
#pragma unroll
    for (int i = 0; i < kPixels / kRowStep; ++i)
      windows_[i] = window_of(g, first_pixel + row() + i * kRowStep);
  }

  /// Begins to copy slice `index`, A's rows and then W's, and closes the group. Beyond the last one the group
  /// is empty, so that the number of groups to wait for stays right.
  __device__ __forceinline__ void copy(float* slice, int index, const Geometry& g) const {
    const int k = index * kSliceColumns + column() * 4;
    if (index * kSliceColumns < g.depth) {
#pragma unroll
      for (int i = 0; i < kPixels / kRowStep; ++i) {
        copy_chunk<kVectors>(chunk_at(slice, row() + i * kRowStep, column()), x_, [&](int e) {
          const int64_t offset = k + e < g.depth ? patch_offset(g, windows_[i], tap_of(g, k + e)) : -1;
          return offset >= 0 ? x_ + offset : nullptr;
        });
      }
#pragma unroll
      for (int i = 0; i < kChannels / kRowStep; ++i) {
        const int own = row() + i * kRowStep, channel = first_channel_ + own;
        copy_chunk<kVectors>(chunk_at(slice + kPixels * kSliceColumns, own, column()), weight_, [&](int e) {
          const bool inside = channel < g.c_out && k + e < g.depth;
          return inside ? weight_ + static_cast<int64_t>(channel) * g.depth + k + e : nullptr;
        });
      }
    }
    cp_async_commit();
  }

 private:
  static constexpr int kRowStep = kThreads / kChunks;  // rows that the block copies at once

  __device__ __forceinline__ static int row() { return static_cast<int>(threadIdx.x) / kChunks; }
  __device__ __forceinline__ static int column() { return static_cast<int>(threadIdx.x) % kChunks; }

  const float *x_, *weight_;
  int first_channel_;
  Window windows_[kPixels / kRowStep];
};

/// Writes two neighbouring channels of a pixel, as far as there are such.
template <bool kVectors>
__device__ __forceinline__ void write_pair(float* y, const float* pair, int pixel, int c,
                                           const Epilogue& epilogue, const Geometry& g) {
  if (pixel >= g.pixels || c >= g.c_out) return;
  float* out = y + static_cast<int64_t>(pixel) * g.y_pitch + c;
  if (kVectors && c + 1 < g.c_out) {
    store2(out, make_float2(finish(pair[0], epilogue, c), finish(pair[1], epilogue, c + 1)));
  } else {
    out[0] = finish(pair[0], epilogue, c);
    if (c + 1 < g.c_out) out[1] = finish(pair[1], epilogue, c + 1);
  }
}

}  // namespace swag::ladder
