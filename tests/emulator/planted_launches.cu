// Launches that no such GPU accepts, and host code that follows a device pointer.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/device_array.cuh"
#include "tests/emulator/planted_bugs.h"

namespace swag::planted {
namespace {

using emulator::FindingKind;

__global__ void one_kernel(float* y) {
  if (threadIdx.x == 0 && threadIdx.z == 0) *y = 1;
}

__global__ void static_kernel(float* y) {
  __shared__ float tile[1024];
  tile[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0) *y = tile[31];
}

/// Shared memory of its own, so that no other case has asked for more of it.
template <int kCase>
__global__ void dynamic_kernel(float* y) {
  DYNAMIC_SHARED(float, tile);
  tile[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0) *y = tile[31];
}

constexpr int kLaunchLine = __LINE__ + 3;
Floats run_on(void (*kernel)(float*), dim3 grid, dim3 block, size_t shared_bytes) {
  DeviceArray<float> y(1);
  launch(kernel, grid, block, shared_bytes, {}, y.data());
  return y.values();
}

}  // namespace

PlantedBug too_many_threads() {
  return {"one_kernel",
          FindingKind::kBadLaunch,
          {{kLaunchLine}},
          "block (1025, 1, 1) exceeds (1024, 1024, 64)",
          [](bool right) { return run_on(one_kernel, 1, right ? 1024 : 1025, 0); },
          {1}};
}

PlantedBug no_blocks() {
  return {"one_kernel",
          FindingKind::kBadLaunch,
          {{kLaunchLine}},
          "grid (0, 1, 1) has no blocks",
          [](bool right) { return run_on(one_kernel, right ? 1 : 0, 32, 0); },
          {1}};
}

PlantedBug too_much_shared() {
  return {"static_kernel",
          FindingKind::kBadLaunch,
          {{kLaunchLine}},
          "45060 bytes of dynamic and 4096 of static shared memory; 49152 come without cudaFuncSetAttribute",
          [](bool right) { return run_on(static_kernel, 1, 32, right ? 45056 : 45060); },
          {1}};
}

PlantedBug too_much_shared_for_turing() {
  return {
      "dynamic_kernel<75>",
      FindingKind::kBadLaunch,
      {{kLaunchLine}},
      "65540 bytes of dynamic and 0 of static shared memory; 49152 come without cudaFuncSetAttribute, and "
      "65536 dynamic were asked for",
      [](bool right) {
        allow_shared(dynamic_kernel<75>, 65536);
        return run_on(dynamic_kernel<75>, 1, 32, right ? 65536 : 65540);
      },
      {1},
      "sm_75"};
}

PlantedBug too_deep_block() {
  return {"one_kernel",
          FindingKind::kBadLaunch,
          {{kLaunchLine}},
          "block (1, 1, 65) exceeds (1024, 1024, 64)",
          [](bool right) { return run_on(one_kernel, 1, dim3(1, 1, right ? 64 : 65), 0); },
          {1}};
}

float shared_on_request(size_t bytes) {
  allow_shared(dynamic_kernel<0>, bytes);
  return run_on(dynamic_kernel<0>, 1, 32, bytes)[0];
}

float read_on_host(const float* y) {
  const volatile float* const place = y + 3;
  return *place;
}
int read_on_host_line() { return __LINE__ - 2; }

}  // namespace swag::planted
