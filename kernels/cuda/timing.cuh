// How long work on a stream takes, by the device's own clock.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "kernels/cuda/check.cuh"

namespace swag {

class Event {
 public:
  Event() { CUDA_CHECK(cudaEventCreate(&event_)); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator cudaEvent_t() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Seconds of each of `runs`, after `warm_ups` that do not count; sorted.
inline std::vector<double> sorted_seconds(const std::function<void()>& work, cudaStream_t stream,
                                          int warm_ups, int runs) {
  for (int i = 0; i < warm_ups; ++i) work();
  const Event begin, end;
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) {
    CUDA_CHECK(cudaEventRecord(begin, stream));
    work();
    CUDA_CHECK(cudaEventRecord(end, stream));
    CUDA_CHECK(cudaEventSynchronize(end));
    float milliseconds = 0;
    CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin, end));
    seconds.push_back(static_cast<double>(milliseconds) * 1e-3);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

}  // namespace swag
