// Where devices other than the CPU come from: a shared object beside the program, libswag_cuda.so, loaded
// when a device is asked for. A program that never asks never touches the CUDA libraries. An embedder may
// link the same objects statically; then the symbol below is there without loading anything.
//
// Both sides are built from one tree by one compiler: `abi` only catches a stale file.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/backend/backend.h"

namespace swag {

/// One device, as `swag devices` lists it.
struct DeviceInfo {
  std::string name;  // "cuda:0"
  std::string
      detail;  // "NVIDIA H100 80GB HBM3, compute capability 9.0, 78.6 of 79.2 GiB free, driver CUDA 13.0"
};

struct DevicePlugin {
  static constexpr int kAbi = 4;
  int abi = kAbi;
  const char* family = "";  // "cuda", or "emulator" where the kernels were compiled for the emulator
  /// What there is; throws Error(kDevice) that says why there is nothing (no driver, driver too old, ...).
  std::vector<DeviceInfo> (*devices)() = nullptr;
  /// Throws Error(kDevice) for an ordinal that is not there.
  std::unique_ptr<Backend> (*make_backend)(int ordinal) = nullptr;
};

/// All that can be asked for by --device, each with what it is or why it cannot be used.
struct DeviceReport {
  std::string name;
  std::string detail;
  bool usable = false;
};
std::vector<DeviceReport> list_devices();

}  // namespace swag

/// What libswag_cuda.so exports. Weak here: null unless linked in.
extern "C" __attribute__((weak, visibility("default"))) const swag::DevicePlugin* swag_cuda_plugin();
