// The transforms themselves. The including file defines, in an anonymous namespace of swag::cpu, kVectorBytes
// (a register), then exports kWinogradKernels. Vectors run over channels, so there is no shuffle anywhere.
//
// Bounded by loads and stores: 36 each of memory and 36 each of the stack, against 168 operations on the way
// in and 130 on the way out.
//
// No standard header with code in it may be included here: see gemm_micro_kernel.h.
#include "kernels/conv2d/winograd_transform_cpu.h"

namespace swag::cpu {
namespace {

typedef float Vector __attribute__((vector_size(kVectorBytes)));
typedef uint32_t Bits __attribute__((vector_size(kVectorBytes)));

constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(float));
constexpr int kPatch = kWinogradPatch, kTile = kWinogradTile;
constexpr int kWordBits = 32;

constexpr float kA = kWinogradA, kB = kWinogradB;
constexpr float kA2 = kA * kA, kB2 = kB * kB, kA3 = kA2 * kA, kB3 = kB2 * kB;
constexpr float kSum2 = kA2 + kB2, kProduct2 = kA2 * kB2;

inline Vector load(const float* p) {
  Vector v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

/// The first `count` lanes; the others are 0.
inline Vector load(const float* p, int count) {
  if (count >= kLanes) return load(p);
  Vector v = {};
  for (int lane = 0; lane < count; ++lane) v[lane] = p[lane];
  return v;
}

inline void store(float* p, const Vector& v) { __builtin_memcpy(p, &v, sizeof v); }

inline void store(float* p, const Vector& v, int count) {
  if (count >= kLanes) {
    store(p, v);
  } else {
    for (int lane = 0; lane < count; ++lane) p[lane] = v[lane];
  }
}

/// Lane l has the bit first + l.
inline Bits lane_bits(int first) {
  Bits bits = {};
  for (int lane = 0; lane < kLanes; ++lane) bits[lane] = 1u << (first + lane);
  return bits;
}

inline uint32_t any_lane(const Bits& bits) {
  uint64_t pairs[kVectorBytes / 8], all = 0;
  __builtin_memcpy(pairs, &bits, sizeof bits);
  for (const uint64_t pair : pairs) all |= pair;
  return static_cast<uint32_t>(all | all >> 32);
}

/// v = B^T d. The points come in pairs of opposite sign, so even and odd powers are shared by two rows.
inline void transform_patch(Vector* v, const Vector* d) {
  const Vector even_a = d[4] - kB2 * d[2], odd_a = d[3] - kB2 * d[1];
  const Vector even_b = d[4] - kA2 * d[2], odd_b = d[3] - kA2 * d[1];
  v[0] = kProduct2 * d[0] + (d[4] - kSum2 * d[2]);
  v[1] = even_a + kA * odd_a;
  v[2] = even_a - kA * odd_a;
  v[3] = even_b + kB * odd_b;
  v[4] = even_b - kB * odd_b;
  v[5] = kProduct2 * d[1] + (d[5] - kSum2 * d[3]);
}

/// y = A^T m.
inline void transform_products(Vector* y, const Vector* m) {
  const Vector even_a = m[1] + m[2], odd_a = m[1] - m[2];
  const Vector even_b = m[3] + m[4], odd_b = m[3] - m[4];
  y[0] = m[0] + (even_a + even_b);
  y[1] = kA * odd_a + kB * odd_b;
  y[2] = kA2 * even_a + kB2 * even_b;
  y[3] = kA3 * odd_a + (kB3 * odd_b + m[5]);
}

/// One vector of channels from c on; kWhole: all lanes exist and the patch lies inside the map.
template <bool kWhole>
inline void transform_input_at(const WinogradInput& in, int c) {
  const int count = kWhole ? kLanes : in.channels - c;
  Vector columns[kPatch][kPatch];  // row, column
#pragma GCC unroll 6
  for (int j = 0; j < kPatch; ++j) {
    Vector d[kPatch], v[kPatch];
#pragma GCC unroll 6
    for (int i = 0; i < kPatch; ++i) {
      const bool inside = kWhole || (in.rows >> i & in.cols >> j & 1u);
      d[i] = inside ? load(in.x + i * in.row_step + j * in.pixel_step + c, count) : Vector{};
    }
    transform_patch(v, d);
#pragma GCC unroll 6
    for (int i = 0; i < kPatch; ++i) columns[i][j] = v[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < kPatch; ++i) {
    Vector v[kPatch];
    transform_patch(v, columns[i]);
#pragma GCC unroll 6
    for (int j = 0; j < kPatch; ++j) store(in.v + (i * kPatch + j) * in.position_step + c, v[j]);
  }
}

void transform_input(const WinogradInput& input) {
  const WinogradInput in = input;  // no store to v can change this copy
  const bool inside = in.rows == 0x3f && in.cols == 0x3f;
  int c = 0;
  if (inside) {
    for (; c + kLanes <= in.channels; c += kLanes) transform_input_at<true>(in, c);
  }
  for (; c < in.channels; c += kLanes) transform_input_at<false>(in, c);
}

/// Row `row` of the tile on its way to memory. `signs` collects the lanes' bits of each pixel.
template <bool kWhole>
inline void finish_row(Vector* y, const WinogradOutput& out, int row, int c, Bits* signs) {
  const int count = kWhole ? kLanes : out.channels - c;
  const int cols = kWhole ? kTile : out.cols;
  const int64_t offset = row * out.row_step + c;
  if (out.bias) {
    const Vector bias = load(out.bias + c, count);
    for (int q = 0; q < kTile; ++q) y[q] += bias;
  }
  if (out.residual) {
    for (int q = 0; q < cols; ++q) y[q] += load(out.residual + offset + q * out.pixel_step, count);
  }
  if (out.relu) {
    for (int q = 0; q < kTile; ++q) y[q] = y[q] < 0 ? Vector{} : y[q];
  }
  if (out.mask_out) {
    const Bits lanes = lane_bits(c % kWordBits);
    for (int q = 0; q < kTile; ++q) signs[q] |= (Bits)(y[q] > 0) & lanes;
  }
  if (out.mask_in) {
    const Bits lanes = lane_bits(c % kWordBits);
    const uint32_t* words = out.mask_in + row * out.mask_row_step + c / kWordBits;
    for (int q = 0; q < cols; ++q) {
      const Bits kept = (Bits)((lanes & words[q * out.mask_pixel_step]) != 0);
      y[q] = (Vector)((Bits)y[q] & kept);
    }
  }
  for (int q = 0; q < cols; ++q) store(out.y + offset + q * out.pixel_step, y[q], count);
}

/// One vector of channels from c on; kWhole: all lanes and all pixels of the tile exist.
template <bool kWhole>
inline void transform_output_at(const WinogradOutput& out, int c, Bits* signs) {
  Vector columns[kTile][kPatch];  // row, column
#pragma GCC unroll 6
  for (int j = 0; j < kPatch; ++j) {
    Vector m[kPatch], y[kTile];
#pragma GCC unroll 6
    for (int i = 0; i < kPatch; ++i) m[i] = load(out.m + (i * kPatch + j) * out.position_step + c);
    transform_products(y, m);
#pragma GCC unroll 4
    for (int i = 0; i < kTile; ++i) columns[i][j] = y[i];
  }
  const int rows = kWhole ? kTile : out.rows;
#pragma GCC unroll 4
  for (int i = 0; i < rows; ++i) {
    Vector y[kTile];
    transform_products(y, columns[i]);
    finish_row<kWhole>(y, out, i, c, signs + i * kTile);
  }
}

void transform_output(const WinogradOutput& output) {
  const WinogradOutput out = output;  // no store to y can change this copy
  const bool whole = out.rows == kTile && out.cols == kTile;
  for (int first = 0; first < out.channels; first += kWordBits) {
    Bits signs[kTile * kTile] = {};
    const int end = out.channels - first < kWordBits ? out.channels : first + kWordBits;
    int c = first;
    if (whole) {
      for (; c + kLanes <= end; c += kLanes) transform_output_at<true>(out, c, signs);
    }
    for (; c < end; c += kLanes) transform_output_at<false>(out, c, signs);
    if (!out.mask_out) continue;
    for (int i = 0; i < out.rows; ++i) {
      uint32_t* words = out.mask_out + i * out.mask_row_step + first / kWordBits;
      for (int q = 0; q < out.cols; ++q) words[q * out.mask_pixel_step] = any_lane(signs[i * kTile + q]);
    }
  }
}

/// The rows of G: powers of a point over its denominator of the interpolation, which is its negative's too.
constexpr double kOver0 = 1 / (kWinogradA * kWinogradA * kWinogradB * kWinogradB);
constexpr double kOverA =
    0.5 / (kWinogradA * kWinogradA * (kWinogradA * kWinogradA - kWinogradB * kWinogradB));
constexpr double kOverB =
    0.5 / (kWinogradB * kWinogradB * (kWinogradB * kWinogradB - kWinogradA * kWinogradA));
constexpr float kG0 = kOver0;
constexpr float kGA[3] = {kOverA, kOverA* kWinogradA, kOverA* kWinogradA* kWinogradA};
constexpr float kGB[3] = {kOverB, kOverB* kWinogradB, kOverB* kWinogradB* kWinogradB};

/// u = G g.
inline void transform_taps(Vector* u, const Vector* g) {
  const Vector even_a = kGA[0] * g[0] + kGA[2] * g[2], odd_a = kGA[1] * g[1];
  const Vector even_b = kGB[0] * g[0] + kGB[2] * g[2], odd_b = kGB[1] * g[1];
  u[0] = kG0 * g[0];
  u[1] = even_a + odd_a;
  u[2] = even_a - odd_a;
  u[3] = even_b + odd_b;
  u[4] = even_b - odd_b;
  u[5] = g[2];
}

/// Of the columns only element kRow is used: the compiler drops the others.
template <int kRow>
void transform_weights_row(const WinogradWeights& weights) {
  const WinogradWeights w = weights;  // no store to u can change this copy
  for (int64_t k = 0; k < w.depth; ++k) {
    for (int c = 0; c < w.channels; c += kLanes) {
      const float* taps = w.g + k * kWinogradTaps * w.channels + c;
      float* to = w.u + k * w.channels + c;
      Vector row[3], u[kPatch];
#pragma GCC unroll 3
      for (int t = 0; t < 3; ++t) {
        const Vector column[3] = {load(taps + t * w.channels), load(taps + (3 + t) * w.channels),
                                  load(taps + (6 + t) * w.channels)};
        transform_taps(u, column);
        row[t] = u[kRow];
      }
      transform_taps(u, row);
#pragma GCC unroll 6
      for (int j = 0; j < kPatch; ++j) store(to + j * w.position_step, u[j]);
    }
  }
}

void transform_weights(const WinogradWeights& weights) {
  constexpr void (*kRows[kPatch])(const WinogradWeights&) = {
      &transform_weights_row<0>, &transform_weights_row<1>, &transform_weights_row<2>,
      &transform_weights_row<3>, &transform_weights_row<4>, &transform_weights_row<5>};
  kRows[weights.row](weights);
}

constexpr WinogradKernels kWinogradKernels = {&transform_weights, &transform_input, &transform_output};

}  // namespace
}  // namespace swag::cpu
