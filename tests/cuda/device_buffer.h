// What the tests of CUDA kernels share: device memory that notices stray writes, and the start of a test.
#pragma once
#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "kernels/cuda/check.cuh"
#include "tests/helpers.h"

#ifndef __CUDACC__
#include "tests/emulator/emulator.h"
#endif

namespace swag::test {

/// Why there is no device to test on; empty when there is one.
inline std::string missing_device() {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess) return cudaGetErrorString(code);
  return count > 0 ? "" : "no CUDA device";
}

/// Lives through a test: on the emulator every access is checked, and findings fail the test.
class CheckedDevice {
 public:
#ifdef __CUDACC__
  ~CheckedDevice() { CHECK(cudaDeviceSynchronize() == cudaSuccess); }
#else
  CheckedDevice() {
    emulator::Options options;
    options.check = true;
    emulator::configure(options);
    emulator::take_findings();
  }
  ~CheckedDevice() {
    CHECK(cudaDeviceSynchronize() == cudaSuccess);
    const std::vector<emulator::Finding> findings = emulator::take_findings();
    for (const emulator::Finding& finding : findings) MESSAGE(finding.text);
    CHECK(findings.empty());
  }
#endif
};

}  // namespace swag::test

/// The first line of a test: leaves it, and says so, where there is no device.
#define REQUIRE_DEVICE()                                                        \
  const std::string why_no_device = ::swag::test::missing_device();             \
  if (!why_no_device.empty()) {                                                 \
    std::printf("SKIP %s:%d: %s\n", __FILE__, __LINE__, why_no_device.c_str()); \
    return;                                                                     \
  }                                                                             \
  const ::swag::test::CheckedDevice checked_device

namespace swag::test {

/// `count` elements of device memory between two rows of sentinels, as GuardedBuffer is of the host's:
/// elements start with all bits set (NaN), so that what a kernel forgets to write is seen too. `shift`
/// elements after an aligned address, for the paths that take any address.
template <typename T>
class DeviceBuffer {
 public:
  explicit DeviceBuffer(int64_t count, int64_t shift = 0)
      : count_(count), shift_(static_cast<size_t>(shift) * sizeof(T)) {
    std::vector<unsigned char> bytes(bytes_in_all(), kSentinel);
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(begin()), size() * sizeof(T), 0xff);
    CUDA_CHECK(cudaMalloc(&memory_, bytes.size()));
    CUDA_CHECK(cudaMemcpy(memory_, bytes.data(), bytes.size(), cudaMemcpyHostToDevice));
  }
  explicit DeviceBuffer(const std::vector<T>& values, int64_t shift = 0)
      : DeviceBuffer(static_cast<int64_t>(values.size()), shift) {
    upload(values);
  }
  ~DeviceBuffer() { cudaFree(memory_); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  T* data() { return reinterpret_cast<T*>(static_cast<unsigned char*>(memory_) + begin()); }
  const T* data() const {
    return reinterpret_cast<const T*>(static_cast<const unsigned char*>(memory_) + begin());
  }
  size_t size() const { return static_cast<size_t>(count_); }

  void upload(const std::vector<T>& values) {
    if (values.empty()) return;
    CUDA_CHECK(cudaMemcpy(data(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  }
  /// Waits for the kernels before it.
  std::vector<T> values() const {
    CUDA_CHECK(cudaDeviceSynchronize());
    std::vector<T> host(size());
    if (!host.empty()) {
      CUDA_CHECK(cudaMemcpy(host.data(), data(), host.size() * sizeof(T), cudaMemcpyDeviceToHost));
    }
    return host;
  }
  T value() const { return values()[0]; }

  /// False after a write before or behind the elements.
  bool intact() const {
    std::vector<unsigned char> bytes(bytes_in_all());
    CUDA_CHECK(cudaDeviceSynchronize());
    CUDA_CHECK(cudaMemcpy(bytes.data(), memory_, bytes.size(), cudaMemcpyDeviceToHost));
    const size_t end = begin() + size() * sizeof(T);
    for (size_t i = 0; i < bytes.size(); ++i) {
      if ((i < begin() || i >= end) && bytes[i] != kSentinel) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kGuard = 256;
  static constexpr unsigned char kSentinel = 0xa5;
  size_t begin() const { return kGuard + shift_; }
  size_t bytes_in_all() const { return begin() + size() * sizeof(T) + kGuard; }
  int64_t count_;
  size_t shift_;
  void* memory_ = nullptr;
};

/// Scratch of a kernel: bytes, aligned to 256.
using Workspace = DeviceBuffer<unsigned char>;

template <typename T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || same_bytes(a.data(), b.data(), static_cast<int64_t>(a.size())));
}

}  // namespace swag::test
