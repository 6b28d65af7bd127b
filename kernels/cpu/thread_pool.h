// The one thread pool of a CPU backend.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>

#include "kernels/stream.h"

namespace swag {

class ThreadPool {
 public:
  /// `threads` >= 1, the caller counted: a pool of 1 starts no thread. Where the system denies a thread, the
  /// pool has fewer.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  /// Calls body(task, thread) for every task in [0, count) and returns when all are done; thread < threads().
  /// Tasks go to whichever thread is free, so a result may not depend on `thread`. The first exception of a
  /// task is thrown here. Not to be called from inside a task.
  void run(int64_t count, const std::function<void(int64_t task, int thread)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

namespace cpu {

inline Stream stream_of(ThreadPool& pool) { return Stream{&pool}; }
inline int thread_count(Stream stream) {
  return stream.handle ? static_cast<ThreadPool*>(stream.handle)->threads() : 1;
}

/// body(task, thread) for every task in [0, count), on the stream's threads.
template <typename Body>
void parallel_tasks(Stream stream, int64_t count, Body&& body) {
  if (stream.handle && count > 1) {
    static_cast<ThreadPool*>(stream.handle)->run(count, body);
  } else {
    for (int64_t task = 0; task < count; ++task) body(task, 0);
  }
}

/// body(begin, end) over [0, count) in ranges of `grain`: the ranges are the same whatever the number of
/// threads.
template <typename Body>
void parallel_ranges(Stream stream, int64_t count, int64_t grain, Body&& body) {
  const int64_t ranges = (count + grain - 1) / grain;
  parallel_tasks(stream, ranges,
                 [&](int64_t range, int) { body(range * grain, std::min(count, (range + 1) * grain)); });
}

}  // namespace cpu
}  // namespace swag
