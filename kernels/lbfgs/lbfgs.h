// L-BFGS (Nocedal & Wright, algorithm 7.5; torch.optim.LBFGS) as three kernels' work per evaluation, all of
// its state in the backend's memory.
//
// The current point lies at `start` with gradient g; a trial at start + t d has just been evaluated, with
// gradient g'. If the trial is accepted, then
//   s = t d,  y = g' - g                      as they are rounded; the pair is kept if <y, s> > 1e-10
//   d' = -H g'                                by the two-loop recursion (recursion.h)
//   the next trial is at start' + t' d',      start' = start + t d
//
//   lbfgs_measure   one read of the history: the dot products of s, y and g' with all of it, and what the
//                   recursion makes of them. It leaves a report for the host: its line search decides.
//   lbfgs_step      the trial is accepted. The second read: pair, direction, gradient and pixels.
//   lbfgs_move      it is not: another step along d.
//
// Measuring does not change what a later measurement reads, so a search may come back to an earlier trial:
// there is room for two, the search's best so far and its last.
//
// Sums are float64 over fixed ranges: the same bytes whatever the number of threads. Vectors are aligned to
// 16 bytes.
#pragma once
#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/lbfgs/recursion.h"
#include "kernels/stream.h"
#include "kernels/vector.h"

namespace swag {

/// What the host must know of an evaluated gradient g' to take a step: all of it is read at once, with the
/// losses. Adam leaves the norms alone.
struct GradientReport {
  VectorNorms norms;      // of g'
  double square = 0;      // <g', g'>
  double slope = 0;       // <g', d> along the direction under way
  double longest = 0;     // max |d|
  double curvature = 0;   // <y, s>
  double next_slope = 0;  // <g', d'>
};

constexpr double kLbfgsLeastCurvature = 1e-10;  // of a pair that is kept; torch's

template <typename T>
struct LbfgsState {
  T* x = nullptr;             // (count): the trial
  T* start = nullptr;         // (count): the current point; nullptr: every trial is accepted, x is enough
  T* direction = nullptr;     // (count): d
  T* gradient = nullptr;      // (count): g
  T* history = nullptr;       // (2, capacity, stride): s by slot, then y by slot
  int64_t stride = 0;         // elements, a multiple of 16 bytes
  double* scalars = nullptr;  // (lbfgs_scalars(capacity))
  int64_t count = 0;
};

struct LbfgsMeasureParams {
  HistoryRing ring;       // of the state's capacity
  bool is_first = false;  // there is no direction yet, nor a history: s and y count as 0
  double step = 0;        // t
  int trial = 0;          // 0 or 1: where the trial's dot products and coefficients are left
};

struct LbfgsStepParams {
  HistoryRing ring;         // as it was measured
  int trial = 0;            // that is accepted; -1: steepest descent, d' = -g', and no pair
  bool keeps_pair = false;  // into slot ring.next(): <y, s> > kLbfgsLeastCurvature
  double accepted = 0;      // its t, 0: start is accepted again
  double step = 1;          // t'
};

/// What an LbfgsState's scalars hold, of float64: the dot products of the history, then, of two trials, those
/// with every position and the coefficients of the direction that would follow.
struct LbfgsScalars {
  SWAG_HOST_DEVICE LbfgsScalars(double* scalars, const HistoryRing& ring, int trial_index)
      : dots(scalars),
        trial(scalars + history_dots(ring.capacity()) + trial_index * trial_doubles(ring.capacity())),
        coefficients(trial + 3 * int64_t{ring.positions()}) {}
  double* dots;          // (2 capacity, 2 capacity)
  double* trial;         // (3, 2 capacity + 3)
  double* coefficients;  // (2 capacity + 3)

  SWAG_HOST_DEVICE static int64_t history_dots(int64_t capacity) { return 4 * capacity * capacity; }
  SWAG_HOST_DEVICE static int64_t trial_doubles(int64_t capacity) { return 4 * (2 * capacity + 3); }
};

/// Doubles of an LbfgsState's scalars.
inline int64_t lbfgs_scalars(int capacity) {
  return LbfgsScalars::history_dots(capacity) + 2 * LbfgsScalars::trial_doubles(capacity);
}

namespace cpu {

template <typename T>
int64_t lbfgs_workspace_bytes(int capacity, int64_t count);

template <typename T>
void lbfgs_measure(GradientReport* report,  // (1)
                   const T* gradient,       // (count): g'
                   const LbfgsState<T>& state, const LbfgsMeasureParams& params,
                   void* workspace,  // (lbfgs_workspace_bytes)
                   Stream stream);

template <typename T>
void lbfgs_step(const LbfgsState<T>& state,
                const T* gradient,  // (count): g', may be state.gradient
                const LbfgsStepParams& params, Stream stream);

/// x = start + step * d
template <typename T>
void lbfgs_move(const LbfgsState<T>& state, double step, Stream stream);

}  // namespace cpu

namespace cuda {

constexpr int kMostLbfgsHistory = 2000;  // the recursion runs in 48 KiB of shared memory

int64_t lbfgs_workspace_bytes(int capacity, int64_t count);

/// Two launches. Throws std::length_error beyond kMostLbfgsHistory.
void lbfgs_measure(GradientReport* report, const float* gradient, const LbfgsState<float>& state,
                   const LbfgsMeasureParams& params, void* workspace, Stream stream);
/// One launch.
void lbfgs_step(const LbfgsState<float>& state, const float* gradient, const LbfgsStepParams& params,
                Stream stream);
/// One launch.
void lbfgs_move(const LbfgsState<float>& state, double step, Stream stream);

}  // namespace cuda
}  // namespace swag
