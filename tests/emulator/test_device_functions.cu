// Device functions on running kernels: barriers, warps, atomics, bits, launches.
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "kernels/cuda/launch.cuh"
#include "tests/emulator/emulator.h"

namespace {

constexpr unsigned kAll = 0xffffffffu;

struct Options {
  explicit Options(bool check, const char* architecture = "sm_90") {
    emulator::Options options;
    options.check = check;
    options.report = false;
    options.architecture = architecture;
    emulator::configure(options);
    emulator::take_findings();
  }
  ~Options() {
    cudaDeviceReset();
    emulator::configure(emulator::Options());
    emulator::take_findings();
  }
};

/// Runs `kernel(out)` on one block, checked, and returns what it wrote.
template <typename T>
std::vector<T> run(void (*kernel)(T*), int threads, size_t count, size_t shared = 0, int blocks = 1) {
  const Options options(true);
  T* out = nullptr;
  REQUIRE(cudaMalloc(&out, count * sizeof(T)) == cudaSuccess);
  REQUIRE(cudaMemset(out, 0, count * sizeof(T)) == cudaSuccess);
  swag::launch(kernel, dim3(blocks), dim3(threads), shared, {}, out);
  std::vector<T> values(count);
  REQUIRE(cudaMemcpy(values.data(), out, count * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
  REQUIRE(cudaFree(out) == cudaSuccess);
  for (const emulator::Finding& finding : emulator::take_findings()) FAIL_CHECK(finding.text);
  return values;
}

__global__ void shuffle_kernel(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  out[lane] = __shfl_sync(kAll, lane, 5);
  out[32 + lane] = __shfl_sync(kAll, lane, 9, 8);  // lane 1 of each section of 8
  out[64 + lane] = __shfl_up_sync(kAll, lane, 3);
  out[96 + lane] = __shfl_up_sync(kAll, lane, 3, 16);
  out[128 + lane] = __shfl_down_sync(kAll, lane, 4);
  out[160 + lane] = __shfl_down_sync(kAll, lane, 4, 8);
  out[192 + lane] = __shfl_xor_sync(kAll, lane, 1);
  out[224 + lane] = __shfl_xor_sync(kAll, lane, 8, 8);  // from an earlier section only
  const double wide = __shfl_xor_sync(kAll, lane + 0.25, 31);
  out[256 + lane] = static_cast<int>(wide * 4);
  out[288 + lane] = static_cast<int>(static_cast<float>(__shfl_down_sync(kAll, __half(lane), 1)));
}

__global__ void vote_kernel(unsigned* out) {
  const unsigned lane = threadIdx.x;
  out[lane] = __ballot_sync(kAll, lane % 3 == 0);
  out[32 + lane] = static_cast<unsigned>(__any_sync(kAll, lane == 7)) * 2u +
                   static_cast<unsigned>(__all_sync(kAll, lane < 31));
  out[64 + lane] = __match_any_sync(kAll, lane / 8);
  int all = 5;
  const unsigned same = __match_all_sync(kAll, 3.5f, &all);
  out[96 + lane] = all == 1 ? same : 0;
  __match_all_sync(kAll, lane, &all);
  out[128 + lane] = static_cast<unsigned>(all);
  out[160 + lane] = __reduce_add_sync(kAll, lane);
  out[192 + lane] = static_cast<unsigned>(__reduce_min_sync(kAll, static_cast<int>(lane) - 7));
  out[224 + lane] = __reduce_max_sync(kAll, lane) + __reduce_or_sync(kAll, 64u) +
                    __reduce_and_sync(kAll, lane | 128u) + __reduce_xor_sync(kAll, lane == 3 ? 256u : 0u);
  if (lane < 16) {  // the halves of a warp apart
    out[256 + lane] = __ballot_sync(0xffffu, 1);
  } else {
    out[256 + lane] = __ballot_sync(0xffff0000u, lane == 20);
  }
}

__global__ void barrier_kernel(int* out) {
  const int thread = static_cast<int>(threadIdx.x);
  DYNAMIC_SHARED(int, shared);
  shared[thread] = thread;
  const int count = __syncthreads_count(thread < 10);
  const int all = __syncthreads_and(thread < 99), none = __syncthreads_and(thread != 50);
  const int any = __syncthreads_or(thread == 99), never = __syncthreads_or(thread > 99);
  __syncthreads();
  out[thread] = shared[99 - thread];
  if (thread == 0) {
    out[100] = count;
    out[101] = all * 1000 + none * 100 + any * 10 + never;
  }
}

__global__ void atomic_kernel(unsigned* out) {
  atomicAdd(out, 1u);
  atomicMax(out + 1, blockIdx.x * 256 + threadIdx.x);
  atomicAdd(reinterpret_cast<float*>(out) + 2, 0.5f);
  atomicXor(out + 3, 1u << (threadIdx.x % 32));
  atomicInc(out + 4, 9u);
  atomicAdd(reinterpret_cast<unsigned long long*>(out) + 3, 1ull << 32);
  atomicSub(reinterpret_cast<int*>(out) + 8, 2);
  unsigned seen = 0;  // a sum by compare and swap
  unsigned old = atomicCAS(out + 9, 0u, 0u);
  do {
    seen = old;
    old = atomicCAS(out + 9, seen, seen + threadIdx.x);
  } while (old != seen);
  atomicAdd(reinterpret_cast<__half2*>(out) + 10, __floats2half2_rn(1.0f, 0.0f));
  atomicAdd(reinterpret_cast<double*>(out) + 6, 0.25);
}

__global__ void bits_kernel(unsigned* out) {
  out[0] = static_cast<unsigned>(__popc(0xf0f0u));
  out[1] = static_cast<unsigned>(__clz(1));
  out[2] = static_cast<unsigned>(__ffs(0x100));
  out[3] = __brev(1u);
  out[4] = __byte_perm(0x33221100u, 0x77665544u, 0x7531u);
  out[5] = __umulhi(0x80000000u, 6u);
  out[6] = static_cast<unsigned>(__mul24(-3, 5));
  out[7] = __float_as_uint(1.0f);
  out[8] = static_cast<unsigned>(__float2int_rn(2.5f) * 100 + __float2int_rz(-2.7f) + __float2int_ru(0.1f));
  out[9] = static_cast<unsigned>(__float2int_rn(3e9f));
  out[10] = __float2uint_rz(-1.0f);
  out[11] = static_cast<unsigned>(__float2int_rn(NAN));
  out[12] = __float_as_uint(__saturatef(NAN)) + __float_as_uint(__saturatef(7.0f));
  out[13] = __float_as_uint(rsqrtf(4.0f));
  out[14] = min(3u, 5u) + static_cast<unsigned>(max(-1, 2));
  out[15] = __funnelshift_l(0x80000000u, 1u, 1u);
  out[16] = __byte_perm(0x0000ff80u, 0u, 0xa9a8u);
}

__global__ void trap_kernel(int* out) {
  out[0] = 1;
  if (threadIdx.x == 3) __trap();
}

__global__ void vector_kernel(float4* out) {
  const float4 v = __ldg(out);
  __stcs(out + 1, make_float4(v.w, v.z, v.y, v.x + 1));
}

__constant__ float constant_values[4];
__global__ void constant_kernel(float* out) { out[threadIdx.x] = constant_values[threadIdx.x]; }

__global__ void geometry_kernel(int* out, const int width) {
  const unsigned x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
  const unsigned z = blockIdx.z * blockDim.z + threadIdx.z;
  out[(z * gridDim.y * blockDim.y + y) * width + x] = static_cast<int>(100 * z + 10 * y + x);
}

__global__ void static_shared_kernel(int* out) {
  __shared__ int values[1024];
  values[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x ^ 1];
}

}  // namespace

TEST_CASE("shuffles read from the lanes that CUDA says") {
  const std::vector<int> out = run(shuffle_kernel, 32, 320);
  int wrong = 0;
  for (int lane = 0; lane < 32; ++lane) {
    wrong += out[lane] != 5;
    wrong += out[32 + lane] != lane / 8 * 8 + 1;
    wrong += out[64 + lane] != (lane < 3 ? lane : lane - 3);
    wrong += out[96 + lane] != (lane % 16 < 3 ? lane : lane - 3);
    wrong += out[128 + lane] != (lane >= 28 ? lane : lane + 4);
    wrong += out[160 + lane] != (lane % 8 >= 4 ? lane : lane + 4);
    wrong += out[192 + lane] != (lane ^ 1);
    wrong += out[224 + lane] != (lane % 16 < 8 ? lane : lane - 8);
    wrong += out[256 + lane] != (31 - lane) * 4 + 1;
    wrong += out[288 + lane] != (lane == 31 ? 31 : lane + 1);
  }
  CHECK(wrong == 0);
}

TEST_CASE("votes, matches and reductions over a warp and over its halves") {
  const std::vector<unsigned> out = run(vote_kernel, 32, 288);
  int wrong = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    wrong += out[lane] != 0x49249249u;
    wrong += out[32 + lane] != 2u;
    wrong += out[64 + lane] != 0xffu << (lane / 8 * 8);
    wrong += out[96 + lane] != kAll;
    wrong += out[128 + lane] != 0;
    wrong += out[160 + lane] != 496;
    wrong += static_cast<int>(out[192 + lane]) != -7;
    wrong += out[224 + lane] != 31 + 64 + 128 + 256;
    wrong += out[256 + lane] != (lane < 16 ? 0xffffu : 1u << 20);
  }
  CHECK(wrong == 0);
}

TEST_CASE("barriers count, and shared memory is seen behind them") {
  const std::vector<int> out = run(barrier_kernel, 100, 102, 400);
  for (int i = 0; i < 100; ++i) CHECK(out[i] == 99 - i);
  CHECK(out[100] == 10);
  CHECK(out[101] == 10);
}

TEST_CASE("atomics of blocks on several host threads lose nothing") {
  const std::vector<unsigned> out = run(atomic_kernel, 256, 16, 0, 8);
  CHECK(out[0] == 2048);
  CHECK(out[1] == 2047);
  float sum;
  std::memcpy(&sum, &out[2], sizeof sum);
  CHECK(sum == 1024);
  CHECK(out[3] == 0);  // each bit 64 times
  CHECK(out[4] == 2048 % 10);
  CHECK(out[7] == 2048);
  CHECK(static_cast<int>(out[8]) == -4096);
  CHECK(out[9] == 8 * 255 * 128);
  CHECK(out[10] == 0x6800u);  // 2048 in half
  double quarter;
  std::memcpy(&quarter, &out[12], sizeof quarter);
  CHECK(quarter == 512);
}

TEST_CASE("bit and conversion functions give what CUDA gives") {
  const std::vector<unsigned> out = run(bits_kernel, 1, 17);
  const std::vector<unsigned> expected = {
      8,           31,  9,           0x80000000u, 0x77553311u, 3,           static_cast<unsigned>(-15),
      0x3f800000u, 199, 0x7fffffffu, 0,           0,           0x3f800000u, 0x3f000000u,
      5,           3,   0x00ff00ffu};
  REQUIRE(out.size() == expected.size());
  for (size_t i = 0; i < out.size(); ++i) CHECK_MESSAGE(out[i] == expected[i], "case ", i);
}

TEST_CASE("grids and blocks of three dimensions reach every element once") {
  const Options options(true);
  int* out = nullptr;
  REQUIRE(cudaMalloc(&out, 4 * 6 * 6 * sizeof(int)) == cudaSuccess);
  swag::launch(geometry_kernel, dim3(3, 2, 2), dim3(2, 3, 2), 0, {}, out, 6);
  std::vector<int> values(4 * 6 * 6);
  REQUIRE(cudaMemcpy(values.data(), out, values.size() * 4, cudaMemcpyDeviceToHost) == cudaSuccess);
  for (int i = 0; i < 144; ++i) CHECK(values[i] == i / 36 * 100 + i / 6 % 6 * 10 + i % 6);
  CHECK(cudaFree(out) == cudaSuccess);
  CHECK(emulator::take_findings().empty());
}

TEST_CASE("vectors load and store whole, and __constant__ memory takes a copy") {
  const Options options(true);
  const float values[4] = {1, 2, 3, 4};
  float result[4] = {};
  float4* out = nullptr;
  REQUIRE(cudaMalloc(&out, 32) == cudaSuccess);
  REQUIRE(cudaMemcpy(out, values, 16, cudaMemcpyHostToDevice) == cudaSuccess);
  swag::launch(vector_kernel, dim3(1), dim3(1), 0, {}, out);
  REQUIRE(cudaMemcpy(result, out + 1, 16, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(result[0] == 4);
  CHECK(result[3] == 2);
  CHECK(cudaMemcpyToSymbol(constant_values, values, 20) == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  REQUIRE(cudaMemcpyToSymbol(constant_values, values, 16) == cudaSuccess);
  swag::launch(constant_kernel, dim3(1), dim3(4), 0, {}, reinterpret_cast<float*>(out));
  REQUIRE(cudaMemcpy(result, out, 16, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(result[2] == 3);
  CHECK(cudaFree(out) == cudaSuccess);
  for (const emulator::Finding& finding : emulator::take_findings()) FAIL_CHECK(finding.text);
}

TEST_CASE("a launch that no GPU would accept is refused with CUDA's error") {
  const Options options(true);
  const auto refused = [](dim3 grid, dim3 block, size_t shared) {
    emulator::launch(static_shared_kernel, grid, block, shared, nullptr, nullptr);
    const std::vector<emulator::Finding> findings = emulator::take_findings();
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].kind == emulator::FindingKind::kBadLaunch);
    CHECK(findings[0].kernel.find("static_shared_kernel") != std::string::npos);
    return cudaGetLastError();
  };
  CHECK(refused(dim3(0), dim3(1), 0) == cudaErrorInvalidConfiguration);
  CHECK(refused(dim3(1), dim3(1, 0), 0) == cudaErrorInvalidConfiguration);
  CHECK(refused(dim3(1, 65536), dim3(1), 0) == cudaErrorInvalidConfiguration);
  CHECK(refused(dim3(1), dim3(1025), 0) == cudaErrorInvalidConfiguration);
  CHECK(refused(dim3(1), dim3(1, 1, 65), 0) == cudaErrorInvalidConfiguration);
  CHECK(refused(dim3(1), dim3(32, 33), 0) == cudaErrorInvalidConfiguration);
  CHECK(refused(dim3(1), dim3(32), (48 << 10) - 4095) == cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(static_shared_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             (227 << 10) - 4095) == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  int* out = nullptr;
  REQUIRE(cudaMalloc(&out, 128) == cudaSuccess);
  CHECK(cudaFuncSetAttribute(static_shared_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 100 << 10) ==
        cudaSuccess);
  CHECK(emulator::launch(static_shared_kernel, dim3(1), dim3(32), 100 << 10, nullptr, out) == cudaSuccess);
  CHECK(refused(dim3(1), dim3(32), (100 << 10) + 1) == cudaErrorInvalidValue);
  cudaFuncAttributes attributes;
  CHECK(cudaFuncGetAttributes(&attributes, static_shared_kernel) == cudaSuccess);
  CHECK(attributes.sharedSizeBytes == 4096);
  CHECK(attributes.maxDynamicSharedSizeBytes == 100 << 10);
  int blocks = 0;
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, static_shared_kernel, 256, 0) == cudaSuccess);
  CHECK(blocks == 8);  // by threads: 2048 / 256
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, static_shared_kernel, 32, 36 << 10) ==
        cudaSuccess);
  CHECK(blocks == 5);  // by shared memory: 228 / (36 + 4 + 1)
  CHECK(cudaFree(out) == cudaSuccess);
}

TEST_CASE("a kernel that traps leaves an error that stays until the device is reset") {
  const Options options(false);
  int* out = nullptr;
  REQUIRE(cudaMalloc(&out, 4) == cudaSuccess);
  emulator::launch(trap_kernel, dim3(1), dim3(32), 0, nullptr, out);
  CHECK(cudaGetLastError() == cudaSuccess);  // a launch does not wait
  CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
  void* other = nullptr;
  CHECK(cudaMalloc(&other, 4) == cudaErrorLaunchFailure);
  CHECK(cudaDeviceReset() == cudaSuccess);
  CHECK(cudaMalloc(&other, 4) == cudaSuccess);
  CHECK(cudaFree(other) == cudaSuccess);
}
