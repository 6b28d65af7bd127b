// The GPUs that the emulator can pretend to be, and the options.
//
// Limits per compute capability are from the CUDA programming guide's table of technical specifications; what
// a whole GPU has (multiprocessors, level 2 cache, bus) is from its data sheet.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "tests/emulator/emulator.h"
#include "tests/emulator/include/cuda_runtime_api.h"
#include "tests/emulator/memory.h"
#include "tests/emulator/memory_internal.h"
#include "tests/emulator/runtime.h"

namespace emulator {
namespace {

struct Gpu {
  Architecture architecture;
  const char* product;
  int l2_bytes, bus_bits;
};

constexpr size_t kKi = 1 << 10;
constexpr int kMi = 1 << 20;

/// Columns: threads and blocks per multiprocessor, shared KiB per block on request and per multiprocessor.
Gpu gpu(const char* name, int major, int minor, const char* product, int multiprocessors, unsigned threads,
        unsigned blocks, size_t optin, size_t shared, int l2_mi, int bus_bits) {
  Gpu result{};
  Architecture& a = result.architecture;
  a.name = name;
  a.major = major;
  a.minor = minor;
  a.multiprocessors = multiprocessors;
  a.threads_per_multiprocessor = threads;
  a.blocks_per_multiprocessor = blocks;
  a.shared_per_block_optin = optin * kKi;
  a.shared_per_multiprocessor = shared * kKi;
  result.product = product;
  result.l2_bytes = l2_mi * kMi;
  result.bus_bits = bus_bits;
  return result;
}

const std::vector<Gpu>& gpus() {
  static const std::vector<Gpu> table = {
      gpu("sm_75", 7, 5, "T4", 40, 1024, 16, 64, 64, 4, 256),
      gpu("sm_80", 8, 0, "A100", 108, 2048, 32, 163, 164, 40, 5120),
      gpu("sm_86", 8, 6, "RTX 3090", 82, 1536, 16, 99, 100, 6, 384),
      gpu("sm_89", 8, 9, "RTX 4090", 128, 1536, 24, 99, 100, 72, 384),
      gpu("sm_90", 9, 0, "H100 SXM", 132, 2048, 32, 227, 228, 50, 5120),
      gpu("sm_120", 12, 0, "RTX 5090", 170, 1536, 24, 99, 100, 96, 512),
  };
  return table;
}

const Gpu& current_gpu() {
  for (const Gpu& gpu : gpus()) {
    if (gpu.architecture.name == options().architecture) return gpu;
  }
  return gpus().front();  // configure() lets no other name pass
}

Options& mutable_options() {
  static Options instance;
  return instance;
}

int driver_version() { return options().driver_version < 0 ? CUDART_VERSION : options().driver_version; }

}  // namespace

const Architecture* find_architecture(const std::string& name) {
  for (const Gpu& gpu : gpus()) {
    if (gpu.architecture.name == name) return &gpu.architecture;
  }
  return nullptr;
}

const Options& options() { return mutable_options(); }

void configure(const Options& wanted) {
  if (!find_architecture(wanted.architecture)) {
    throw std::invalid_argument("emulator: expected an architecture like sm_90, got " + wanted.architecture);
  }
  drain_work();
  const bool check_begins = wanted.check && !options().check;
  mutable_options() = wanted;
  memory_options_changed(check_begins);
  install_fault_handler();
}

}  // namespace emulator

using namespace emulator;

cudaError_t cudaGetDeviceCount(int* count) {
  if (!count) return fail(cudaErrorInvalidValue);
  *count = 0;
  if (driver_version() < CUDART_VERSION) return fail(cudaErrorInsufficientDriver);
  if (options().devices < 1) return fail(cudaErrorNoDevice);
  *count = 1;
  return begin_call();
}

cudaError_t cudaGetDevice(int* device) {
  if (!device) return fail(cudaErrorInvalidValue);
  *device = 0;
  return begin_call();
}

cudaError_t cudaSetDevice(int device) { return device == 0 ? begin_call() : fail(cudaErrorInvalidDevice); }

cudaError_t cudaSetDeviceFlags(unsigned flags) {
  return flags & ~0x1fu ? fail(cudaErrorInvalidValue) : begin_call();
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (!properties) return fail(cudaErrorInvalidValue);
  if (device != 0) return fail(cudaErrorInvalidDevice);
  const Gpu& gpu = current_gpu();
  const Architecture& a = gpu.architecture;
  cudaDeviceProp p{};
  const std::string name = "Emulated " + std::string(gpu.product) + " (" + a.name + ")";
  std::memcpy(p.name, name.c_str(), std::min(name.size() + 1, sizeof p.name - 1));
  p.totalGlobalMem = options().device_bytes;
  p.sharedMemPerBlock = a.shared_per_block;
  p.regsPerBlock = static_cast<int>(a.registers_per_multiprocessor);
  p.warpSize = 32;
  p.maxThreadsPerBlock = static_cast<int>(a.threads_per_block);
  p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 0x7fffffff;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.totalConstMem = 64 * kKi;
  p.major = a.major;
  p.minor = a.minor;
  p.multiProcessorCount = a.multiprocessors;
  p.canMapHostMemory = p.concurrentKernels = p.unifiedAddressing = p.streamPrioritiesSupported = 1;
  p.asyncEngineCount = 2;
  p.memoryBusWidth = gpu.bus_bits;
  p.l2CacheSize = gpu.l2_bytes;
  p.maxThreadsPerMultiProcessor = static_cast<int>(a.threads_per_multiprocessor);
  p.sharedMemPerMultiprocessor = a.shared_per_multiprocessor;
  p.regsPerMultiprocessor = static_cast<int>(a.registers_per_multiprocessor);
  p.sharedMemPerBlockOptin = a.shared_per_block_optin;
  p.maxBlocksPerMultiProcessor = static_cast<int>(a.blocks_per_multiprocessor);
  p.reservedSharedMemPerBlock = a.major >= 8 ? kKi : 0;
  p.memoryPoolsSupported = 1;
  *properties = p;
  return begin_call();
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (!value) return fail(cudaErrorInvalidValue);
  cudaDeviceProp p;
  const cudaError_t error = cudaGetDeviceProperties(&p, device);
  if (error != cudaSuccess) return error;
  const auto bytes = [](size_t size) { return static_cast<int>(size); };
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
    case cudaDevAttrMaxBlockDimX: *value = p.maxThreadsDim[0]; break;
    case cudaDevAttrMaxBlockDimY: *value = p.maxThreadsDim[1]; break;
    case cudaDevAttrMaxBlockDimZ: *value = p.maxThreadsDim[2]; break;
    case cudaDevAttrMaxGridDimX: *value = p.maxGridSize[0]; break;
    case cudaDevAttrMaxGridDimY: *value = p.maxGridSize[1]; break;
    case cudaDevAttrMaxGridDimZ: *value = p.maxGridSize[2]; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = bytes(p.sharedMemPerBlock); break;
    case cudaDevAttrTotalConstantMemory: *value = bytes(p.totalConstMem); break;
    case cudaDevAttrWarpSize: *value = p.warpSize; break;
    case cudaDevAttrMaxRegistersPerBlock: *value = p.regsPerBlock; break;
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate: *value = 1000000; break;  // kHz; time means nothing here
    case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
    case cudaDevAttrIntegrated: *value = p.integrated; break;
    case cudaDevAttrCanMapHostMemory: *value = p.canMapHostMemory; break;
    case cudaDevAttrConcurrentKernels: *value = p.concurrentKernels; break;
    case cudaDevAttrGlobalMemoryBusWidth: *value = p.memoryBusWidth; break;
    case cudaDevAttrL2CacheSize: *value = p.l2CacheSize; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = p.maxThreadsPerMultiProcessor; break;
    case cudaDevAttrAsyncEngineCount: *value = p.asyncEngineCount; break;
    case cudaDevAttrUnifiedAddressing: *value = p.unifiedAddressing; break;
    case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
    case cudaDevAttrStreamPrioritiesSupported: *value = p.streamPrioritiesSupported; break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = bytes(p.sharedMemPerMultiprocessor); break;
    case cudaDevAttrMaxRegistersPerMultiprocessor: *value = p.regsPerMultiprocessor; break;
    case cudaDevAttrManagedMemory: *value = p.managedMemory; break;
    case cudaDevAttrCooperativeLaunch: *value = p.cooperativeLaunch; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = bytes(p.sharedMemPerBlockOptin); break;
    case cudaDevAttrMaxBlocksPerMultiprocessor: *value = p.maxBlocksPerMultiProcessor; break;
    case cudaDevAttrReservedSharedMemoryPerBlock: *value = bytes(p.reservedSharedMemPerBlock); break;
    case cudaDevAttrMemoryPoolsSupported: *value = p.memoryPoolsSupported; break;
    default: return fail(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return begin_call();
}

cudaError_t cudaDriverGetVersion(int* version) {
  if (!version) return fail(cudaErrorInvalidValue);
  *version = driver_version();
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  if (!version) return fail(cudaErrorInvalidValue);
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  if (!free || !total) return fail(cudaErrorInvalidValue);
  *total = options().device_bytes;
  *free = *total - std::min(*total, device_bytes_in_use());
  return begin_call();
}
