// What the planted bugs of Hopper's instructions have in common.
#pragma once
#include "kernels/cuda/device_array.cuh"
#include "kernels/cuda/hopper.cuh"
#include "kernels/cuda/launch.cuh"
#include "tests/emulator/planted_bugs.h"

namespace swag::planted {

constexpr int kGroup = 128, kTile = 2048;  // threads of a warpgroup; floats of 64 rows of 128 bytes
constexpr int kTileBytes = kTile * 4;
constexpr int kDynamicBytes = 2 * kTileBytes + 1024 + 64;
constexpr auto kTf32 = WgmmaOperands::kTf32;

/// y = kernel(x) by one block; x is all ones, so that a wgmma of 8 columns adds 8.
inline Floats run_on(void (*kernel)(float*, const float*), unsigned threads, int outputs) {
  DeviceArray<float> x(Floats(4 * kTile, 1.0f)), y(outputs);
  launch(kernel, 1, threads, kDynamicBytes, {}, y.data(), x.data());
  return y.values();
}

}  // namespace swag::planted
