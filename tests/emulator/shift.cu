// shift.cu
#include "kernels/cuda/launch.cuh"

__global__ void shift_kernel(float* y, const float* x, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  __shared__ float tile[256];
  tile[threadIdx.x] = x[i];

  if (i < n) y[i] = tile[(threadIdx.x + 1) % 256];
}

// The kernel is the one of docs/emulator.md, line for line, but for the __syncthreads() of line 8.

#include "kernels/cuda/device_array.cuh"
#include "tests/emulator/planted_bugs.h"

void swag::planted::run_shift() {
  DeviceArray<float> x(Floats(256, 1)), y(256);
  launch(shift_kernel, 1, 256, 0, {}, y.data(), x.data(), 256);
}
