// What a GPU can do at most: the figures on which the predictions of docs/kernels.md rest, measured by
// kernels that do one thing. A line of JSON each. Tensor cores need sm_80.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/device_array.cuh"
#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/timing.cuh"
#include "kernels/limits/instructions.h"

namespace swag::cuda {
namespace {

constexpr int kChains = 8;  // of dependent operations a thread has under way
constexpr int kRuns = 11;   // of which the median counts

/// What is done of each: much on a GPU, next to nothing where the program is only tried.
struct Amounts {
  int blocks;
  int64_t large, small;  // bytes: beyond every cache, and within the second level's
  int rounds, launches;
};
#ifdef __CUDACC__
constexpr Amounts kAmounts = {132 * 8, int64_t{1} << 30, int64_t{16} << 20, 20000, 500};
#else
constexpr Amounts kAmounts = {2, int64_t{1} << 16, int64_t{1} << 14, 2, 3};
#endif

// ---------------------------------------------------------------- kernels

/// Grid: dense; block 256. No shared memory. Bound by bytes: 32 per element.
__global__ void __launch_bounds__(kElementThreads)
    copy_kernel(float4* to, const float4* from, int64_t count) {
  for_each_group<1>(count, [&](int64_t i) { to[i] = from[i]; });
}

/// All blocks read the same memory, a power of two, each from a place of its own on, `rounds` times.
/// Grid: blocks; block 256. No shared memory. Bound by the second-level cache.
__global__ void __launch_bounds__(kElementThreads)
    read_kernel(float* out, const float4* from, int64_t count, int rounds) {
  float sum = 0;
  for (int round = 0; round < rounds; ++round) {
    const int64_t first = (int64_t{blockIdx.x} * 7919 + round) * kElementThreads;
    for (int64_t i = threadIdx.x; i < count; i += kElementThreads * kChains) {
      float4 values[kChains];
#pragma unroll
      for (int k = 0; k < kChains; ++k)
        values[k] = __ldcg(&from[(first + i + k * kElementThreads) & (count - 1)]);
#pragma unroll
      for (int k = 0; k < kChains; ++k) sum += values[k].x + values[k].y + values[k].z + values[k].w;
    }
  }
  if (sum == 12345) *out = sum;  // never, but a compiler does not know
}

/// Grid: blocks; block 256. No shared memory. Bound by multiply-adds.
template <typename T>
__global__ void __launch_bounds__(kElementThreads) multiply_add_kernel(T* out, T factor, int rounds) {
  T sums[kChains];
#pragma unroll
  for (int k = 0; k < kChains; ++k) sums[k] = static_cast<T>(threadIdx.x + k);
  for (int round = 0; round < rounds; ++round) {
#pragma unroll
    for (int k = 0; k < kChains; ++k) sums[k] = sums[k] * factor + factor;
  }
  T sum = 0;
#pragma unroll
  for (int k = 0; k < kChains; ++k) sum += sums[k];
  if (sum == 12345) *out = sum;
}

enum class Operands { kTf32, kHalf, kBfloat16 };

/// Grid: blocks; block 256. No shared memory. Bound by the tensor cores.
template <Operands kOperands>
__global__ void __launch_bounds__(kElementThreads) mma_kernel(float* out, int rounds) {
  float sums[kChains][4] = {};
  uint32_t a[4], b[2];
#pragma unroll
  for (int k = 0; k < 4; ++k) a[k] = threadIdx.x * 0x10001u + k;
  b[0] = a[0] + 7;
  b[1] = a[1] + 7;
  for (int round = 0; round < rounds; ++round) {
#pragma unroll
    for (int k = 0; k < kChains; ++k) {
      if constexpr (kOperands == Operands::kTf32) mma_tf32(sums[k], a, b);
      if constexpr (kOperands == Operands::kHalf) mma_half(sums[k], a, b);
      if constexpr (kOperands == Operands::kBfloat16) mma_bfloat16(sums[k], a, b);
    }
  }
  float sum = 0;
#pragma unroll
  for (int k = 0; k < kChains; ++k) sum += sums[k][0] + sums[k][1] + sums[k][2] + sums[k][3];
  if (sum == 12345) *out = sum;
}

__global__ void empty_kernel() {}

/// The relative error of expf on [-20, 0], summed.
/// Grid: dense; block 256. Shared: 64 bytes. Bound by exp in float64.
__global__ void __launch_bounds__(kReduceThreads) exp_kernel(double* partials, int64_t count) {
  double sums[1] = {0};
  for_each_group<1>(count, [&](int64_t i) {
    const float x = -20 * static_cast<float>(i) / static_cast<float>(count);
    const double exact = exp(static_cast<double>(x));
    sums[0] += (static_cast<double>(expf(x)) - exact) / exact;
  });
  store_partial_sums(partials, sums);
}

// ---------------------------------------------------------------- measuring

/// Seconds that `work` takes on the stream: the median.
double seconds(cudaStream_t stream, const std::function<void()>& work) {
  return sorted_seconds(work, stream, 1, kRuns)[kRuns / 2];
}

void print(const char* name, double value, const char* unit) {
  std::printf("{\"limit\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}\n", name, value, unit);
  std::fflush(stdout);
}

void measure_memory(cudaStream_t stream) {
  const int64_t large = kAmounts.large / 16, small = kAmounts.small / 16;
  DeviceArray<float4> from(large), to(large);
  DeviceArray<float> out(1);
  from.poison();  // written once, so that it is there
  double time = seconds(stream, [&] {
    launch(copy_kernel, dense_grid(large, 1), dim3(kElementThreads), 0, Stream{stream}, to.data(),
           from.data(), large);
  });
  print("copy, read and written", 2e-9 * static_cast<double>(kAmounts.large) / time, "GB/s");
  const int rounds = std::max(1, kAmounts.rounds / 5000);
  time = seconds(stream, [&] {
    launch(read_kernel, dim3(kAmounts.blocks), dim3(kElementThreads), 0, Stream{stream}, out.data(),
           from.data(), small, rounds);
  });
  print("second-level cache, read",
        1e-9 * static_cast<double>(kAmounts.small) * kAmounts.blocks * rounds / time, "GB/s");
}

void measure_arithmetic(cudaStream_t stream) {
  DeviceArray<double> out(1);
  float* const single = reinterpret_cast<float*>(out.data());
  const dim3 grid(kAmounts.blocks), block(kElementThreads);
  const double per_thread = 2e-12 * kChains * kAmounts.rounds,
               threads = 1.0 * kAmounts.blocks * kElementThreads;
  double time = seconds(stream, [&] {
    launch(multiply_add_kernel<float>, grid, block, 0, Stream{stream}, single, 0.5f, kAmounts.rounds);
  });
  print("multiply-adds, float32", per_thread * threads / time, "TFLOP/s");
  time = seconds(stream, [&] {
    launch(multiply_add_kernel<double>, grid, block, 0, Stream{stream}, out.data(), 0.5, kAmounts.rounds);
  });
  print("multiply-adds, float64", per_thread * threads / time, "TFLOP/s");
  const auto tensor_cores = [&](void (*kernel)(float*, int), int products, const char* name) {
    const double warps = threads / kLanes;
    const double elapsed =
        seconds(stream, [&] { launch(kernel, grid, block, 0, Stream{stream}, single, kAmounts.rounds); });
    print(name, per_thread * products * warps / elapsed, "TFLOP/s");
  };
  tensor_cores(mma_kernel<Operands::kTf32>, 16 * 8 * 8, "mma.sync, TF32");
  tensor_cores(mma_kernel<Operands::kHalf>, 16 * 8 * 16, "mma.sync, half");
  tensor_cores(mma_kernel<Operands::kBfloat16>, 16 * 8 * 16, "mma.sync, bfloat16");
}

void measure_launches(cudaStream_t stream) {
  const auto chain = [&] {
    for (int i = 0; i < kAmounts.launches; ++i) launch(empty_kernel, dim3(1), dim3(32), 0, Stream{stream});
  };
  print("launches in a row", 1e6 * seconds(stream, chain) / kAmounts.launches, "us");
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  chain();
  CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
  CUDA_CHECK(cudaGraphInstantiate(&executable, graph, 0));
  const double time = seconds(stream, [&] { CUDA_CHECK(cudaGraphLaunch(executable, stream)); });
  print("launches in a graph", 1e6 * time / kAmounts.launches, "us");
  CUDA_CHECK(cudaGraphExecDestroy(executable));
  CUDA_CHECK(cudaGraphDestroy(graph));
}

void measure_exp(cudaStream_t stream) {
  const int64_t count = kAmounts.small / 4;
  const int blocks = reduce_blocks(count);
  DeviceArray<double> partials(static_cast<size_t>(blocks));
  launch(exp_kernel, dim3(blocks), dim3(kReduceThreads), 0, Stream{stream}, partials.data(), count);
  CUDA_CHECK(cudaStreamSynchronize(stream));
  double sum = 0;
  for (const double part : partials.values()) sum += part;
  print("expf, mean relative error", sum / static_cast<double>(count), "");
}

void measure() {
  cudaStream_t stream = nullptr;
  CUDA_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CUDA_CHECK(cudaDeviceSynchronize());
  measure_launches(stream);
  measure_memory(stream);
  measure_arithmetic(stream);
  measure_exp(stream);
  CUDA_CHECK(cudaStreamDestroy(stream));
}

/// What Hopper's instructions do, against what they should: a line each. False where one does not.
bool check_instructions() {
  cudaDeviceProp properties;
  CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
  if (properties.major != 9) throw std::runtime_error("they are of GPUs of compute capability 9.0");
  bool right = true;
  for (const instructions::Answer& answer : instructions::check_all()) {
    std::printf("{\"instruction\": \"%s\", \"wrong\": %lld}\n", answer.instruction.c_str(),
                static_cast<long long>(answer.wrong));
    std::fflush(stdout);
    right = right && answer.wrong == 0;
  }
  return right;
}

}  // namespace
}  // namespace swag::cuda

int main(int count, char** words) {
  const bool instructions = count == 2 && std::strcmp(words[1], "--instructions") == 0;
  if (count > 1 && !instructions) {
    const bool help = std::strcmp(words[1], "--help") == 0;
    std::fprintf(
        help ? stdout : stderr,
        "limits: what the first GPU can do at most, a line of JSON each\n"
        "limits --instructions: whether Hopper's instructions do what this program believes of them\n");
    return help ? 0 : 2;
  }
  try {
    if (instructions) return swag::cuda::check_instructions() ? 0 : 1;
    swag::cuda::measure();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "limits: %s\n", error.what());
    return 5;
  }
  return 0;
}
