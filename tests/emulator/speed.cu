// How fast the emulator is: multiply-adds per second of one core through a matrix product with tiles in
// shared memory, one output per thread. Instrumented, every access is checked (or, with "unchecked", only
// seen); the plain build of this file gives the speed without.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

#include "kernels/cuda/launch.cuh"
#include "tests/emulator/emulator.h"

namespace {

#ifdef EMULATOR_INSTRUMENTED
constexpr bool kInstrumented = true;
#else
constexpr bool kInstrumented = false;
#endif

/// y = a * b, all (n, n), n a multiple of kTile. Grid (n / kTile, n / kTile), block (kTile, kTile); two tiles
/// in shared memory.
template <int kTile>
__global__ void product_tiled_kernel(float* y, const float* a, const float* b, int n) {
  __shared__ float a_tile[kTile][kTile], b_tile[kTile][kTile];
  const int col_in_tile = static_cast<int>(threadIdx.x), row_in_tile = static_cast<int>(threadIdx.y);
  const int col = static_cast<int>(blockIdx.x) * kTile + col_in_tile;
  const int row = static_cast<int>(blockIdx.y) * kTile + row_in_tile;
  float sum = 0;
  for (int k0 = 0; k0 < n; k0 += kTile) {
    a_tile[row_in_tile][col_in_tile] = a[row * n + k0 + col_in_tile];
    b_tile[row_in_tile][col_in_tile] = b[(k0 + row_in_tile) * n + col];
    __syncthreads();
    for (int k = 0; k < kTile; ++k) sum += a_tile[row_in_tile][k] * b_tile[k][col_in_tile];
    __syncthreads();
  }
  y[row * n + col] = sum;
}

/// Seconds of processor time: one core works, and what else the machine does is not to count.
double seconds_used() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Millions of multiply-adds per second, the best of ten; NaN when the product is wrong.
template <int kTile>
double measure(int n) {
  const size_t count = static_cast<size_t>(n) * static_cast<size_t>(n);
  std::vector<float> host(count);
  for (size_t i = 0; i < count; ++i) host[i] = static_cast<float>(i % 7) - 3;
  float *a = nullptr, *y = nullptr;
  CUDA_CHECK(cudaMalloc(&a, count * sizeof(float)));
  CUDA_CHECK(cudaMalloc(&y, count * sizeof(float)));
  CUDA_CHECK(cudaMemcpy(a, host.data(), count * sizeof(float), cudaMemcpyHostToDevice));
  const unsigned blocks = static_cast<unsigned>(n / kTile);
  double best = 0;
  for (int repeat = 0; repeat < 10; ++repeat) {
    const double begin = seconds_used();
    swag::launch(product_tiled_kernel<kTile>, {blocks, blocks}, {kTile, kTile}, 0, {}, y, a, a, n);
    CUDA_CHECK(cudaDeviceSynchronize());
    const double rate = static_cast<double>(count) * n / (seconds_used() - begin) / 1e6;
    if (rate > best) best = rate;
  }
  std::vector<float> result(count);
  CUDA_CHECK(cudaMemcpy(result.data(), y, count * sizeof(float), cudaMemcpyDeviceToHost));
  CUDA_CHECK(cudaFree(a));
  CUDA_CHECK(cudaFree(y));
  const auto size = static_cast<size_t>(n);
  for (size_t row = 0; row < size; row += 31) {
    for (size_t col = 0; col < size; col += 29) {
      double exact = 0;  // whole numbers, so that the product is exact
      for (size_t k = 0; k < size; ++k) exact += double{host[row * size + k]} * host[k * size + col];
      if (!(std::fabs(result[row * size + col] - exact) <= 0)) return std::nan("");
    }
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  emulator::Options options;
  options.check = kInstrumented && (argc < 2 || std::strcmp(argv[1], "unchecked") != 0);
  options.workers = 1;
  emulator::configure(options);
  const char* mode = options.check ? "checked" : kInstrumented ? "instrumented, not checked" : "plain";
  const int n = kInstrumented ? 256 : 512;
  const double tile16 = measure<16>(n), tile32 = measure<32>(n);
  std::printf("%s, one core, million multiply-adds per second: %.0f with 16x16 tiles, %.0f with 32x32\n",
              mode, tile16, tile32);
  const std::vector<emulator::Finding> findings = emulator::take_findings();
  return findings.empty() && tile16 > 0 && tile32 > 0 ? 0 : 1;
}
