// The CUDA devices there are, and the entry of libswag_cuda.so.
#include <cstdio>

#include "src/backend/cuda_backend.h"
#include "src/backend/device_plugin.h"

namespace swag {
namespace {

#ifdef __CUDACC__
constexpr const char* kFamily = "cuda";
#else
constexpr const char* kFamily = "emulator";
#endif

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// Throws Error(kDevice) that says why there is none.
int device_count() {
  int count = 0, driver = 0, runtime = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  cudaGetLastError();  // it is told here, and must not be found by the next check
  if (code == cudaSuccess && count > 0) return count;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (code == cudaErrorInsufficientDriver && driver > 0) {
    throw Error(Status::kDevice, "the driver is for CUDA " + version_text(driver) + ", this program needs " +
                                     version_text(runtime) + " or newer: update the driver");
  }
  if (code == cudaErrorInsufficientDriver) throw Error(Status::kDevice, "there is no NVIDIA driver");
  if (code == cudaErrorNoDevice || code == cudaSuccess) throw Error(Status::kDevice, "there is no GPU");
  throw Error(Status::kDevice, cudaGetErrorString(code));
}

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> result;
  const int count = device_count();
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    result.push_back({cuda_device_name(ordinal), cuda_device_detail(ordinal)});
  }
  return result;
}

std::unique_ptr<Backend> make_device_backend(int ordinal) {
  const int count = device_count();
  if (ordinal >= count) {
    throw Error(Status::kDevice,
                "there is no GPU of that number: there " +
                    (count == 1 ? std::string("is one, 0") : "are 0 to " + std::to_string(count - 1)));
  }
  return make_cuda_backend(ordinal);
}

}  // namespace

std::string cuda_device_name(int ordinal) { return std::string(kFamily) + ":" + std::to_string(ordinal); }

int64_t cuda_free_bytes(int ordinal) {
  return translated([&] {
    size_t free = 0, total = 0;
    CUDA_CHECK(cudaSetDevice(ordinal));
    CUDA_CHECK(cudaMemGetInfo(&free, &total));
    return static_cast<int64_t>(free);
  });
}

void* cuda_memory(int ordinal, int64_t bytes) {
  constexpr int64_t kMebibyte = 1 << 20;
  return translated([&] {
    void* data = nullptr;
    CUDA_CHECK(cudaSetDevice(ordinal));
    const cudaError_t code = cudaMalloc(&data, static_cast<size_t>(bytes));
    if (code == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw Error(Status::kMemory, "cannot allocate " + std::to_string((bytes + kMebibyte - 1) / kMebibyte) +
                                       " MiB on " + cuda_device_name(ordinal) + ", which has " +
                                       std::to_string(cuda_free_bytes(ordinal) / kMebibyte) +
                                       " MiB free: use a smaller size");
    }
    CUDA_CHECK(code);
    return data;
  });
}

std::string cuda_device_detail(int ordinal) {
  return translated([&] {
    cudaDeviceProp properties;
    CUDA_CHECK(cudaGetDeviceProperties(&properties, ordinal));
    int driver = 0;
    CUDA_CHECK(cudaDriverGetVersion(&driver));
    char text[128];
    std::snprintf(text, sizeof text, ", compute capability %d.%d, %.1f GiB, driver for CUDA ",
                  properties.major, properties.minor,
                  static_cast<double>(properties.totalGlobalMem) / (1 << 30));
    return properties.name + (text + version_text(driver));
  });
}

}  // namespace swag

extern "C" __attribute__((visibility("default"))) const swag::DevicePlugin* swag_cuda_plugin() {
  static const swag::DevicePlugin plugin = {swag::DevicePlugin::kAbi, swag::kFamily, swag::devices,
                                            swag::make_device_backend};
  return &plugin;
}
