// cp.async: a copy may land at any moment between its start and the wait for it.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/device_array.cuh"
#include "tests/emulator/planted_bugs.h"

namespace swag::planted {
namespace {

using emulator::FindingKind;

constexpr int kThreads = 64;

/// y = kernel(x) by one block.
Floats run_on(void (*kernel)(float*, const float*), int inputs, int outputs) {
  DeviceArray<float> x(numbers(inputs)), y(outputs);
  launch(kernel, 1, kThreads, 0, {}, y.data(), x.data());
  return y.values();
}

constexpr int kNotWaitedFor = __LINE__;
template <bool kRight>
__global__ void copy_not_waited_for_kernel(float* y, const float* x) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x;
  cp_async<4>(&tile[i], &x[i]);
  cp_async_commit();
  if (kRight) cp_async_wait<0>();
  y[i] = tile[i];
}

constexpr int kStaleStage = __LINE__;
template <bool kRight>
__global__ void stale_stage_kernel(float* y, const float* x) {
  __shared__ float tile[2][kThreads];
  const int i = threadIdx.x;
  cp_async<4>(&tile[0][i], &x[i]);
  cp_async_commit();
  float sum = 0;
  for (int stage = 0; stage < 4; ++stage) {
    if (stage < 3) cp_async<4>(&tile[(stage + 1) % 2][i], &x[(stage + 1) * kThreads + i]);
    if (kRight || stage < 3) cp_async_commit();  // or the last stage's group may still be under way
    cp_async_wait<1>();
    __syncthreads();
    sum += tile[stage % 2][kThreads - 1 - i];
    __syncthreads();
  }
  y[i] = sum;
}

constexpr int kWithoutBarrier = __LINE__;
template <bool kRight>
__global__ void copy_without_barrier_kernel(float* y, const float* x) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x;
  cp_async<4>(&tile[i], &x[i]);
  cp_async_commit();
  if (!kRight) __syncthreads();  // before the wait it orders nothing
  cp_async_wait<0>();
  if (kRight) __syncthreads();
  y[i] = tile[(i + kThreads - 1) % kThreads];
}

constexpr int kIntoReadTile = __LINE__;
template <bool kRight>
__global__ void copy_into_read_tile_kernel(float* y, const float* x) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x;
  tile[i] = x[i];
  __syncthreads();
  const float before = tile[(i + kThreads - 1) % kThreads];
  if (kRight) __syncthreads();
  cp_async<4>(&tile[i], &x[kThreads + i]);
  cp_async_commit();
  __syncthreads();
  cp_async_wait<0>();
  y[i] = before + tile[i];
}

constexpr int kMisalignedCopy = __LINE__;
template <bool kRight>
__global__ void misaligned_copy_kernel(float* y, const float* x) {
  __shared__ __align__(16) float tile[4 * kThreads];
  const int i = threadIdx.x;
  cp_async<16>(&tile[4 * i], &x[4 * i + (kRight ? 0 : 1)]);
  cp_async_commit();
  cp_async_wait<0>();
  y[i] = tile[4 * i];
}

constexpr int kBeyondTheEnd = __LINE__;
template <bool kRight>
__global__ void copy_beyond_the_end_kernel(float* y, const float* x) {
  __shared__ __align__(16) float tile[4 * kThreads];
  const int i = threadIdx.x;
  const bool inside = 4 * i + 4 <= 4 * kThreads - 4;
  cp_async<16>(&tile[4 * i], &x[4 * i], !kRight || inside ? 16 : 0);
  cp_async_commit();
  cp_async_wait<0>();
  y[i] = tile[4 * i];
}

}  // namespace

PlantedBug copy_not_waited_for() {
  return {"copy_not_waited_for_kernel",
          FindingKind::kUninitialised,
          {{kNotWaitedFor + 8, 0, 0}},
          "at tile + 0 bytes (element 0 of 4 bytes), shared memory, which a cp.async",
          [](bool right) {
            const auto kernel = right ? copy_not_waited_for_kernel<true> : copy_not_waited_for_kernel<false>;
            return run_on(kernel, kThreads, kThreads);
          },
          numbers(kThreads)};
}

PlantedBug stale_stage() {
  return {"stale_stage_kernel",
          FindingKind::kUninitialised,
          {{kStaleStage + 13, 0, 0}},
          "at tile + 508 bytes",
          [](bool right) {
            const auto kernel = right ? stale_stage_kernel<true> : stale_stage_kernel<false>;
            return run_on(kernel, 4 * kThreads, kThreads);
          },
          floats(kThreads, [](int i) { return 4 * (kThreads - i) + 6 * kThreads; })};
}

PlantedBug copy_without_barrier() {
  return {"copy_without_barrier_kernel",
          FindingKind::kRace,
          {{kWithoutBarrier + 10, 0, 1}, {kWithoutBarrier + 5, 0, 0}},
          "at tile + 0 bytes",
          [](bool right) {
            const auto kernel =
                right ? copy_without_barrier_kernel<true> : copy_without_barrier_kernel<false>;
            return run_on(kernel, kThreads, kThreads);
          },
          floats(kThreads, [](int i) { return (i + kThreads - 1) % kThreads + 1; })};
}

PlantedBug copy_into_read_tile() {
  return {"copy_into_read_tile_kernel",
          FindingKind::kRace,
          {{kIntoReadTile + 7, 0, 1}, {kIntoReadTile + 9, 0, 0}},
          "at tile + 0 bytes",
          [](bool right) {
            const auto kernel = right ? copy_into_read_tile_kernel<true> : copy_into_read_tile_kernel<false>;
            return run_on(kernel, 2 * kThreads, kThreads);
          },
          floats(kThreads, [](int i) { return (i + kThreads - 1) % kThreads + 1 + kThreads + i + 1; })};
}

PlantedBug misaligned_copy() {
  return {"misaligned_copy_kernel",
          FindingKind::kMisaligned,
          {{kMisalignedCopy + 5, 0, 0}},
          "at argument 2 + 4 bytes",
          [](bool right) {
            const auto kernel = right ? misaligned_copy_kernel<true> : misaligned_copy_kernel<false>;
            return run_on(kernel, 4 * kThreads + 4, kThreads);
          },
          floats(kThreads, [](int i) { return 4 * i + 1; })};
}

PlantedBug copy_beyond_the_end() {
  return {"copy_beyond_the_end_kernel",
          FindingKind::kOutOfBounds,
          {{kBeyondTheEnd + 6, 0, kThreads - 1}},
          "0 bytes behind the end of argument 2 (1008 bytes",
          [](bool right) {
            const auto kernel = right ? copy_beyond_the_end_kernel<true> : copy_beyond_the_end_kernel<false>;
            return run_on(kernel, 4 * kThreads - 4, kThreads);
          },
          floats(kThreads, [](int i) { return i < kThreads - 1 ? 4 * i + 1 : 0; })};
}

}  // namespace swag::planted
