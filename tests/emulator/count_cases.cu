// Kernels for test_count.cpp. Each access is on a line of its own, but for the line that is about sharing
// one.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/vector.cuh"
#include "kernels/cuda/device_array.cuh"
#include "tests/emulator/count_cases.h"

namespace swag::count_cases {
namespace {


constexpr int kFloats = 1 << 14;
constexpr int kUnrolledLine = __LINE__ + 4;  // of the reads in the next kernel

__global__ void unrolled_kernel(float* y, const float* x) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = x[i] + x[i + 32] * 2;
}

__global__ void copy_kernel(float* y, const float* x, int stride, int offset) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  y[i] = x[stride * i + offset];
}

__global__ void transpose_naive_kernel(float* y, const float* x) {
  const int row = static_cast<int>(threadIdx.y), col = static_cast<int>(threadIdx.x);
  y[col * 32 + row] = x[row * 32 + col];
}

template <int kPad>
__global__ void transpose_shared_kernel(float* y, const float* x) {
  __shared__ float tile[32][32 + kPad];
  const int row = static_cast<int>(threadIdx.y), col = static_cast<int>(threadIdx.x);
  tile[row][col] = x[row * 32 + col];
  __syncthreads();
  y[row * 32 + col] = tile[col][row];
}

__global__ void broadcast_kernel(float* y, const float* x) {
  __shared__ float value;
  const int i = static_cast<int>(threadIdx.x);
  if (i == 0) value = 1;
  __syncthreads();
  const float a = x[0];
  y[i] = a + value;
}

__global__ void shared_pairs_kernel(float* y, int stride) {
  __shared__ __align__(16) float tile[512];
  const int lane = static_cast<int>(threadIdx.x);
  store2(tile + 2 * stride * lane, {1, 2});
  __syncthreads();
  y[lane] = load2(tile + 2 * stride * lane).y;
}

__global__ void shared_quads_kernel(float* y, int stride) {
  __shared__ __align__(16) float tile[512];
  const int lane = static_cast<int>(threadIdx.x);
  store4(tile + 4 * stride * lane, {1, 2, 3, 4});
  __syncthreads();
  y[lane] = load4(tile + 4 * stride * lane).w;
}

__global__ void device_quads_kernel(float* y, const float* x) {
  const int lane = static_cast<int>(threadIdx.x);
  store4(y + 4 * lane, load4(x + 4 * lane));
}

__global__ void shared_bytes_kernel(unsigned char* y, const unsigned char* x) {
  __shared__ unsigned char tile[32];
  const int lane = static_cast<int>(threadIdx.x);
  tile[lane] = x[lane];
  __syncthreads();
  y[lane] = tile[31 - lane];
}

__global__ void odd_lanes_kernel(float* y, const float* x) {
  const int lane = static_cast<int>(threadIdx.x);
  if (lane % 2 == 1) y[lane] = x[lane];
}

__global__ void atomics_kernel(int* y) {
  __shared__ int sum;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  atomicAdd(&sum, 1);
  atomicAdd(y, 1);
}

__global__ void many_visits_kernel(float* y, const float* x, int visits) {
  const int lane = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int i = 0; i < visits; ++i) sum += x[i * 32 + lane];
  y[lane] = sum;
}

__global__ void inner_loops_kernel(float* y, const float* x, int rounds) {
  const int lane = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int i = 0; i < rounds; ++i) {
    sum += x[i * 32 + lane];
    for (int j = 0; j <= lane % 3; ++j) sum += x[1024 + (i * 3 + j) * 32 + lane] / 2;
  }
  y[lane] = sum;
}

/// y[i] = sum over taps j of x[i + j - 1] * weight[j], as a convolution with one pixel of padding.
__global__ void borders_kernel(float* y, const float* x, const float* weight, int taps) {
  const int lane = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int j = 0; j < taps; ++j) {
    float value = 0;
    if (lane + j >= 1 && lane + j <= 32) value = x[lane + j - 1];
    sum += value * weight[j];
  }
  y[lane] = sum;
}

__global__ void barriers_kernel(float* y) {
  __shared__ float tile[64];
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = 1;
  __syncthreads();
  const float a = tile[0];
  __syncthreads();
  tile[i] = a;
  __syncthreads();
  y[blockIdx.x * blockDim.x + threadIdx.x] = tile[i];
}

struct Arrays {
  DeviceArray<float> x{kFloats}, y{kFloats};
};

}  // namespace

void copy(int stride, int offset, unsigned blocks, unsigned threads) {
  Arrays a;
  launch(copy_kernel, blocks, threads, 0, {}, a.y.data(), a.x.data(), stride, offset);
}
void transpose_naive() {
  Arrays a;
  launch(transpose_naive_kernel, 1, dim3(32, 32), 0, {}, a.y.data(), a.x.data());
}
void transpose_shared(int pad) {
  Arrays a;
  launch(pad ? transpose_shared_kernel<1> : transpose_shared_kernel<0>, 1, dim3(32, 32), 0, {}, a.y.data(),
         a.x.data());
}
void broadcast() {
  Arrays a;
  launch(broadcast_kernel, 1, 32, 0, {}, a.y.data(), a.x.data());
}
void shared_pairs(int stride) {
  Arrays a;
  launch(shared_pairs_kernel, 1, 32, 0, {}, a.y.data(), stride);
}
void shared_quads(int stride) {
  Arrays a;
  launch(shared_quads_kernel, 1, 32, 0, {}, a.y.data(), stride);
}
void device_quads() {
  Arrays a;
  launch(device_quads_kernel, 1, 32, 0, {}, a.y.data(), a.x.data());
}
void shared_bytes() {
  DeviceArray<unsigned char> x(32), y(32);
  launch(shared_bytes_kernel, 1, 32, 0, {}, y.data(), x.data());
}
void odd_lanes() {
  Arrays a;
  launch(odd_lanes_kernel, 1, 32, 0, {}, a.y.data(), a.x.data());
}
void atomics() {
  DeviceArray<int> y(1);
  launch(atomics_kernel, 1, 32, 0, {}, y.data());
}
void many_visits(int visits) {
  Arrays a;
  launch(many_visits_kernel, 1, 32, 0, {}, a.y.data(), a.x.data(), visits);
}
void unrolled() {
  Arrays a;
  launch(unrolled_kernel, 1, 32, 0, {}, a.y.data(), a.x.data());
}
void inner_loops() {
  Arrays a;
  launch(inner_loops_kernel, 1, 32, 0, {}, a.y.data(), a.x.data(), 10);
}
void borders() {
  Arrays a;
  DeviceArray<float> weight(3);
  launch(borders_kernel, 1, 32, 0, {}, a.y.data(), a.x.data(), weight.data(), 3);
}
void barriers(unsigned threads) {
  Arrays a;
  launch(barriers_kernel, 5, threads, 0, {}, a.y.data());
}
int unrolled_line() { return kUnrolledLine; }

}  // namespace swag::count_cases
