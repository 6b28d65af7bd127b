// Values as whoever stores a map in TF32 rounds them.
#pragma once
#include <vector>

#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"
#include "tests/cuda/device_buffer.h"

namespace swag::test {

static __global__ void round_kernel(Tf32* values, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) cuda::store(values + i, cuda::load<1>(cuda::as_floats(values + i)));
}

inline std::vector<float> rounded(const std::vector<float>& values) {
  DeviceBuffer<float> buffer(values);
  const int count = static_cast<int>(values.size());
  launch(round_kernel, dim3((count + 255) / 256), dim3(256), 0, Stream{},
         reinterpret_cast<Tf32*>(buffer.data()), count);
  return buffer.values();
}

}  // namespace swag::test
