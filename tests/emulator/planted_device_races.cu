// Races on device memory, within a block and between the blocks of a launch.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/device_array.cuh"
#include "tests/emulator/planted_bugs.h"

namespace swag::planted {
namespace {

using emulator::FindingKind;

constexpr int kBlocks = 6, kThreads = 32;

template <typename T>
Floats as_floats(const DeviceArray<T>& array) {
  const std::vector<T> values = array.values();
  return Floats(values.begin(), values.end());
}

constexpr int kOnOneWord = __LINE__;
template <bool kRight>
__global__ void blocks_on_one_word_kernel(float* y) {
  const int i = threadIdx.x, block = blockIdx.x;
  y[kRight ? block * kThreads + i : i] = static_cast<float>(block);
}

constexpr int kOnOneByte = __LINE__;
template <bool kRight>
__global__ void blocks_on_one_byte_kernel(unsigned char* y) {
  const int i = threadIdx.x, block = blockIdx.x;
  y[i * kBlocks + (kRight ? block : 0)] = static_cast<unsigned char>(block);
}

constexpr int kAdding = __LINE__;
template <bool kRight>
__global__ void blocks_adding_kernel(float* y) {
  const int i = threadIdx.x;
  if (kRight) atomicAdd(&y[i], 1.f);
  if (!kRight) y[i] += 1.f;
}

constexpr int kMissingBarrier = __LINE__;
template <bool kRight>
__global__ void missing_barrier_on_device_memory_kernel(float* y, float* scratch) {
  const int i = threadIdx.x;
  scratch[i] = static_cast<float>(i);
  if (kRight) __syncthreads();
  y[i] = scratch[(i + 32) % 64];
}

constexpr int kInPlace = __LINE__;
__global__ void in_place_kernel(float* y, const float* x) {
  const int i = blockIdx.x * kThreads + threadIdx.x;
  y[i] = x[(i + kThreads) % (kBlocks * kThreads)];
}

/// The fence may come too early, in time, or not at all.
enum class Fence { kNone, kEarly, kRight };

constexpr int kLastBlock = __LINE__;
template <Fence kFence>
__global__ void last_block_kernel(float* y, float* partials, unsigned* count) {
  if (threadIdx.x != 0) return;
  if (kFence == Fence::kEarly) __threadfence();
  partials[blockIdx.x] = static_cast<float>(blockIdx.x + 1);
  if (kFence == Fence::kRight) __threadfence();
  if (atomicAdd(count, 1u) != gridDim.x - 1) return;
  float sum = 0;
  for (unsigned block = 0; block < gridDim.x; ++block) sum += partials[block];
  *y = sum;
}

constexpr int kManyWriters = __LINE__;
template <bool kRight>
__global__ void last_block_of_many_writers_kernel(float* y, float* partials, unsigned* count) {
  __shared__ bool is_last;
  const int i = threadIdx.x;
  partials[blockIdx.x * kThreads + i] = static_cast<float>(i);
  if (kRight) __syncthreads();  // or the fence is of one thread's writes only
  if (i == 0) {
    __threadfence();
    is_last = atomicAdd(count, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!is_last) return;
  float sum = 0;
  for (unsigned block = 0; block < gridDim.x; ++block) sum += partials[block * kThreads + i];
  y[i] = sum;
}

constexpr int kZeroed = __LINE__;
template <bool kRight>
__global__ void zeroed_by_one_block_kernel(float* y) {
  const int i = threadIdx.x;
  if (!kRight && blockIdx.x == 0) y[i] = 0;
  __syncthreads();  // waits for this block, not for the others
  atomicAdd(&y[(i + 1) % kThreads], 1.f);
}

Floats run_last_block(Fence fence) {
  DeviceArray<float> y(1), partials(kBlocks);
  DeviceArray<unsigned> count(std::vector<unsigned>(1, 0));
  const auto kernel = fence == Fence::kNone    ? last_block_kernel<Fence::kNone>
                      : fence == Fence::kEarly ? last_block_kernel<Fence::kEarly>
                                               : last_block_kernel<Fence::kRight>;
  partials.poison();
  launch(kernel, kBlocks, kThreads, 0, {}, y.data(), partials.data(), count.data());
  return y.values();
}

}  // namespace

PlantedBug blocks_on_one_word() {
  return {"blocks_on_one_word_kernel",
          FindingKind::kRace,
          {{kOnOneWord + 4, 1, 0}, {kOnOneWord + 4, 0, 0}},
          "at argument 1 + 0 bytes",
          [](bool right) {
            DeviceArray<float> y(Floats(kBlocks * kThreads, 0));
            launch(right ? blocks_on_one_word_kernel<true> : blocks_on_one_word_kernel<false>, kBlocks,
                   kThreads, 0, {}, y.data());
            return y.values();
          },
          floats(kBlocks * kThreads, [](int i) { return i / kThreads; })};
}

PlantedBug blocks_on_one_byte() {
  return {"blocks_on_one_byte_kernel",
          FindingKind::kRace,
          {{kOnOneByte + 4, 1, 0}, {kOnOneByte + 4, 0, 0}},
          "at argument 1 + 0 bytes (element 0 of 1 byte)",
          [](bool right) {
            DeviceArray<unsigned char> y(std::vector<unsigned char>(kBlocks * kThreads, 0));
            launch(right ? blocks_on_one_byte_kernel<true> : blocks_on_one_byte_kernel<false>, kBlocks,
                   kThreads, 0, {}, y.data());
            return as_floats(y);
          },
          floats(kBlocks * kThreads, [](int i) { return i % kBlocks; })};
}

PlantedBug blocks_adding() {
  return {"blocks_adding_kernel",
          FindingKind::kRace,
          {{kAdding + 5, 1, 0}, {kAdding + 5, 0, 0}},
          "two blocks, and nothing orders them",
          [](bool right) {
            DeviceArray<float> y(Floats(kThreads, 0));
            launch(right ? blocks_adding_kernel<true> : blocks_adding_kernel<false>, kBlocks, kThreads, 0, {},
                   y.data());
            return y.values();
          },
          Floats(kThreads, kBlocks)};
}

PlantedBug missing_barrier_on_device_memory() {
  return {"missing_barrier_on_device_memory_kernel",
          FindingKind::kRace,
          {{kMissingBarrier + 4, 0, 32}, {kMissingBarrier + 6, 0, 0}},
          "at argument 2 + 128 bytes",
          [](bool right) {
            DeviceArray<float> y(64), scratch(Floats(64, 0));
            launch(right ? missing_barrier_on_device_memory_kernel<true>
                         : missing_barrier_on_device_memory_kernel<false>,
                   1, 64, 0, {}, y.data(), scratch.data());
            return y.values();
          },
          floats(64, [](int i) { return (i + 32) % 64; })};
}

PlantedBug in_place() {
  return {"in_place_kernel",
          FindingKind::kRace,
          {{kInPlace + 3, 1, 0}, {kInPlace + 3, 0, 0}},
          "at argument 1 + 128 bytes",
          [](bool right) {
            DeviceArray<float> x(numbers(kBlocks * kThreads)), y(kBlocks * kThreads);
            float* const to = right ? y.data() : x.data();
            launch(in_place_kernel, kBlocks, kThreads, 0, {}, to, x.data());
            launch(in_place_kernel, kBlocks, kThreads, 0, {}, x.data(), to);  // a launch waits for the last
            return x.values();
          },
          floats(kBlocks * kThreads, [](int i) { return (i + 2 * kThreads) % (kBlocks * kThreads) + 1; })};
}

PlantedBug last_block_without_fence() {
  return {"last_block_kernel",
          FindingKind::kRace,
          {{kLastBlock + 9, kBlocks - 1, 0}, {kLastBlock + 5, 0, 0}},
          "at argument 2 + 0 bytes",
          [](bool right) { return run_last_block(right ? Fence::kRight : Fence::kNone); },
          {kBlocks * (kBlocks + 1) / 2}};
}

PlantedBug last_block_with_early_fence() {
  return {"last_block_kernel",
          FindingKind::kRace,
          {{kLastBlock + 9, kBlocks - 1, 0}, {kLastBlock + 5, 0, 0}},
          "at argument 2 + 0 bytes",
          [](bool right) { return run_last_block(right ? Fence::kRight : Fence::kEarly); },
          {kBlocks * (kBlocks + 1) / 2}};
}

PlantedBug last_block_of_many_writers() {
  return {"last_block_of_many_writers_kernel",
          FindingKind::kRace,
          {{kManyWriters + 14, kBlocks - 1, 1}, {kManyWriters + 5, 0, 1}},
          "at argument 2 + 4 bytes",
          [](bool right) {
            DeviceArray<float> y(kThreads), partials(Floats(kBlocks * kThreads, 0));
            DeviceArray<unsigned> count(std::vector<unsigned>(1, 0));
            launch(right ? last_block_of_many_writers_kernel<true> : last_block_of_many_writers_kernel<false>,
                   kBlocks, kThreads, 0, {}, y.data(), partials.data(), count.data());
            return y.values();
          },
          floats(kThreads, [](int i) { return kBlocks * i; })};
}

PlantedBug zeroed_by_one_block() {
  return {"zeroed_by_one_block_kernel",
          FindingKind::kRace,
          {{kZeroed + 6, 1, 0}, {kZeroed + 4, 0, 1}},
          "at argument 1 + 4 bytes",
          [](bool right) {
            DeviceArray<float> y(Floats(kThreads, 0));
            launch(right ? zeroed_by_one_block_kernel<true> : zeroed_by_one_block_kernel<false>, kBlocks,
                   kThreads, 0, {}, y.data());
            return y.values();
          },
          Floats(kThreads, kBlocks)};
}

}  // namespace swag::planted
