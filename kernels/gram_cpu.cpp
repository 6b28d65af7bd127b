#include <algorithm>

#include "kernels/cpu/gemm_micro_kernel.h"
#include "kernels/cpu/reduce.h"
#include "kernels/cpu/vector_clones.h"
#include "kernels/gram.h"

// gram_forward cuts A into tiles of at most 256 x 256, those on and above the diagonal, and the positions
// into groups of chunks. A task is one tile over one group: it multiplies chunk by chunk in T and adds the
// products up in float64. Then the groups of a tile are added in order. Neither the cut nor an order depends
// on the threads.
//
// Each chunk is centred first. With mu the mean of each channel over its n positions, and R = S - mu,
//
//   sum S_a S_b = sum R_a R_b + mu_a sum R_b + mu_b sum R_a + n mu_a mu_b,
//
// so that T rounds sums of the size of the covariance. Uncentred, near-uniform S (all near 1, many equal)
// round alike at each addition, and the error is of the size of what the style loss compares.

namespace swag::cpu {
namespace {

constexpr int kTile = 256;        // channels; a multiple of every kernel's panel
constexpr int kChunk = 512;       // positions
constexpr int kStored = 8;        // rows of the lower half written together: a cache line of the upper
constexpr int kWantedTasks = 32;  // enough for the threads of today; more tasks, more memory

/// How gram_forward cuts its work, by the shape alone.
struct Plan {
  int tile, tiles_per_side;
  int64_t tiles, chunks, groups;

  explicit Plan(const GramParams& params) {
    tile = std::min(params.d, kTile);
    tiles_per_side = (params.d + tile - 1) / tile;
    tiles = int64_t{tiles_per_side} * (tiles_per_side + 1) / 2;
    chunks = (params.m + kChunk - 1) / kChunk;
    groups = std::min(chunks, (kWantedTasks + tiles - 1) / tiles);
  }
  int64_t tile_count() const { return int64_t{tile} * tile; }
  /// Tiles of sums: of every task, or, where one task makes a whole tile, one for each thread.
  int64_t kept_tiles(int threads) const { return groups > 1 ? tiles * groups : threads; }
};

/// The tile (row, col), row <= col, of a number in [0, tiles).
struct TileIndex {
  int row = 0, col = 0;
  TileIndex(int64_t number, int tiles_per_side) {
    while (number >= tiles_per_side - row) number -= tiles_per_side - row++;
    col = row + static_cast<int>(number);
  }
};

/// The channels of a tile row or column; the last may be narrower.
int tile_channels(int index, const GramParams& params) { return std::min(kTile, params.d - index * kTile); }

/// Some channels of one chunk, centred, in the panels of the micro-kernel: each is B of a product as it lies,
/// and A too, column by column.
template <typename T>
struct CentredChunk {
  T* panels;    // (channels / panel, n, panel); 0 beyond the last channel
  T* mean;      // (kTile)
  double* sum;  // (kTile), of the centred values
  int channels = 0;
};

/// What one thread works on.
template <typename T>
struct Scratch {
  CentredChunk<T> left, right;
  T* product;  // (tile, tile)

  static int64_t bytes() {
    const int64_t chunk = kTile * sizeof(double) + (int64_t{kChunk} + 1) * kTile * sizeof(T);
    return 2 * chunk + int64_t{kTile} * kTile * sizeof(T);
  }
  explicit Scratch(void* memory) {
    auto* sums = static_cast<double*>(memory);
    left.sum = sums;
    right.sum = sums + kTile;
    auto* values = reinterpret_cast<T*>(sums + 2 * kTile);
    for (CentredChunk<T>* chunk : {&left, &right}) {
      chunk->mean = values;
      chunk->panels = values + kTile;
      values += (kChunk + 1) * kTile;
    }
    product = values;
  }
};

// The loops over channels. Written out for float and double: copies per instruction set cannot be made of a
// template.

/// sum += values
template <typename T>
__attribute__((always_inline)) inline void add_row(T* __restrict sum, const T* __restrict values, int count) {
  for (int k = 0; k < count; ++k) sum[k] += values[k];
}
VECTOR_CLONES void add_values(float* sum, const float* values, int count) { add_row(sum, values, count); }
void add_values(double* sum, const double* values, int count) { add_row(sum, values, count); }

/// centred(i, k) = s(i, k) - mean(k) for the channels of a panel, and their sum over the n positions.
template <int kPanel, typename T>
__attribute__((always_inline)) inline void centre_columns(T* __restrict centred, double* __restrict sum,
                                                          const T* __restrict s, const T* __restrict mean,
                                                          int64_t pitch, int n) {
  constexpr int kRun = 32;  // positions whose sum T holds well
  for (int k = 0; k < kPanel; ++k) sum[k] = 0;
  for (int begin = 0; begin < n; begin += kRun) {
    T run[kPanel] = {};
    for (int i = begin; i < std::min(begin + kRun, n); ++i) {
      for (int k = 0; k < kPanel; ++k) {
        const T value = s[i * pitch + k] - mean[k];
        centred[i * kPanel + k] = value;
        run[k] += value;
      }
    }
    for (int k = 0; k < kPanel; ++k) sum[k] += run[k];
  }
}
template <typename T>
__attribute__((always_inline)) inline void centre_panel_of(T* centred, double* sum, const T* s, const T* mean,
                                                           int64_t pitch, int n, int panel) {
  switch (panel) {
    case 32: return centre_columns<32>(centred, sum, s, mean, pitch, n);
    case 16: return centre_columns<16>(centred, sum, s, mean, pitch, n);
    case 8: return centre_columns<8>(centred, sum, s, mean, pitch, n);
    default: return centre_columns<4>(centred, sum, s, mean, pitch, n);
  }
}
VECTOR_CLONES void centre_panel(float* centred, double* sum, const float* s, const float* mean, int64_t pitch,
                                int n, int panel) {
  centre_panel_of(centred, sum, s, mean, pitch, n, panel);
}
void centre_panel(double* centred, double* sum, const double* s, const double* mean, int64_t pitch, int n,
                  int panel) {
  centre_panel_of(centred, sum, s, mean, pitch, n, panel);
}

/// One row of the sum at the top of this file; added to `sums`, or put there.
struct RowTerms {
  double mean = 0, constant = 0;  // mu_a; sum R_a + n mu_a
  bool adds = false;
};
template <typename T>
__attribute__((always_inline)) inline void add_terms(double* __restrict sums, const T* __restrict centred,
                                                     const double* __restrict right_sum,
                                                     const T* __restrict right_mean, int count,
                                                     RowTerms terms) {
  const double mean = terms.mean, constant = terms.constant;
  if (terms.adds) {
    for (int b = 0; b < count; ++b) sums[b] += centred[b] + mean * right_sum[b] + constant * right_mean[b];
  } else {
    for (int b = 0; b < count; ++b) sums[b] = centred[b] + mean * right_sum[b] + constant * right_mean[b];
  }
}
VECTOR_CLONES void add_product_row(double* sums, const float* centred, const double* right_sum,
                                   const float* right_mean, int count, RowTerms terms) {
  add_terms(sums, centred, right_sum, right_mean, count, terms);
}
void add_product_row(double* sums, const double* centred, const double* right_sum, const double* right_mean,
                     int count, RowTerms terms) {
  add_terms(sums, centred, right_sum, right_mean, count, terms);
}

/// Reads n positions of `channels` channels. The formula holds for any mean, so that of a sample will do.
template <typename T>
void centre(CentredChunk<T>& chunk, const T* s, int64_t pitch, int n, int channels) {
  constexpr int kSamples = 16;
  chunk.channels = channels;
  const int step = std::max(1, n / kSamples), samples = (n + step - 1) / step;
  std::fill(chunk.mean, chunk.mean + channels, T(0));
  for (int i = 0; i < n; i += step) add_values(chunk.mean, s + i * pitch, channels);
  for (int k = 0; k < channels; ++k) chunk.mean[k] /= static_cast<T>(samples);

  const int panel = gemm_kernel<T>().panel;
  for (int begin = 0; begin < channels; begin += panel) {
    T* const centred = chunk.panels + int64_t{begin} * n;
    T* const mean = chunk.mean + begin;
    double* const sum = chunk.sum + begin;
    if (channels - begin >= panel) {
      centre_panel(centred, sum, s + begin, mean, pitch, n, panel);
      continue;
    }
    std::fill_n(sum, panel, 0.0);
    for (int i = 0; i < n; ++i) {
      for (int k = 0; k < panel; ++k) {
        const T value = begin + k < channels ? s[i * pitch + begin + k] - mean[k] : T(0);
        centred[i * panel + k] = value;
        sum[k] += value;
      }
    }
  }
}

/// product = the centred left channels' transpose times the right ones. On the diagonal, where both are one,
/// the panels above it.
template <typename T>
void multiply(T* product, const CentredChunk<T>& left, const CentredChunk<T>& right, int n) {
  const GemmKernel<T>& kernel = gemm_kernel<T>();
  const int panel = kernel.panel;
  GemmPanel<T> call;
  call.a_step = 1;
  call.k_step = panel;
  call.tap_rows = call.taps = 1;
  call.depth = n;
  call.y_step = right.channels;
  for (int col = 0; col < right.channels; col += panel) {
    call.b = right.panels + int64_t{col} * n;
    call.columns = std::min(panel, right.channels - col);
    const int last = &left == &right ? col : left.channels - 1;
    for (int row = 0; row <= last; row += panel) {
      call.a = left.panels + int64_t{row} * n;
      call.rows = std::min(panel, left.channels - row);
      call.y = product + int64_t{row} * right.channels + col;
      kernel.multiply(call);
    }
  }
}

/// sums = or += the product of a chunk's left and right channels, made of the centred product. On the
/// diagonal, where both are one, only the upper half.
template <typename T>
void add_product(double* sums, const T* product, const CentredChunk<T>& left, const CentredChunk<T>& right,
                 int n, bool adds) {
  for (int a = 0; a < left.channels; ++a) {
    const double mean = left.mean[a];
    const int first = &left == &right ? a : 0;
    const int64_t at = int64_t{a} * right.channels + first;
    add_product_row(sums + at, product + at, right.sum + first, right.mean + first, right.channels - first,
                    {mean, left.sum[a] + n * mean, adds});
  }
}

/// One task: the tile's sum over the positions [begin, end). On the diagonal only the upper half is meant.
template <typename T>
void sum_tile(double* sums, const T* s, TileIndex tile, int64_t begin, int64_t end, Scratch<T>& scratch,
              const GramParams& params) {
  const int rows = tile_channels(tile.row, params), cols = tile_channels(tile.col, params);
  for (int64_t position = begin; position < end; position += kChunk) {
    const int n = static_cast<int>(std::min<int64_t>(kChunk, end - position));
    const T* chunk = s + position * params.d;
    centre(scratch.left, chunk + tile.row * kTile, params.d, n, rows);
    if (tile.row == tile.col) {
      multiply(scratch.product, scratch.left, scratch.left, n);
      add_product(sums, scratch.product, scratch.left, scratch.left, n, position > begin);
    } else {
      centre(scratch.right, chunk + tile.col * kTile, params.d, n, cols);
      multiply(scratch.product, scratch.left, scratch.right, n);
      add_product(sums, scratch.product, scratch.left, scratch.right, n, position > begin);
    }
  }
}

/// A = the sum of a tile's groups / m, written to both halves.
void store_tile(double* a, double* sums, TileIndex tile, const Plan& plan, const GramParams& params) {
  const int rows = tile_channels(tile.row, params), cols = tile_channels(tile.col, params);
  for (int64_t group = 1; group < plan.groups; ++group) {
    const double* addend = sums + group * plan.tile_count();
    for (int64_t i = 0; i < int64_t{rows} * cols; ++i) sums[i] += addend[i];
  }
  const bool diagonal = tile.row == tile.col;
  double* upper = a + int64_t{tile.row} * kTile * params.d + tile.col * kTile;
  double* lower = a + int64_t{tile.col} * kTile * params.d + tile.row * kTile;
  for (int i = 0; i < rows; ++i) {
    for (int j = diagonal ? i : 0; j < cols; ++j) {
      double& value = sums[int64_t{i} * cols + j];
      value /= static_cast<double>(params.m);
      upper[int64_t{i} * params.d + j] = value;
    }
  }
  // A few rows of the lower half side by side: each is written from end to end, as memory likes it.
  for (int begin = 0; begin < cols; begin += kStored) {
    const int end = std::min(begin + kStored, cols);
    for (int i = 0; i < (diagonal ? end : rows); ++i) {
      for (int j = diagonal ? std::max(begin, i) : begin; j < end; ++j) {
        lower[int64_t{j} * params.d + i] = sums[int64_t{i} * cols + j];
      }
    }
  }
}

/// Rows [begin, end) of factor * difference, in the micro-kernel's panels; 0 beyond the last column.
template <typename T>
void pack_rows(T* packed,            // (d / panel, d, panel)
               const T* difference,  // (d, d)
               double factor, int64_t begin, int64_t end, int d) {
  const int panel = gemm_kernel<T>().panel;
  for (int col = 0; col < d; col += panel) {
    const int columns = std::min(panel, d - col);
    for (int64_t k = begin; k < end; ++k) {
      T* to = packed + (int64_t{col} * d + k * panel);
      const T* from = difference + k * d + col;
      for (int n = 0; n < columns; ++n) to[n] = static_cast<T>(factor) * from[n];
      std::fill(to + columns, to + panel, T(0));
    }
  }
}

/// Of the difference in the micro-kernel's panels.
template <typename T>
int64_t packed_count(int d) {
  const int64_t panel = gemm_kernel<T>().panel;
  return (d + panel - 1) / panel * panel * d;
}

}  // namespace

template <typename T>
int64_t gram_workspace_bytes(const GramParams& params, Stream stream) {
  const Plan plan(params);
  const int64_t packed = (packed_count<T>(params.d) + params.d) * static_cast<int64_t>(sizeof(T));
  const int64_t sums =
      plan.kept_tiles(thread_count(stream)) * plan.tile_count() * static_cast<int64_t>(sizeof(double)) +
      thread_count(stream) * Scratch<T>::bytes();
  return std::max(packed, sums);
}

template <typename T>
void gram_forward(double* a, const T* s, void* workspace, const GramParams& params, Stream stream) {
  const Plan plan(params);
  auto* sums = static_cast<double*>(workspace);
  auto* scratch_memory =
      reinterpret_cast<char*>(sums + plan.kept_tiles(thread_count(stream)) * plan.tile_count());
  parallel_tasks(stream, plan.tiles * plan.groups, [&](int64_t task, int thread) {
    const int64_t group = task % plan.groups;
    const int64_t begin = plan.chunks * group / plan.groups * kChunk;
    const int64_t end = std::min(params.m, plan.chunks * (group + 1) / plan.groups * kChunk);
    const TileIndex tile(task / plan.groups, plan.tiles_per_side);
    Scratch<T> scratch(scratch_memory + thread * Scratch<T>::bytes());
    double* own = sums + (plan.groups > 1 ? task : thread) * plan.tile_count();
    sum_tile(own, s, tile, begin, end, scratch, params);
    if (plan.groups == 1) store_tile(a, own, tile, plan, params);
  });
  if (plan.groups == 1) return;
  parallel_tasks(stream, plan.tiles, [&](int64_t number, int) {
    const TileIndex tile(number, plan.tiles_per_side);
    store_tile(a, sums + number * plan.groups * plan.tile_count(), tile, plan, params);
  });
}

template <typename T>
void gram_difference(double* loss, double* inner, T* difference, const double* a, const double* target, int d,
                     Stream stream) {
  const std::array<double, 2> sums = parallel_sums(
      stream, int64_t{d} * d,
      [&](int64_t i) {
        difference[i] = static_cast<T>(a[i] - target[i]);
        return (a[i] - target[i]) * (a[i] - target[i]);
      },
      [&](int64_t i) { return (a[i] - target[i]) * a[i]; });
  *loss = sums[0];
  *inner = sums[1];
}

template <typename T>
void gram_backward(T* ds, const T* s, const T* difference, const double* offset, double factor,
                   bool accumulate, void* workspace, const GramParams& params, Stream stream) {
  constexpr int64_t kPackedRows = 16;                  // at a time: few enough for the prefetchers to follow
  constexpr int64_t kBlock = 32768, kFewestRows = 48;  // elements of S that stay in the second-level cache
  const GemmKernel<T>& kernel = gemm_kernel<T>();
  const int d = params.d;
  auto* packed = static_cast<T*>(workspace);  // factor * difference: (panels, d, panel)
  parallel_ranges(stream, d, kPackedRows,
                  [&](int64_t begin, int64_t end) { pack_rows(packed, difference, factor, begin, end, d); });
  T* const bias = offset ? packed + packed_count<T>(d) : nullptr;  // factor * offset
  for (int i = 0; offset && i < d; ++i) bias[i] = static_cast<T>(factor * offset[i]);
  const int64_t rows = std::max(kFewestRows, kBlock / d);
  parallel_ranges(stream, params.m, rows, [&](int64_t begin, int64_t end) {
    GemmPanel<T> call;
    call.a = s + begin * d;
    call.a_step = call.y_step = d;
    call.tap_rows = call.taps = 1;
    call.depth = d;
    call.rows = end - begin;
    for (int col = 0; col < d; col += kernel.panel) {
      call.b = packed + int64_t{col} * d;
      call.columns = std::min(kernel.panel, d - col);
      call.y = ds + begin * d + col;
      call.bias = bias ? bias + col : nullptr;
      call.residual = accumulate ? call.y : nullptr;
      call.prefetch = col == 0;
      kernel.multiply(call);
    }
  });
}

template int64_t gram_workspace_bytes<float>(const GramParams&, Stream);
template int64_t gram_workspace_bytes<double>(const GramParams&, Stream);
template void gram_forward(double*, const float*, void*, const GramParams&, Stream);
template void gram_forward(double*, const double*, void*, const GramParams&, Stream);
template void gram_difference(double*, double*, float*, const double*, const double*, int, Stream);
template void gram_difference(double*, double*, double*, const double*, const double*, int, Stream);
template void gram_backward(float*, const float*, const float*, const double*, double, bool, void*,
                            const GramParams&, Stream);
template void gram_backward(double*, const double*, const double*, const double*, double, bool, void*,
                            const GramParams&, Stream);

}  // namespace swag::cpu
