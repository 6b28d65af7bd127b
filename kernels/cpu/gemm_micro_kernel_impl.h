// The micro-kernel itself, compiled once per instruction set. The including file defines, in an anonymous
// namespace of swag::cpu, kVectorBytes (a register) and kTileRows (rows per tile), then exports kGemmKernels.
//
// A tile is up to kTileRows rows by two vectors. Its sums stay in registers for the whole of K; each step
// loads two vectors of B and broadcasts one element per row of A. With 16 registers 6 rows are the most that
// fit, with 32 registers 12 leave room to spare. The multiply-add units bound it: B comes from the
// second-level cache at 2 vectors per 2 * kTileRows multiply-adds. Vector types are the compiler's own (GCC,
// Clang), no intrinsics.
//
// No standard header with code in it may be included here: see gemm_micro_kernel.h.
#include "kernels/cpu/gemm_micro_kernel.h"

namespace swag::cpu {
namespace {

template <typename T>
struct Simd;
template <>
struct Simd<float> {
  typedef float Vector __attribute__((vector_size(kVectorBytes)));
  typedef uint32_t Bits __attribute__((vector_size(kVectorBytes)));
};
template <>
struct Simd<double> {
  typedef double Vector __attribute__((vector_size(kVectorBytes)));
  typedef uint64_t Bits __attribute__((vector_size(kVectorBytes)));
};
template <typename T>
using Vector = typename Simd<T>::Vector;
template <typename T>
using Bits = typename Simd<T>::Bits;

template <typename T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <typename T>
constexpr int kLine = 64 / static_cast<int>(sizeof(T));  // elements of a cache line

template <typename T>
inline Vector<T> load(const T* p) {
  Vector<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

/// The first `count` lanes; the others are 0.
template <typename T>
inline Vector<T> load(const T* p, int count) {
  if (count >= kLanes<T>) return load(p);
  Vector<T> v = {};
  for (int lane = 0; lane < count; ++lane) v[lane] = p[lane];
  return v;
}

template <typename T>
inline void store(T* p, const Vector<T>& v, int count) {
  if (count >= kLanes<T>) {
    __builtin_memcpy(p, &v, sizeof v);
  } else {
    for (int lane = 0; lane < count; ++lane) p[lane] = v[lane];
  }
}

/// Lane l of vector `half` of a panel has the bit half * lanes + l.
template <typename T>
inline Bits<T> lane_bits(int half) {
  Bits<T> bits = {};
  for (int lane = 0; lane < kLanes<T>; ++lane) bits[lane] = 1u << (half * kLanes<T> + lane);
  return bits;
}

template <typename T>
inline uint32_t positive_bits(const Vector<T>& v0, const Vector<T>& v1) {
  const Bits<T> bits = ((Bits<T>)(v0 > 0) & lane_bits<T>(0)) | ((Bits<T>)(v1 > 0) & lane_bits<T>(1));
  uint64_t pairs[kVectorBytes / 8], all = 0;  // of 32-bit lanes
  __builtin_memcpy(pairs, &bits, sizeof bits);
  for (const uint64_t pair : pairs) all |= pair;
  return static_cast<uint32_t>(all | all >> 32);
}

template <typename T>
inline Vector<T> keep_lanes(const Vector<T>& v, uint32_t word, int half) {
  const Bits<T> bits = lane_bits<T>(half);
  return (Vector<T>)((Bits<T>)v & (Bits<T>)((bits & word) != 0));
}

template <typename T>
inline void finish_row(Vector<T> v0, Vector<T> v1, const GemmPanel<T>& p, int64_t row, int columns) {
  const int count0 = columns, count1 = columns - kLanes<T>;
  T* y = p.y + row * p.y_step;
  if (p.bias) {
    v0 += load(p.bias, count0);
    v1 += load(p.bias + kLanes<T>, count1);
  }
  if (p.residual) {
    const T* residual = p.residual + row * p.y_step;
    v0 += load(residual, count0);
    v1 += load(residual + kLanes<T>, count1);
  }
  if (p.relu) {
    v0 = v0 < 0 ? Vector<T>{} : v0;
    v1 = v1 < 0 ? Vector<T>{} : v1;
    if (p.mask_out) {
      uint32_t& word = p.mask_out[row * p.mask_step];
      word = (p.mask_shift ? word : 0) | positive_bits<T>(v0, v1) << p.mask_shift;
    }
  }
  if (p.mask_in) {
    const uint32_t word = p.mask_in[row * p.mask_step] >> p.mask_shift;
    v0 = keep_lanes<T>(v0, word, 0);
    v1 = keep_lanes<T>(v1, word, 1);
  }
  store(y, v0, count0);
  store(y + kLanes<T>, v1, count1);
}

/// Not inlined: one copy serves the tiles of all heights. `panel` is copied, because the compiler must take
/// every store to y for one that may change it.
template <typename T>
__attribute__((noinline)) void finish_tile(const Vector<T>* sums, const GemmPanel<T>& panel, int64_t row,
                                           int rows) {
  const GemmPanel<T> p = panel;
  if (p.columns == 2 * kLanes<T>) {  // known to the compiler: no partial vectors
    for (int m = 0; m < rows; ++m) finish_row<T>(sums[2 * m], sums[2 * m + 1], p, row + m, 2 * kLanes<T>);
  } else {
    for (int m = 0; m < rows; ++m) finish_row<T>(sums[2 * m], sums[2 * m + 1], p, row + m, p.columns);
  }
}

/// A row of the tile is two lines and the next row is far away: no hardware prefetcher sees that coming.
template <typename T>
inline void fetch_outputs(const GemmPanel<T>& p, int64_t row) {
  __builtin_prefetch(p.y + row * p.y_step, 1);
  __builtin_prefetch(p.y + row * p.y_step + kLanes<T>, 1);
  if (p.residual) {
    __builtin_prefetch(p.residual + row * p.y_step);
    __builtin_prefetch(p.residual + row * p.y_step + kLanes<T>);
  }
}

/// Products that one register adds up before it is emptied into memory. A float rounds each further product
/// to the size of its sum, and a softmax at temperature 1 turns an error of 2e-5 in a feature of 60 into one
/// of 1e-4 in the style loss. Summing K products in pieces of about sqrt(K) rounds least: the worst of five
/// seeds of ResNet50 is off by 1.1e-4 in pieces of 256, 4.8e-5 of 64, 2.6e-5 of 32. It costs some 4% of the
/// time.
constexpr int kLongestSum = 32;

template <typename T, int kRows, bool kColumns>
void multiply_tile(const GemmPanel<T>& p, int64_t row) {
  Vector<T> sum0[kRows] = {}, sum1[kRows] = {};
  Vector<T> sums[2 * kRows];  // of what was emptied
  int summed = 0;
  bool emptied = false;
  const T* b = p.b;
  const int64_t a_step = kColumns ? 1 : p.a_step, k_step = kColumns ? p.k_step : 1;
  for (int m = 0; m < kRows; ++m) fetch_outputs(p, row + m);
  for (int i = 0; i < p.tap_rows; ++i) {
    for (int j = 0; j < p.taps; ++j) {
      const T* a = p.a + row * a_step + i * p.tap_row_step + j * p.tap_step;
      for (const T* const end = a + p.depth * k_step; a < end;) {
        if (!kColumns && p.prefetch) {
          for (int m = 0; m < kRows; ++m) __builtin_prefetch(a + (kRows + m) * a_step, 0, 2);
        }
        const int64_t line = kLine<T> * k_step;
        for (const T* const line_end = end - a > line ? a + line : end; a < line_end; a += k_step) {
          const Vector<T> b0 = load(b), b1 = load(b + kLanes<T>);
          b += 2 * kLanes<T>;
#pragma GCC unroll 12
          for (int m = 0; m < kRows; ++m) {
            sum0[m] += a[m * a_step] * b0;
            sum1[m] += a[m * a_step] * b1;
          }
        }
        summed += kLine<T>;
        if (sizeof(T) == sizeof(float) && summed >= kLongestSum) {
#pragma GCC unroll 12
          for (int m = 0; m < kRows; ++m) {
            sums[2 * m] = emptied ? sums[2 * m] + sum0[m] : sum0[m];
            sums[2 * m + 1] = emptied ? sums[2 * m + 1] + sum1[m] : sum1[m];
            sum0[m] = sum1[m] = Vector<T>{};
          }
          summed = 0;
          emptied = true;
        }
      }
    }
  }
#pragma GCC unroll 12
  for (int m = 0; m < kRows; ++m) {
    sums[2 * m] = emptied ? sums[2 * m] + sum0[m] : sum0[m];
    sums[2 * m + 1] = emptied ? sums[2 * m + 1] + sum1[m] : sum1[m];
  }
  finish_tile<T>(sums, p, row, kRows);
}

/// Calls the tile of `rows` rows, 1 <= rows <= kRows.
template <typename T, int kRows, bool kColumns>
inline void multiply_rows(const GemmPanel<T>& p, int64_t row, int64_t rows) {
  if (rows == kRows) {
    multiply_tile<T, kRows, kColumns>(p, row);
  } else if constexpr (kRows > 1) {
    multiply_rows<T, kRows - 1, kColumns>(p, row, rows);
  }
}

/// Rows are dealt to tiles evenly: 16 rows are 8 and 8, because 12 and 4 would take longer.
template <typename T>
void multiply(const GemmPanel<T>& p) {
  const int64_t tiles = (p.rows + kTileRows - 1) / kTileRows;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t begin = p.rows * tile / tiles, end = p.rows * (tile + 1) / tiles;
    if (p.k_step == 1) {
      multiply_rows<T, kTileRows, false>(p, begin, end - begin);
    } else {
      multiply_rows<T, kTileRows, true>(p, begin, end - begin);
    }
  }
}

constexpr GemmKernels kGemmKernels = {{2 * kLanes<float>, &multiply<float>},
                                      {2 * kLanes<double>, &multiply<double>}};

}  // namespace
}  // namespace swag::cpu
