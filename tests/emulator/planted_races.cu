// Races on shared memory. Each kernel is compiled twice: kRight is the correct code.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/device_array.cuh"
#include "tests/emulator/planted_bugs.h"

namespace swag::planted {
namespace {

using emulator::FindingKind;

constexpr int kThreads = 64;
constexpr unsigned kAll = 0xffffffffu;

/// y = kernel(x) by one block.
Floats run_on(void (*kernel)(float*, const float*), int threads, int inputs, int outputs) {
  DeviceArray<float> x(numbers(inputs)), y(outputs);
  launch(kernel, 1, threads, 0, {}, y.data(), x.data());
  return y.values();
}

constexpr int kMissingBarrier = __LINE__;
template <bool kRight>
__global__ void missing_barrier_kernel(float* y, const float* x) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x;
  tile[i] = x[i];
  if (kRight) __syncthreads();
  y[i] = tile[kThreads - 1 - i];
}

constexpr int kReusedTile = __LINE__;
template <bool kRight>
__global__ void reused_tile_kernel(float* y, const float* x) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x;
  float sum = 0;
  for (int round = 0; round < 3; ++round) {
    tile[i] = x[round * kThreads + i];
    __syncthreads();
    sum += tile[(i + 32) % kThreads];
    if (kRight) __syncthreads();
  }
  y[i] = sum;
}

constexpr int kMissingSyncwarp = __LINE__;
template <bool kRight>
__global__ void missing_syncwarp_kernel(float* y, const float* x) {
  __shared__ float tile[32];
  const int lane = threadIdx.x;
  tile[lane] = x[lane];
  if (kRight) __syncwarp();
  y[lane] = tile[lane ^ 1];
}

constexpr int kWarpReduction = __LINE__;
template <bool kRight>
__global__ void warp_reduction_kernel(float* y, const float* x) {
  __shared__ float tile[32];
  const int lane = threadIdx.x;
  tile[lane] = x[lane];
  __syncwarp();
  for (int step = 16; step > 0; step /= 2) {
    if (lane < step) tile[lane] += tile[lane + step];
    if (kRight) __syncwarp();
  }
  if (lane == 0) *y = tile[0];
}

constexpr int kSyncwarpForBarrier = __LINE__;
template <bool kRight>
__global__ void syncwarp_for_barrier_kernel(float* y, const float* x) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x;
  tile[i] = x[i];
  kRight ? __syncthreads() : __syncwarp();
  y[i] = tile[(i + 32) % kThreads];
}

constexpr int kShuffleForSyncwarp = __LINE__;
template <bool kRight>
__global__ void shuffle_for_syncwarp_kernel(float* y, const float* x) {
  __shared__ float tile[32];
  const int lane = threadIdx.x;
  tile[lane] = x[lane];
  const float first = __shfl_sync(kAll, x[lane], 0);  // lanes meet, their writes need not
  if (kRight) __syncwarp();
  y[lane] = tile[lane ^ 1] + first;
}

constexpr int kTwoWriters = __LINE__;
template <bool kRight>
__global__ void two_writers_kernel(float* y, const float* x) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x, place = kRight ? i : i / 2;
  tile[place] = x[i];
  __syncthreads();
  y[i] = tile[place];
}

constexpr int kSharedByte = __LINE__;
template <bool kRight>
__global__ void shared_byte_kernel(float* y, const float* x) {
  __shared__ unsigned char tile[kThreads];
  const int i = threadIdx.x, place = kRight ? i : i / 2;
  tile[place] = static_cast<unsigned char>(x[i]);
  __syncthreads();
  y[i] = tile[place];
}

constexpr int kEarlyByte = __LINE__;
template <bool kRight>
__global__ void early_byte_kernel(float* y, const float* x) {
  __shared__ unsigned char tile[4 * kThreads];
  const int i = threadIdx.x;
  for (int byte = 0; byte < 4; ++byte) tile[4 * i + byte] = static_cast<unsigned char>(x[i] + byte);
  if (kRight) __syncthreads();
  y[i] = tile[4 * ((i + kThreads - 1) % kThreads)];
}

constexpr int kLateWrite = __LINE__;
template <bool kRight>
__global__ void late_write_kernel(float* y, const float* x) {
  __shared__ float value;
  const int i = threadIdx.x;
  if (i == 0) value = x[0];
  __syncthreads();
  y[i] = value;
  if (kRight) __syncthreads();
  if (i == kThreads - 1) value = x[1];
}

constexpr int kPlainCount = __LINE__;
template <bool kRight>
__global__ void plain_count_kernel(float* y, const float* x) {
  __shared__ int count;
  const int i = threadIdx.x;
  if (i == 0) count = 0;
  __syncthreads();
  if (x[i] > 16) {
    if (kRight) atomicAdd(&count, 1);
    if (!kRight) count += 1;
  }
  __syncthreads();
  y[i] = static_cast<float>(count);
}

constexpr int kEarlyCount = __LINE__;
template <bool kRight>
__global__ void early_count_kernel(float* y, const float* x) {
  __shared__ int count;
  const int i = threadIdx.x;
  if (i == 0) count = 0;
  __syncthreads();
  if (x[i] > 16) atomicAdd(&count, 1);
  if (kRight) __syncthreads();
  if (i == 32) *y = static_cast<float>(count);
}

}  // namespace

PlantedBug missing_barrier() {
  return {"missing_barrier_kernel",
          FindingKind::kRace,
          {{kMissingBarrier + 5, 0, 32}, {kMissingBarrier + 7, 0, 31}},
          "at tile + 128 bytes (element 32 of 4 bytes), shared memory; no barrier between",
          [](bool right) {
            const auto kernel = right ? missing_barrier_kernel<true> : missing_barrier_kernel<false>;
            return run_on(kernel, kThreads, kThreads, kThreads);
          },
          floats(kThreads, [](int i) { return kThreads - i; })};
}

PlantedBug reused_tile() {
  return {"reused_tile_kernel",
          FindingKind::kRace,
          {{kReusedTile + 9, 0, 32}, {kReusedTile + 7, 0, 0}},
          "at tile + 0 bytes",
          [](bool right) {
            const auto kernel = right ? reused_tile_kernel<true> : reused_tile_kernel<false>;
            return run_on(kernel, kThreads, 3 * kThreads, kThreads);
          },
          floats(kThreads, [](int i) { return 3 * ((i + 32) % kThreads + 1) + 3 * kThreads; })};
}

PlantedBug missing_syncwarp() {
  return {"missing_syncwarp_kernel",
          FindingKind::kRace,
          {{kMissingSyncwarp + 5, 0, 1}, {kMissingSyncwarp + 7, 0, 0}},
          "at tile + 4 bytes (element 1 of 4 bytes), shared memory; one warp, and no __syncwarp or barrier",
          [](bool right) {
            return run_on(right ? missing_syncwarp_kernel<true> : missing_syncwarp_kernel<false>, 32, 32, 32);
          },
          floats(32, [](int i) { return (i ^ 1) + 1; })};
}

PlantedBug warp_reduction() {
  return {"warp_reduction_kernel",
          FindingKind::kRace,
          {{kWarpReduction + 8, 0, 1}, {kWarpReduction + 8, 0, 0}},
          "at tile + 4 bytes",
          [](bool right) {
            return run_on(right ? warp_reduction_kernel<true> : warp_reduction_kernel<false>, 32, 32, 1);
          },
          {32 * 33 / 2}};
}

PlantedBug syncwarp_for_barrier() {
  return {"syncwarp_for_barrier_kernel",
          FindingKind::kRace,
          {{kSyncwarpForBarrier + 5, 0, 63}, {kSyncwarpForBarrier + 7, 0, 31}},
          "at tile + 252 bytes",
          [](bool right) {
            const auto kernel =
                right ? syncwarp_for_barrier_kernel<true> : syncwarp_for_barrier_kernel<false>;
            return run_on(kernel, kThreads, kThreads, kThreads);
          },
          floats(kThreads, [](int i) { return (i + 32) % kThreads + 1; })};
}

PlantedBug shuffle_for_syncwarp() {
  return {"shuffle_for_syncwarp_kernel",
          FindingKind::kRace,
          {{kShuffleForSyncwarp + 8, 0, 31}, {kShuffleForSyncwarp + 5, 0, 30}},
          "at tile + 120 bytes",
          [](bool right) {
            const auto kernel =
                right ? shuffle_for_syncwarp_kernel<true> : shuffle_for_syncwarp_kernel<false>;
            return run_on(kernel, 32, 32, 32);
          },
          floats(32, [](int i) { return (i ^ 1) + 2; })};
}

PlantedBug two_writers() {
  return {"two_writers_kernel",
          FindingKind::kRace,
          {{kTwoWriters + 5, 0, 1}, {kTwoWriters + 5, 0, 0}},
          "at tile + 0 bytes",
          [](bool right) {
            const auto kernel = right ? two_writers_kernel<true> : two_writers_kernel<false>;
            return run_on(kernel, kThreads, kThreads, kThreads);
          },
          numbers(kThreads)};
}

PlantedBug shared_byte() {
  return {"shared_byte_kernel",
          FindingKind::kRace,
          {{kSharedByte + 5, 0, 1}, {kSharedByte + 5, 0, 0}},
          "at tile + 0 bytes (element 0 of 1 byte)",
          [](bool right) {
            const auto kernel = right ? shared_byte_kernel<true> : shared_byte_kernel<false>;
            return run_on(kernel, kThreads, kThreads, kThreads);
          },
          numbers(kThreads)};
}

PlantedBug early_byte() {
  return {"early_byte_kernel",
          FindingKind::kRace,
          {{kEarlyByte + 7, 0, 1}, {kEarlyByte + 5, 0, 0}},
          "at tile + 0 bytes",
          [](bool right) {
            const auto kernel = right ? early_byte_kernel<true> : early_byte_kernel<false>;
            return run_on(kernel, kThreads, kThreads, kThreads);
          },
          floats(kThreads, [](int i) { return (i + kThreads - 1) % kThreads + 1; })};
}

PlantedBug late_write() {
  return {"late_write_kernel",
          FindingKind::kRace,
          {{kLateWrite + 9, 0, kThreads - 1}, {kLateWrite + 7, 0, 0}},
          "at value + 0 bytes",
          [](bool right) {
            const auto kernel = right ? late_write_kernel<true> : late_write_kernel<false>;
            return run_on(kernel, kThreads, kThreads, kThreads);
          },
          Floats(kThreads, 1)};
}

PlantedBug plain_count() {
  return {"plain_count_kernel",
          FindingKind::kRace,
          {{kPlainCount + 9, 0, 17}, {kPlainCount + 9, 0, 16}},
          "at count + 0 bytes",
          [](bool right) {
            const auto kernel = right ? plain_count_kernel<true> : plain_count_kernel<false>;
            return run_on(kernel, kThreads, kThreads, kThreads);
          },
          Floats(kThreads, kThreads - 16)};
}

PlantedBug early_count() {
  return {"early_count_kernel",
          FindingKind::kRace,
          {{kEarlyCount + 7, 0, 33}, {kEarlyCount + 9, 0, 32}},
          "at count + 0 bytes",
          [](bool right) {
            const auto kernel = right ? early_count_kernel<true> : early_count_kernel<false>;
            return run_on(kernel, kThreads, kThreads, 1);
          },
          {kThreads - 16}};
}

}  // namespace swag::planted
