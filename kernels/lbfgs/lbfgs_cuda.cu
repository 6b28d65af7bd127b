#include <cassert>
#include <stdexcept>
#include <string>

#include "kernels/cuda/reduce.cuh"
#include "kernels/lbfgs/lbfgs.h"

namespace swag::cuda {
namespace {

constexpr int kWidth = 4;  // floats of one access
constexpr int kUnits = kReduceThreads;
constexpr int kTile = kUnits * kWidth;  // elements that a block works on at once: one unit for each thread
constexpr int kMostBlocks = 512;
constexpr int kWarps = kReduceThreads / kLanes;
constexpr int kFinishThreads = 512;

// Rows of a trial's dot products.
enum Row { kS, kY, kG, kRows };
// What a block sums up, or takes the largest of, besides the dot products with the history.
enum Own { kSY, kYY, kSG, kYG, kGG, kSlope, kSumAbs, kMaxAbs, kLongest, kOwn };

/// A warp as the workers of recursion.h.
struct WarpLanes {
  int lane;
  template <typename Body>
  __device__ __forceinline__ void each(int first, int last, Body&& body) const {
#pragma unroll 1
    for (int i = first + lane; i < last; i += kLanes) body(i);
  }
  __device__ __forceinline__ void meet() const { __syncwarp(); }
  __device__ __forceinline__ bool leads() const { return lane == 0; }
};

using Tile = double[kRows][kWidth][kUnits];

/// NaN where x is not finite.
__device__ __forceinline__ double magnitude(double x) { return fabs(x) + (x - x); }

/// Brings s, y and g' of the thread's unit into the tile, and adds what needs no history.
__device__ __forceinline__ void load_unit(Tile& tile, double (&own)[kOwn], const float* gradient,
                                          const LbfgsState<float>& state, const LbfgsMeasureParams& params,
                                          int64_t i) {
  const Floats<kWidth> g = load_some<kWidth>(gradient, i, state.count, 0);
  Floats<kWidth> old = g, d = {};
  if (!params.is_first) {
    old = load_some<kWidth>(state.gradient, i, state.count, 0);
    d = load_some<kWidth>(state.direction, i, state.count, 0);
  }
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    const double new_g = g.at[k], along = d.at[k];
    const double s = static_cast<float>(params.step * along), y = g.at[k] - old.at[k];
    tile[kS][k][threadIdx.x] = s;
    tile[kY][k][threadIdx.x] = y;
    tile[kG][k][threadIdx.x] = new_g;
    own[kSY] += s * y;
    own[kYY] += y * y;
    own[kSG] += s * new_g;
    own[kYG] += y * new_g;
    own[kGG] += new_g * new_g;
    own[kSlope] += new_g * along;
    own[kSumAbs] += magnitude(new_g);
    own[kMaxAbs] = larger(own[kMaxAbs], magnitude(new_g));
    own[kLongest] = larger(own[kLongest], magnitude(along));
  }
}

/// The warp's sums of the tile's rows, from kFirst on, times `units` units of a vector of the history.
template <int kFirst>
__device__ __forceinline__ void tile_dots(double (&sums)[kRows], const Tile& tile, const float* vector,
                                          int64_t begin, int first_unit, int units, int64_t count) {
#pragma unroll 4
  for (int i = threadIdx.x % kLanes; i < units; i += kLanes) {
    const int unit = first_unit + i;
    const Floats<kWidth> v = load_some<kWidth>(vector, begin + int64_t{unit} * kWidth, count, 0);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const double value = v.at[k];
#pragma unroll
      for (int row = kFirst; row < kRows; ++row) sums[row] += tile[row][k][unit] * value;
    }
  }
#pragma unroll
  for (int row = kFirst; row < kRows; ++row) sums[row] = warp_sum(sums[row]);
}

/// How a measurement is cut, by its shape alone.
struct Plan {
  int blocks = 0, segments = 1;
  Plan(int history_vectors, int64_t count) {
    const int64_t tiles = ceil_divide(count, kTile);
    if (tiles == 0) return;
    blocks = static_cast<int>(ceil_divide(tiles, ceil_divide(tiles, kMostBlocks)));
    while (segments < kWarps && segments * history_vectors < kWarps) segments *= 2;
  }
  __host__ __device__ int slots() const { return blocks * segments; }
};

/// A block holds its tile of s, y and g' in shared memory as float64; a warp multiplies it with one vector of
/// the history, or, when there are few, with a segment of it. So the history is read once for all three, and
/// a warp's sums need no other warp.
/// Grid: tiles of 1024 elements, at most 512, x block 256. Shared: 25 KiB, as planes of one float4 component
/// each, so that lanes read side by side. Bound by bytes, 4 per element of every vector, where float64 is
/// fast; by float64 arithmetic on GPUs that have little of it.
__global__ void __launch_bounds__(kReduceThreads, 3)  // left alone, ptxas spills for a fourth block on sm_80
    lbfgs_dots_kernel(double* partials, const float* gradient, const LbfgsState<float> state,
                      const LbfgsMeasureParams params, const Plan plan) {
  __shared__ Tile tile;
  const HistoryRing& ring = params.ring;
  const int lane = threadIdx.x % kLanes, warp = threadIdx.x / kLanes;
  const int vectors = 2 * ring.size(), units = kUnits / plan.segments;
  double own[kOwn] = {};
  const int64_t first_tile = int64_t{blockIdx.x} * kTile;
  for (int64_t begin = first_tile; begin < state.count; begin += int64_t{gridDim.x} * kTile) {
    __syncthreads();  // the tile before has been read
    load_unit(tile, own, gradient, state, params, begin + int64_t{threadIdx.x} * kWidth);
    __syncthreads();
    for (int item = warp; item < vectors * plan.segments; item += kWarps) {
      const int v = item / plan.segments, segment = item % plan.segments;
      const bool is_s = v < ring.size();
      const int position = is_s ? ring.s(v) : ring.y(v - ring.size());
      const float* vector = state.history + position * state.stride;
      double sums[kRows] = {};
      if (is_s) {
        tile_dots<kY>(sums, tile, vector, begin, segment * units, units, state.count);
      } else {
        tile_dots<kS>(sums, tile, vector, begin, segment * units, units, state.count);
      }
      if (lane >= kRows) continue;
      const double sum = lane == kS ? sums[kS] : lane == kY ? sums[kY] : sums[kG];
      double* slot = partials + (int64_t{v} * kRows + lane) * plan.slots() + blockIdx.x * plan.segments +
                     segment;
      *slot = begin == first_tile ? sum : *slot + sum;  // nobody else's slot
    }
  }
  double* own_partials = partials + int64_t{vectors} * kRows * plan.slots();
#pragma unroll
  for (int k = 0; k < kOwn; ++k) {
    const double value = k < kMaxAbs ? block_sum(own[k]) : block_max(own[k]);
    if (threadIdx.x == 0) own_partials[k * plan.blocks + blockIdx.x] = value;
  }
}

/// The warp's sum, or largest, of what the blocks have left of one number.
__device__ __forceinline__ double finish(const double* partials, int count, bool is_sum) {
  double value = 0;
  for (int i = threadIdx.x % kLanes; i < count; i += kLanes) {
    value = is_sum ? value + partials[i] : larger(value, partials[i]);
  }
  return is_sum ? warp_sum(value) : warp_max(value);
}

/// What the trial's rows hold of s, y and g' with each other.
__device__ void store_own_dots(double* trial, const double* own, const HistoryRing& ring) {
  double* rows[kRows] = {trial, trial + ring.positions(), trial + 2 * ring.positions()};
  const int s = ring.trial_s(), y = ring.trial_y(), g = ring.g();
  rows[kS][s] = 0;  // nobody asks for it
  rows[kS][y] = rows[kY][s] = own[kSY];
  rows[kS][g] = rows[kG][s] = own[kSG];
  rows[kY][y] = own[kYY];
  rows[kY][g] = rows[kG][y] = own[kYG];
  rows[kG][g] = own[kGG];
}

/// One block adds up the partial sums, a warp for each number; then its first warp runs the recursion.
/// Grid 1 x block 512. Shared: 3 doubles for each pair of the history. Bound by latency: two steps for each
/// pair, one after the other.
__global__ void __launch_bounds__(kFinishThreads)
    lbfgs_recursion_kernel(GradientReport* report, double* scalars_memory, const double* partials,
                           const LbfgsMeasureParams params, const Plan plan) {
  DYNAMIC_SHARED(double, scratch);
  __shared__ double own[kOwn];
  const HistoryRing& ring = params.ring;
  const LbfgsScalars scalars(scalars_memory, ring, params.trial);
  const int lane = threadIdx.x % kLanes;
  const int vectors = 2 * ring.size(), dots = vectors * kRows;
  for (int value = threadIdx.x / kLanes; value < dots + kOwn; value += kFinishThreads / kLanes) {
    if (value < dots) {
      const int v = value / kRows, row = value % kRows;
      const bool is_s = v < ring.size();
      if (is_s && row == kS) continue;  // nobody asks for <s, s>
      const double sum = finish(partials + int64_t{value} * plan.slots(), plan.slots(), true);
      const int position = is_s ? ring.s(v) : ring.y(v - ring.size());
      if (lane == 0) scalars.trial[row * ring.positions() + position] = sum;
    } else {
      const int k = value - dots;
      const double* from = partials + int64_t{dots} * plan.slots() + k * plan.blocks;
      const double result = finish(from, plan.blocks, k < kMaxAbs);
      if (lane == 0) own[k] = result;
    }
  }
  __syncthreads();
  if (threadIdx.x >= kLanes) return;
  if (lane == 0) store_own_dots(scalars.trial, own, ring);
  __syncwarp();
  const double next_slope = lbfgs_recursion(
      scalars.coefficients, scratch, LbfgsDots{scalars.dots, scalars.trial, ring.capacity()},
      LbfgsPairs{ring, own[kSY] > kLbfgsLeastCurvature}, WarpLanes{lane});
  if (lane != 0) return;
  report->norms = VectorNorms{own[kSumAbs], own[kMaxAbs]};
  report->square = own[kGG];
  report->slope = own[kSlope];
  report->longest = own[kLongest];
  report->curvature = own[kSY];
  report->next_slope = next_slope;
}

// ---------------------------------------------------------------- step and move

/// sums += slots [first, last) of the history times their coefficients, at elements i ...
__device__ __forceinline__ void add_slots(double (&sums)[kWidth], const LbfgsState<float>& state,
                                          const HistoryRing& ring, const double* coefficients, int first,
                                          int last, int64_t i) {
#pragma unroll 4
  for (int slot = first; slot < last; ++slot) {
    const double with_s = coefficients[ring.s(slot)], with_y = coefficients[ring.y(slot)];
    const Floats<kWidth> s =
        load_some<kWidth>(state.history + ring.s(slot) * state.stride, i, state.count, 0);
    const Floats<kWidth> y =
        load_some<kWidth>(state.history + ring.y(slot) * state.stride, i, state.count, 0);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      sums[k] += with_s * static_cast<double>(s.at[k]) + with_y * static_cast<double>(y.at[k]);
    }
  }
}

/// `from` moved by a step along d, rounded once.
__device__ __forceinline__ Floats<kWidth> moved(const Floats<kWidth>& from, double step,
                                                const Floats<kWidth>& d) {
  Floats<kWidth> to;
#pragma unroll
  for (int k = 0; k < kWidth; ++k) {
    to.at[k] = static_cast<float>(static_cast<double>(from.at[k]) + step * static_cast<double>(d.at[k]));
  }
  return to;
}

/// A thread takes four elements from the old pair, direction, gradient and point to the new ones; the first
/// warp of all takes the trial's dot products into the history's matrix.
/// Grid: count / 1024 x block 256. No shared memory: coefficients come through the cache. Bound by bytes: 4
/// per element of every vector of the history, and 40 more.
__global__ void __launch_bounds__(kElementThreads)
    lbfgs_step_kernel(const LbfgsState<float> state, const float* gradient, const LbfgsStepParams params) {
  const HistoryRing& ring = params.ring;
  const bool steepest = params.trial < 0, advances = state.start != nullptr && params.accepted != 0;
  const LbfgsScalars scalars(state.scalars, ring, steepest ? 0 : params.trial);
  const double* coefficients = scalars.coefficients;
  const int new_slot = ring.next();
  if (params.keeps_pair && blockIdx.x == 0 && threadIdx.x < kLanes) {
    lbfgs_remember_dots(scalars.dots, scalars.trial, ring, WarpLanes{static_cast<int>(threadIdx.x)});
  }
  for_each_group<kWidth>(state.count, [&](int64_t i) {
    const Floats<kWidth> g = load_some<kWidth>(gradient, i, state.count, 0);
    Floats<kWidth> point = load_some<kWidth>(state.start ? state.start : state.x, i, state.count, 0);
    Floats<kWidth> d = {};
    if (params.keeps_pair || advances) d = load_some<kWidth>(state.direction, i, state.count, 0);
    if (advances) point = moved(point, params.accepted, d);

    double sums[kWidth];
    const double with_g = steepest ? -1 : coefficients[ring.g()];
#pragma unroll
    for (int k = 0; k < kWidth; ++k) sums[k] = with_g * static_cast<double>(g.at[k]);
    if (params.keeps_pair) {
      const Floats<kWidth> old = load_some<kWidth>(state.gradient, i, state.count, 0);
      const double with_s = coefficients[ring.trial_s()], with_y = coefficients[ring.trial_y()];
      Floats<kWidth> s, y;
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        s.at[k] = static_cast<float>(params.accepted * static_cast<double>(d.at[k]));
        y.at[k] = g.at[k] - old.at[k];
        sums[k] += with_s * static_cast<double>(s.at[k]) + with_y * static_cast<double>(y.at[k]);
      }
      store_some(state.history + ring.s(new_slot) * state.stride, i, state.count, s);
      store_some(state.history + ring.y(new_slot) * state.stride, i, state.count, y);
    }
    if (!steepest) {
      const int left_out = params.keeps_pair && ring.full() ? new_slot : ring.size();
      add_slots(sums, state, ring, coefficients, 0, left_out, i);
      add_slots(sums, state, ring, coefficients, left_out + 1, ring.size(), i);
    }
#pragma unroll
    for (int k = 0; k < kWidth; ++k) d.at[k] = static_cast<float>(sums[k]);
    if (advances) store_some(state.start, i, state.count, point);
    store_some(state.direction, i, state.count, d);
    store_some(state.gradient, i, state.count, g);
    store_some(state.x, i, state.count, moved(point, params.step, d));
  });
}

/// A thread moves four elements.
/// Grid: count / 1024 x block 256. No shared memory. Bound by bytes: 12 per element.
__global__ void __launch_bounds__(kElementThreads)
    lbfgs_move_kernel(const LbfgsState<float> state, double step) {
  for_each_group<kWidth>(state.count, [&](int64_t i) {
    const Floats<kWidth> from = load_some<kWidth>(state.start, i, state.count, 0);
    const Floats<kWidth> d = load_some<kWidth>(state.direction, i, state.count, 0);
    store_some(state.x, i, state.count, moved(from, step, d));
  });
}

[[maybe_unused]] bool is_aligned(const LbfgsState<float>& state, const float* gradient) {
  return fits_float4({state.stride},
                     {state.x, state.start, state.direction, state.gradient, state.history, gradient});
}

}  // namespace

// ---------------------------------------------------------------- launchers

int64_t lbfgs_workspace_bytes(int capacity, int64_t count) {
  // Where the history has few vectors, they come in segments.
  const int64_t items = std::max<int64_t>(2 * int64_t{capacity}, 2 * kWarps);
  return (items * kRows + kOwn) * Plan(2 * capacity, count).blocks * int64_t{sizeof(double)};
}

void lbfgs_measure(GradientReport* report, const float* gradient, const LbfgsState<float>& state,
                   const LbfgsMeasureParams& params, void* workspace, Stream stream) {
  assert(is_aligned(state, gradient) && (!params.is_first || params.ring.size() == 0));
  if (params.ring.capacity() > kMostLbfgsHistory) {
    throw std::length_error("a history of " + std::to_string(params.ring.capacity()) + " pairs, at most " +
                            std::to_string(kMostLbfgsHistory) + " fit into shared memory");
  }
  const Plan plan(2 * params.ring.size(), state.count);
  auto* partials = static_cast<double*>(workspace);
  if (plan.blocks > 0) {
    launch(lbfgs_dots_kernel, dim3(static_cast<unsigned>(plan.blocks)), dim3(kReduceThreads), 0, stream,
           partials, gradient, state, params, plan);
  }
  const auto scratch = static_cast<size_t>(lbfgs_recursion_scratch(params.ring.capacity()));
  launch(lbfgs_recursion_kernel, dim3(1), dim3(kFinishThreads), scratch * sizeof(double), stream, report,
         state.scalars, partials, params, plan);
}

void lbfgs_step(const LbfgsState<float>& state, const float* gradient, const LbfgsStepParams& params,
                Stream stream) {
  assert(is_aligned(state, gradient) && (!params.keeps_pair || params.trial >= 0));
  if (state.count == 0) return;
  launch(lbfgs_step_kernel, dense_grid(state.count, kWidth), dim3(kElementThreads), 0, stream, state,
         gradient, params);
}

void lbfgs_move(const LbfgsState<float>& state, double step, Stream stream) {
  if (state.count == 0) return;
  launch(lbfgs_move_kernel, dense_grid(state.count, kWidth), dim3(kElementThreads), 0, stream, state, step);
}

}  // namespace swag::cuda
