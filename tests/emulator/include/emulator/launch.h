// launch(): what kernel<<<grid, block, shared_bytes, stream>>>(args...) is under nvcc.
#pragma once
#include <cstddef>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../cuda_runtime_api.h"
#include "vector_types.h"

namespace emulator {

/// A launch before it is checked and queued: `invoke(arguments)` runs the kernel for one thread.
struct LaunchRequest {
  const void* function = nullptr;
  dim3 grid, block;
  size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
  std::shared_ptr<const void> arguments;
  void (*invoke)(const void* arguments) = nullptr;
  std::vector<const void*> pointers;  // by position: the parameter where it is a pointer, else null
};

/// runtime_launch.cpp: validates as a GPU would, and queues. The error is also what cudaGetLastError then
/// gives.
cudaError_t launch_request(LaunchRequest request);

template <typename... P>
struct Invocation {
  void (*kernel)(P...);
  std::tuple<std::decay_t<P>...> values;

  /// Not instrumented: arguments live in host memory until the kernel has its copies.
  template <size_t... I>
  __attribute__((no_sanitize("thread"))) static void call(const Invocation& self, std::index_sequence<I...>) {
    self.kernel(std::get<I>(self.values)...);
  }
  __attribute__((no_sanitize("thread"))) static void invoke(const void* arguments) {
    call(*static_cast<const Invocation*>(arguments), std::index_sequence_for<P...>());
  }
};

template <typename T>
const void* pointer_or_null(const T& value) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<const void*>(value);
  } else {
    return nullptr;
  }
}

template <typename... P, typename... A>
cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                   A&&... args) {
  static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
  using Call = Invocation<P...>;
  auto arguments = std::make_shared<Call>(Call{kernel, {static_cast<P>(std::forward<A>(args))...}});
  LaunchRequest request;
  request.function = reinterpret_cast<const void*>(kernel);
  request.grid = grid;
  request.block = block;
  request.shared_bytes = shared_bytes;
  request.stream = stream;
  request.invoke = &Call::invoke;
  std::apply([&](const auto&... value) { (request.pointers.push_back(pointer_or_null(value)), ...); },
             arguments->values);
  request.arguments = std::move(arguments);
  return launch_request(std::move(request));
}

}  // namespace emulator
