// Barriers and warp collectives that not all threads reach.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/device_array.cuh"
#include "tests/emulator/planted_bugs.h"

namespace swag::planted {
namespace {

using emulator::FindingKind;

constexpr int kThreads = 64;
constexpr unsigned kAll = 0xffffffffu;

/// y = kernel(n) by one block.
Floats run_on(void (*kernel)(float*, int), int threads, int n) {
  DeviceArray<float> y(Floats(threads, 0));
  launch(kernel, 1, threads, 0, {}, y.data(), n);
  return y.values();
}

constexpr int kInBranch = __LINE__;
template <bool kRight>
__global__ void barrier_in_branch_kernel(float* y, int n) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x;
  tile[i] = static_cast<float>(i);
  if (kRight ? n > 16 : i < 16) {
    __syncthreads();
  }
  if (kRight) y[i] = tile[kThreads - 1 - i];
}

constexpr int kEarlyReturn = __LINE__;
template <bool kRight>
__global__ void early_return_kernel(float* y, int n) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x;
  if (!kRight && i >= n) return;
  if (i < n) tile[i] = static_cast<float>(i);
  __syncthreads();
  if (i < n) y[i] = tile[n - 1 - i];
}

constexpr int kTwoLines = __LINE__;
template <bool kRight>
__global__ void barriers_on_two_lines_kernel(float* y, int n) {
  const int i = threadIdx.x;
  if (kRight ? n > 16 : i < 16) {
    y[i] = 1;
    __syncthreads();
  } else {
    y[i] = 2;
    __syncthreads();
  }
}

constexpr int kByThread = __LINE__;
template <bool kRight>
__global__ void barriers_by_thread_kernel(float* y, int n) {
  const int i = threadIdx.x, first = kRight ? 0 : i;
  for (int k = first; k < first + n && k < 2 * n; k += 16) __syncthreads();
  y[i] = 1;
}

constexpr int kReturnedLane = __LINE__;
template <bool kRight>
__global__ void returned_lane_kernel(float* y, int n) {
  const int lane = threadIdx.x;
  if (lane >= n) return;
  y[lane] = static_cast<float>(__shfl_xor_sync(kRight ? 0xffffu : kAll, lane, 1));
}

constexpr int kForeignMask = __LINE__;
template <bool kRight>
__global__ void foreign_mask_kernel(float* y, int n) {
  const int lane = threadIdx.x;
  const unsigned mask = kRight && lane >= n ? 0xffff0000u : 0xffffu;
  y[lane] = static_cast<float>(__popc(__ballot_sync(mask, lane % 2)));
}

constexpr int kShortWarp = __LINE__;
template <bool kRight>
__global__ void short_warp_kernel(float* y, int) {
  const int lane = threadIdx.x;
  y[lane] = static_cast<float>(__shfl_xor_sync(kRight ? 0xffffffu : kAll, lane, 1));
}

constexpr int kSyncwarpInBranch = __LINE__;
template <bool kRight>
__global__ void syncwarp_in_branch_kernel(float* y, int n) {
  const int lane = threadIdx.x;
  if (lane < n) __syncwarp(kRight ? 0xffffu : kAll);
  y[lane] = static_cast<float>(lane);
}

constexpr int kMixedShuffles = __LINE__;
template <bool kRight>
__global__ void mixed_shuffles_kernel(float* y, int n) {
  const int lane = threadIdx.x;
  int value = lane;
  if (kRight || lane < n) value = __shfl_down_sync(kAll, value, 16);
  if (kRight || lane >= n) value = __shfl_xor_sync(kAll, value, 1);
  y[lane] = static_cast<float>(value);
}

constexpr int kAgainstBarrier = __LINE__;
template <bool kRight>
__global__ void collective_against_barrier_kernel(float* y, int n) {
  const int i = threadIdx.x;
  int value = i;
  if (kRight || i % 32 < n) value = __shfl_xor_sync(kAll, value, 1);
  __syncthreads();
  y[i] = static_cast<float>(value);
}

constexpr int kTensorCore = __LINE__;
template <bool kRight>
__global__ void half_a_tensor_core_kernel(float* y, int n) {
  const int lane = threadIdx.x;
  float d[4] = {};
  const uint32_t one = round_to_tf32(1), a[4] = {one, one, one, one}, b[2] = {one, one};
  if (kRight || lane < n) mma_tf32(d, a, b);
  y[lane] = d[0];
}

}  // namespace

PlantedBug barrier_in_branch() {
  return {"barrier_in_branch_kernel",
          FindingKind::kDivergentBarrier,
          {{kInBranch + 7, 0, 0}, {0, 0, 16}},
          "48 of 64 threads have returned",
          [](bool right) {
            const auto kernel = right ? barrier_in_branch_kernel<true> : barrier_in_branch_kernel<false>;
            return run_on(kernel, kThreads, 17);
          },
          floats(kThreads, [](int i) { return kThreads - 1 - i; })};
}

PlantedBug early_return() {
  return {"early_return_kernel",
          FindingKind::kDivergentBarrier,
          {{kEarlyReturn + 7, 0, 0}, {0, 0, 60}},
          "4 of 64 threads have returned",
          [](bool right) {
            return run_on(right ? early_return_kernel<true> : early_return_kernel<false>, kThreads, 60);
          },
          floats(kThreads, [](int i) { return i < 60 ? 59 - i : 0; })};
}

PlantedBug barriers_on_two_lines() {
  return {"barriers_on_two_lines_kernel",
          FindingKind::kDivergentBarrier,
          {{kTwoLines + 6, 0, 0}, {kTwoLines + 9, 0, 16}},
          "threads wait at different barriers",
          [](bool right) {
            const auto kernel =
                right ? barriers_on_two_lines_kernel<true> : barriers_on_two_lines_kernel<false>;
            return run_on(kernel, kThreads, 17);
          },
          Floats(kThreads, 1)};
}

PlantedBug barriers_by_thread() {
  return {"barriers_by_thread_kernel",
          FindingKind::kDivergentBarrier,
          {{kByThread + 4, 0, 0}, {0, 0, 48}},
          "16 of 64 threads have returned",
          [](bool right) {
            const auto kernel = right ? barriers_by_thread_kernel<true> : barriers_by_thread_kernel<false>;
            return run_on(kernel, kThreads, 32);
          },
          Floats(kThreads, 1)};
}

PlantedBug returned_lane() {
  return {"returned_lane_kernel",
          FindingKind::kDivergentCollective,
          {{kReturnedLane + 5, 0, 0}, {0, 0, 16}},
          "lanes 0xffffffff are named; lane 16 has returned",
          [](bool right) {
            return run_on(right ? returned_lane_kernel<true> : returned_lane_kernel<false>, 32, 16);
          },
          floats(32, [](int i) { return i < 16 ? i ^ 1 : 0; })};
}

PlantedBug foreign_mask() {
  return {"foreign_mask_kernel",
          FindingKind::kDivergentCollective,
          {{kForeignMask + 5, 0, 16}},
          "lane 16 is not in its own mask 0x0000ffff",
          [](bool right) {
            return run_on(right ? foreign_mask_kernel<true> : foreign_mask_kernel<false>, 32, 16);
          },
          Floats(32, 8)};
}

PlantedBug short_warp() {
  return {
      "short_warp_kernel",
      FindingKind::kDivergentCollective,
      {{kShortWarp + 4, 0, 0}},
      "lanes 0xffffffff are named, the warp has 24",
      [](bool right) { return run_on(right ? short_warp_kernel<true> : short_warp_kernel<false>, 24, 0); },
      floats(24, [](int i) { return i ^ 1; })};
}

PlantedBug syncwarp_in_branch() {
  return {"syncwarp_in_branch_kernel",
          FindingKind::kDivergentCollective,
          {{kSyncwarpInBranch + 4, 0, 0}, {0, 0, 16}},
          "lane 16 has returned",
          [](bool right) {
            return run_on(right ? syncwarp_in_branch_kernel<true> : syncwarp_in_branch_kernel<false>, 32, 16);
          },
          floats(32, [](int i) { return i; })};
}

PlantedBug mixed_shuffles() {
  return {"mixed_shuffles_kernel",
          FindingKind::kDivergentCollective,
          {{kMixedShuffles + 5, 0, 0}, {kMixedShuffles + 6, 0, 16}},
          "lane 16 waits at another collective",
          [](bool right) {
            return run_on(right ? mixed_shuffles_kernel<true> : mixed_shuffles_kernel<false>, 32, 16);
          },
          floats(32, [](int i) { return (i ^ 1) % 16 + 16; })};
}

PlantedBug collective_against_barrier() {
  return {"collective_against_barrier_kernel",
          FindingKind::kDivergentCollective,
          {{kAgainstBarrier + 5, 0, 0}, {kAgainstBarrier + 6, 0, 16}},
          "lane 16 waits at a barrier",
          [](bool right) {
            const auto kernel =
                right ? collective_against_barrier_kernel<true> : collective_against_barrier_kernel<false>;
            return run_on(kernel, kThreads, 16);
          },
          floats(kThreads, [](int i) { return i ^ 1; })};
}

PlantedBug half_a_tensor_core() {
  return {"half_a_tensor_core_kernel",
          FindingKind::kDivergentCollective,
          {{kTensorCore + 6, 0, 0}, {0, 0, 16}},
          "lane 16 has returned",
          [](bool right) {
            return run_on(right ? half_a_tensor_core_kernel<true> : half_a_tensor_core_kernel<false>, 32, 16);
          },
          Floats(32, 8)};
}

}  // namespace swag::planted
