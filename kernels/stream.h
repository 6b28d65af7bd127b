// Where a kernel runs, without naming a toolkit.
#pragma once

namespace swag {

/// One queue of work. For the CPU twins `handle` is a ThreadPool* (nullptr: the calling thread alone), for
/// the CUDA twins a cudaStream_t. Every kernel takes it last.
struct Stream {
  void* handle = nullptr;
};

}  // namespace swag
