// Allocation, copies and fills.
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "tests/emulator/calls.h"
#include "tests/emulator/engine.h"
#include "tests/emulator/memory.h"
#include "tests/emulator/memory_internal.h"
#include "tests/emulator/runtime.h"

namespace emulator {
namespace {

struct Pinned {
  std::mutex mutex;
  struct Range {
    size_t bytes;
    bool ours;  // allocated here, not registered
  };
  std::map<uintptr_t, Range> ranges;
};

Pinned& pinned() {
  static Pinned* const instance = new Pinned;
  return *instance;
}

/// A copy of `height` rows; one row for the plain calls.
struct Copy {
  void* to;
  size_t to_pitch;
  const void* from;
  size_t from_pitch;
  size_t width, height;
  bool to_device, from_device;
  const char* call;
  const void* site;

  size_t to_bytes() const { return to_pitch * (height - 1) + width; }
  size_t from_bytes() const { return from_pitch * (height - 1) + width; }
};

void copy_row(const Copy& copy, char* to, const char* from) {
  if (copy.from_device && !copy.to_device) {
    uintptr_t first = 0;
    if (!is_written(from, copy.width, &first)) {
      report_call(FindingKind::kUninitialised, copy.call, in_words(reinterpret_cast<void*>(first)),
                  copy.site);
    }
  }
  std::memmove(to, from, copy.width);
  if (copy.to_device && copy.from_device) {
    copy_written(to, from, copy.width);
  } else if (copy.to_device) {
    mark_written(to, copy.width);
  }
}

void run_copy(const Copy& copy) {
  const OpenDeviceMemory open_to(copy.to, copy.to_bytes()), open_from(copy.from, copy.from_bytes());
  for (size_t row = 0; row < copy.height; ++row) {
    copy_row(copy, static_cast<char*>(copy.to) + row * copy.to_pitch,
             static_cast<const char*>(copy.from) + row * copy.from_pitch);
  }
}

/// Fills in which side is the device's. With one address space CUDA looks at the pointers themselves, but a
/// pointer that is not what the direction says is refused.
cudaError_t set_direction(Copy& copy, cudaMemcpyKind kind) {
  const bool to_is_device = is_device_address(copy.to), from_is_device = is_device_address(copy.from);
  switch (kind) {
    case cudaMemcpyHostToHost: copy.to_device = copy.from_device = false; break;
    case cudaMemcpyHostToDevice: copy.to_device = true; break;
    case cudaMemcpyDeviceToHost: copy.from_device = true; break;
    case cudaMemcpyDeviceToDevice: copy.to_device = copy.from_device = true; break;
    case cudaMemcpyDefault:
      copy.to_device = to_is_device;
      copy.from_device = from_is_device;
      break;
    default: return cudaErrorInvalidMemcpyDirection;
  }
  for (const bool to : {true, false}) {
    const void* pointer = to ? copy.to : copy.from;
    const bool is_device = to ? to_is_device : from_is_device;
    if (is_device && !(to ? copy.to_device : copy.from_device)) {
      report_call(FindingKind::kDeviceMemory, copy.call, in_words(pointer) + " is given as host memory",
                  copy.site);
      return cudaErrorInvalidValue;
    }
    if (!is_device) {
      bool& side = to ? copy.to_device : copy.from_device;
      if (!side) continue;
      const cudaError_t error =
          check_device_range(pointer, to ? copy.to_bytes() : copy.from_bytes(), copy.call, copy.site);
      if (error != cudaSuccess) return error;
      side = false;  // pinned: the device's, but no device memory
    }
  }
  return cudaSuccess;
}

cudaError_t copy_memory(Copy copy, cudaMemcpyKind kind, cudaStream_t stream, bool wait) {
  if (const cudaError_t error = begin_call()) return error;
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return fail(cudaErrorInvalidMemcpyDirection);
  if (copy.height == 0 || copy.width == 0) return cudaSuccess;
  if (copy.height > 1 && (copy.width > copy.to_pitch || copy.width > copy.from_pitch)) {
    return fail(cudaErrorInvalidPitchValue);
  }
  if (!copy.to || !copy.from) return fail(cudaErrorInvalidValue);
  if (const cudaError_t error = set_direction(copy, kind)) return fail(error);
  if (copy.to_device) {
    const cudaError_t error = check_device_range(copy.to, copy.to_bytes(), copy.call, copy.site);
    if (error != cudaSuccess) return fail(error);
  }
  if (copy.from_device) {
    const cudaError_t error = check_device_range(copy.from, copy.from_bytes(), copy.call, copy.site);
    if (error != cudaSuccess) return fail(error);
  }
  const bool within_device = copy.to_device && copy.from_device;
  if (within_device) {
    count_call(Call::kWithinDevice);
  } else if (copy.to_device || copy.from_device) {
    count_call(copy.to_device ? Call::kToDevice : Call::kToHost);
  }
  if (wait && !within_device) {
    if (const cudaError_t error = check_no_capture(nullptr)) return error;
    issue(stream, [copy] { run_copy(copy); });
    drain_work();
    return begin_call();
  }
  const bool captured = stream_of(stream).capture != nullptr;
  if (!within_device && !copy.to_device && !is_pinned(copy.to) && !captured) {  // to pageable memory: waits
    issue(stream, [copy] { run_copy(copy); });
    drain_work();
    return begin_call();
  }
  if (!copy.from_device && !is_pinned(copy.from) && !captured) {  // from pageable memory: is staged at once
    auto staged = std::make_shared<std::vector<char>>(copy.from_bytes());
    std::memcpy(staged->data(), copy.from, staged->size());
    issue(stream, [copy, staged]() mutable {
      copy.from = staged->data();
      run_copy(copy);
    });
    return cudaSuccess;
  }
  issue(stream, [copy] { run_copy(copy); });
  return cudaSuccess;
}

cudaError_t fill(void* to, size_t pitch, int value, size_t width, size_t height, cudaStream_t stream,
                 const char* call, const void* site) {
  if (const cudaError_t error = begin_call()) return error;
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  if (width == 0 || height == 0) return cudaSuccess;
  if (height > 1 && width > pitch) return fail(cudaErrorInvalidValue);
  if (!to) return fail(cudaErrorInvalidValue);
  if (const cudaError_t error = check_device_range(to, pitch * (height - 1) + width, call, site))
    return fail(error);
  count_call(Call::kFill);
  issue(stream, [=] {
    const OpenDeviceMemory open(to, pitch * (height - 1) + width);
    for (size_t row = 0; row < height; ++row) {
      char* const begin = static_cast<char*>(to) + row * pitch;
      std::memset(begin, value, width);
      if (is_device_address(begin)) mark_written(begin, width);
    }
  });
  return cudaSuccess;
}

cudaError_t allocate(void** pointer, size_t bytes, const void* site) {
  if (const cudaError_t error = begin_call()) return error;
  if (!pointer) return fail(cudaErrorInvalidValue);
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  count_call(Call::kAllocate);
  *pointer = device_allocate(bytes, site);
  return *pointer ? cudaSuccess : fail(cudaErrorMemoryAllocation);
}

void report_bad_free(void* pointer, const char* call, const void* site) {
  const Allocation* near =
      is_device_address(pointer) ? find_allocation(reinterpret_cast<uintptr_t>(pointer)) : nullptr;
  const bool again = near && near->freed && near->address == reinterpret_cast<uintptr_t>(pointer);
  report_call(FindingKind::kBadFree, call,
              in_words(pointer) + (again ? ": freed before" : " is no allocation"), site);
}

}  // namespace

bool is_pinned(const void* pointer) {
  Pinned& p = pinned();
  const std::lock_guard<std::mutex> lock(p.mutex);
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  auto it = p.ranges.upper_bound(address);
  if (it == p.ranges.begin()) return false;
  --it;
  return address < it->first + it->second.bytes;
}

cudaError_t copy_symbol(void* symbol, size_t bytes, size_t offset, void* memory, size_t count,
                        cudaMemcpyKind kind, bool to_symbol, cudaStream_t stream, bool wait) {
  if (const cudaError_t error = begin_call()) return error;
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  const cudaMemcpyKind host_kind = to_symbol ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost;
  if (kind != host_kind && kind != cudaMemcpyDeviceToDevice && kind != cudaMemcpyDefault) {
    return fail(cudaErrorInvalidMemcpyDirection);
  }
  if (count == 0) return cudaSuccess;
  if (!memory || offset > bytes || count > bytes - offset) return fail(cudaErrorInvalidValue);
  char* const variable =
      static_cast<char*>(symbol) + offset;  // in host memory here, the device's all the same
  const bool is_device = is_device_address(memory);
  if (is_device != (kind == cudaMemcpyDeviceToDevice) && kind != cudaMemcpyDefault)
    return fail(cudaErrorInvalidValue);
  if (is_device && !is_allocated(memory, count)) return fail(cudaErrorInvalidValue);
  Copy copy{to_symbol ? variable : memory,
            count,
            to_symbol ? memory : variable,
            count,
            count,
            1,
            !to_symbol && is_device,
            to_symbol && is_device,
            "cudaMemcpy of a symbol",
            __builtin_return_address(0)};
  issue(stream, [copy] { run_copy(copy); });
  if (wait || !is_device) drain_work();
  return begin_call();
}

}  // namespace emulator

using namespace emulator;

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  return allocate(pointer, bytes, __builtin_return_address(0));
}

cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t stream) {
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  return allocate(pointer, bytes, __builtin_return_address(0));
}

cudaError_t cudaMallocPitch(void** pointer, size_t* pitch, size_t width, size_t height) {
  if (!pitch) return fail(cudaErrorInvalidValue);
  *pitch = (width + 511) / 512 * 512;
  return allocate(pointer, *pitch * height, __builtin_return_address(0));
}

cudaError_t cudaFree(void* pointer) {
  if (const cudaError_t error = check_no_capture(nullptr)) return error;
  drain_work();
  if (const cudaError_t error = begin_call()) return error;
  if (!pointer || device_free(pointer)) return cudaSuccess;
  report_bad_free(pointer, "cudaFree", __builtin_return_address(0));
  return fail(cudaErrorInvalidValue);
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  if (const cudaError_t error = begin_call()) return error;
  if (!is_stream(stream)) return fail(cudaErrorInvalidResourceHandle);
  const Allocation* allocation =
      is_allocated(pointer, 1) ? find_allocation(reinterpret_cast<uintptr_t>(pointer)) : nullptr;
  if (!allocation || allocation->address != reinterpret_cast<uintptr_t>(pointer)) {
    report_bad_free(pointer, "cudaFreeAsync", __builtin_return_address(0));
    return fail(cudaErrorInvalidValue);
  }
  const void* site = __builtin_return_address(0);
  issue(stream, [=] {
    if (!device_free(pointer)) report_bad_free(pointer, "cudaFreeAsync", site);
  });
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned flags) {
  if (const cudaError_t error = begin_call()) return error;
  if (!pointer || flags & ~0x7u) return fail(cudaErrorInvalidValue);
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (bytes > SIZE_MAX / 2) return fail(cudaErrorMemoryAllocation);
  void* memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (!memory) return fail(cudaErrorMemoryAllocation);
  const std::lock_guard<std::mutex> lock(pinned().mutex);
  pinned().ranges[reinterpret_cast<uintptr_t>(memory)] = {bytes, true};
  *pointer = memory;
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes, unsigned flags) {
  return cudaHostAlloc(pointer, bytes, flags);
}

cudaError_t cudaFreeHost(void* pointer) {
  drain_work();
  if (const cudaError_t error = begin_call()) return error;
  if (!pointer) return cudaSuccess;
  {
    const std::lock_guard<std::mutex> lock(pinned().mutex);
    const auto it = pinned().ranges.find(reinterpret_cast<uintptr_t>(pointer));
    if (it != pinned().ranges.end() && it->second.ours) {
      pinned().ranges.erase(it);
      std::free(pointer);
      return cudaSuccess;
    }
  }
  report_bad_free(pointer, "cudaFreeHost", __builtin_return_address(0));
  return fail(cudaErrorInvalidValue);
}

cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned) {
  if (const cudaError_t error = begin_call()) return error;
  if (!pointer || bytes == 0) return fail(cudaErrorInvalidValue);
  if (is_pinned(pointer)) return fail(cudaErrorHostMemoryAlreadyRegistered);
  const std::lock_guard<std::mutex> lock(pinned().mutex);
  pinned().ranges[reinterpret_cast<uintptr_t>(pointer)] = {bytes, false};
  return cudaSuccess;
}

cudaError_t cudaHostUnregister(void* pointer) {
  drain_work();
  if (const cudaError_t error = begin_call()) return error;
  if (!pointer) return fail(cudaErrorInvalidValue);
  const std::lock_guard<std::mutex> lock(pinned().mutex);
  const auto it = pinned().ranges.find(reinterpret_cast<uintptr_t>(pointer));
  if (it == pinned().ranges.end() || it->second.ours) return fail(cudaErrorHostMemoryNotRegistered);
  pinned().ranges.erase(it);
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  if (const cudaError_t error = begin_call()) return error;
  if (!attributes || !pointer) return fail(cudaErrorInvalidValue);
  void* const plain = const_cast<void*>(pointer);
  if (is_allocated(pointer, 1)) {
    *attributes = {cudaMemoryTypeDevice, 0, plain, nullptr};
  } else if (is_pinned(pointer)) {
    *attributes = {cudaMemoryTypeHost, 0, plain, plain};
  } else {
    *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, plain};
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return copy_memory(
      {to, bytes, from, bytes, bytes, 1, false, false, "cudaMemcpy", __builtin_return_address(0)}, kind,
      nullptr, true);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return copy_memory(
      {to, bytes, from, bytes, bytes, 1, false, false, "cudaMemcpyAsync", __builtin_return_address(0)}, kind,
      stream, false);
}

cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                         size_t height, cudaMemcpyKind kind) {
  return copy_memory({to, to_pitch, from, from_pitch, width, height, false, false, "cudaMemcpy2D",
                      __builtin_return_address(0)},
                     kind, nullptr, true);
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy_memory({to, to_pitch, from, from_pitch, width, height, false, false, "cudaMemcpy2DAsync",
                      __builtin_return_address(0)},
                     kind, stream, false);
}

cudaError_t cudaMemset(void* to, int value, size_t bytes) {
  return fill(to, bytes, value, bytes, 1, nullptr, "cudaMemset", __builtin_return_address(0));
}

cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return fill(to, bytes, value, bytes, 1, stream, "cudaMemsetAsync", __builtin_return_address(0));
}

cudaError_t cudaMemset2D(void* to, size_t pitch, int value, size_t width, size_t height) {
  return fill(to, pitch, value, width, height, nullptr, "cudaMemset2D", __builtin_return_address(0));
}

cudaError_t cudaMemset2DAsync(void* to, size_t pitch, int value, size_t width, size_t height,
                              cudaStream_t stream) {
  return fill(to, pitch, value, width, height, stream, "cudaMemset2DAsync", __builtin_return_address(0));
}
