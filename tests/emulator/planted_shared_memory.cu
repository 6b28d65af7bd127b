// Shared memory: values that this block never wrote, bounds; and local memory, which is a thread's own.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/vector.cuh"
#include "kernels/cuda/device_array.cuh"
#include "tests/emulator/planted_bugs.h"

namespace swag::planted {
namespace {

using emulator::FindingKind;

constexpr int kThreads = 64;

/// y = kernel(x) with kThreads a block.
Floats run_on(void (*kernel)(float*, const float*), int outputs = kThreads, int blocks = 1,
              size_t shared_bytes = 0) {
  DeviceArray<float> x(numbers(kThreads)), y(outputs);
  launch(kernel, blocks, kThreads, shared_bytes, {}, y.data(), x.data());
  return y.values();
}

constexpr int kUnwritten = __LINE__;
template <bool kRight>
__global__ void unwritten_kernel(float* y, const float* x) {
  __shared__ float tile[kThreads + 1];
  const int i = threadIdx.x;
  tile[i + 1] = x[i];
  if (kRight && i == 0) tile[0] = 0;  // the halo
  __syncthreads();
  y[i] = tile[i] + tile[i + 1];
}

constexpr int kLeft = __LINE__;
template <bool kRight>
__global__ void left_by_earlier_block_kernel(float* y, const float* x) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x;
  if (kRight || blockIdx.x == 0) tile[i] = x[i];
  __syncthreads();
  y[blockIdx.x * kThreads + i] = tile[kThreads - 1 - i];
}

constexpr int kHalfWritten = __LINE__;
template <bool kRight>
__global__ void half_written_kernel(float* y, const float* x) {
  __shared__ unsigned short tile[2 * kThreads];
  const int i = threadIdx.x;
  tile[2 * i] = static_cast<unsigned short>(x[i]);
  if (kRight) tile[2 * i + 1] = 0;
  __syncthreads();
  y[i] = static_cast<float>(reinterpret_cast<const unsigned*>(tile)[i]);
}

constexpr int kFromNothing = __LINE__;
template <bool kRight>
__global__ void count_from_nothing_kernel(float* y, const float* x) {
  __shared__ int count;
  const int i = threadIdx.x;
  if (kRight && i == 0) count = 0;
  __syncthreads();
  if (x[i] > 16) atomicAdd(&count, 1);
  __syncthreads();
  y[i] = static_cast<float>(count);
}

constexpr int kDynamic = __LINE__;
/// Elements [first, first + kThreads) of the dynamic array.
template <int kFirst>
__global__ void dynamic_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  const int i = threadIdx.x;
  tile[kFirst + i] = x[i];
  __syncthreads();
  y[i] = tile[kFirst + kThreads - 1 - i];
}

constexpr int kDynamicVector = __LINE__;
__global__ void dynamic_vector_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  const int i = threadIdx.x;
  if (i < 16) store4(tile + 4 * i, load4(x + 4 * i));
  __syncthreads();
  y[i] = tile[i];
}

constexpr int kStaticWrite = __LINE__;
template <bool kRight>
__global__ void static_write_kernel(float* y, const float* x) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x;
  tile[kRight ? i : i + 1] = x[i];
  __syncthreads();
  y[i] = tile[kThreads - 1 - i];
}

constexpr int kStaticRead = __LINE__;
template <bool kRight>
__global__ void static_read_kernel(float* y, const float* x) {
  __shared__ float tile[kThreads];
  const int i = threadIdx.x;
  tile[i] = x[i];
  __syncthreads();
  y[i] = kRight && i == 0 ? 0 : tile[i - 1];
}

constexpr int kPair = __LINE__;
template <bool kRight>
__global__ void misaligned_shared_float2_kernel(float* y, const float* x) {
  __shared__ __align__(16) float tile[2 * kThreads + 2];
  const int i = threadIdx.x;
  store2(tile + 2 * i + (kRight ? 2 : 1), {x[i], 1});
  __syncthreads();
  y[i] = tile[2 * i + 2];
}

constexpr int kLocal = __LINE__;
template <bool kRight>
__global__ void local_of_another_thread_kernel(float* y, const float* x) {
  __shared__ float* place;
  __shared__ float shared;
  float local = x[threadIdx.x];
  if (threadIdx.x == 0) {
    shared = local;
    place = kRight ? &shared : &local;
  }
  __syncthreads();
  y[threadIdx.x] = *place;
  __syncthreads();  // thread 0 must be there still
}

}  // namespace

PlantedBug unwritten_shared_memory() {
  return {"unwritten_kernel",
          FindingKind::kUninitialised,
          {{kUnwritten + 8, 0, 0}},
          "at tile + 0 bytes (element 0 of 4 bytes), shared memory, which this block has not written",
          [](bool right) { return run_on(right ? unwritten_kernel<true> : unwritten_kernel<false>); },
          floats(kThreads, [](int i) { return 2 * i + 1; })};
}

PlantedBug left_by_earlier_block() {
  return {"left_by_earlier_block_kernel",
          FindingKind::kUninitialised,
          {{kLeft + 7, 1, 0}},
          "at tile + 252 bytes",
          [](bool right) {
            const auto kernel =
                right ? left_by_earlier_block_kernel<true> : left_by_earlier_block_kernel<false>;
            return run_on(kernel, 3 * kThreads, 3);
          },
          floats(3 * kThreads, [](int i) { return kThreads - i % kThreads; })};
}

PlantedBug half_written_word() {
  return {"half_written_kernel",
          FindingKind::kUninitialised,
          {{kHalfWritten + 8, 0, 0}},
          "at tile + 0 bytes",
          [](bool right) { return run_on(right ? half_written_kernel<true> : half_written_kernel<false>); },
          numbers(kThreads)};
}

PlantedBug count_from_nothing() {
  return {"count_from_nothing_kernel",
          FindingKind::kUninitialised,
          {{kFromNothing + 7, 0, 16}},
          "at count + 0 bytes",
          [](bool right) {
            return run_on(right ? count_from_nothing_kernel<true> : count_from_nothing_kernel<false>);
          },
          Floats(kThreads, kThreads - 16)};
}

PlantedBug dynamic_behind_end() {
  return {"dynamic_kernel",
          FindingKind::kOutOfBounds,
          {{kDynamic + 6, 0, kThreads - 1}},
          "0 bytes behind the end of dynamic shared memory (256 bytes)",
          [](bool right) { return run_on(dynamic_kernel<1>, kThreads, 1, 4 * kThreads + (right ? 4 : 0)); },
          floats(kThreads, [](int i) { return kThreads - i; })};
}

PlantedBug dynamic_before_start() {
  return {"dynamic_kernel",
          FindingKind::kOutOfBounds,
          {{kDynamic + 6, 0, 0}},
          "4 bytes before dynamic shared memory (256 bytes)",
          [](bool right) { return run_on(right ? dynamic_kernel<0> : dynamic_kernel<-1>, kThreads, 1, 256); },
          floats(kThreads, [](int i) { return kThreads - i; })};
}

PlantedBug dynamic_over_end() {
  return {"dynamic_vector_kernel",
          FindingKind::kOutOfBounds,
          {{kDynamicVector + 4, 0, 15}},
          "dynamic shared memory + 240 bytes (element 15 of 16 bytes), of which the last 4 bytes are behind",
          [](bool right) { return run_on(dynamic_vector_kernel, kThreads, 1, right ? 256 : 252); },
          numbers(kThreads)};
}

PlantedBug dynamic_without_any() {
  return {"dynamic_kernel",
          FindingKind::kOutOfBounds,
          {{kDynamic + 6, 0, 0}},
          "0 bytes behind the end of dynamic shared memory (0 bytes)",
          [](bool right) { return run_on(dynamic_kernel<0>, kThreads, 1, right ? 256 : 0); },
          floats(kThreads, [](int i) { return kThreads - i; })};
}

PlantedBug static_write_behind_end() {
  return {"static_write_kernel",
          FindingKind::kOutOfBounds,
          {{kStaticWrite + 5, 0, kThreads - 1}},
          "0 bytes behind the end of tile",
          [](bool right) { return run_on(right ? static_write_kernel<true> : static_write_kernel<false>); },
          floats(kThreads, [](int i) { return kThreads - i; })};
}

PlantedBug static_read_before_start() {
  return {"static_read_kernel",
          FindingKind::kOutOfBounds,
          {{kStaticRead + 7, 0, 0}},
          "4 bytes before tile",
          [](bool right) { return run_on(right ? static_read_kernel<true> : static_read_kernel<false>); },
          floats(kThreads, [](int i) { return i; })};
}

PlantedBug misaligned_shared_float2() {
  return {
      "misaligned_shared_float2_kernel",
      FindingKind::kMisaligned,
      {{kPair + 5, 0, 0}},
      "at tile + 4 bytes",
      [](bool right) {
        return run_on(right ? misaligned_shared_float2_kernel<true> : misaligned_shared_float2_kernel<false>);
      },
      numbers(kThreads)};
}

PlantedBug local_of_another_thread() {
  return {
      "local_of_another_thread_kernel",
      FindingKind::kHostMemory,
      {{kLocal + 11, 0, 1}},
      "a local variable of thread (0,0,0)",
      [](bool right) {
        return run_on(right ? local_of_another_thread_kernel<true> : local_of_another_thread_kernel<false>);
      },
      Floats(kThreads, 1)};
}

}  // namespace swag::planted
