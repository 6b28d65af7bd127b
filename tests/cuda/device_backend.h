// The CUDA backend that tests run on: of a GPU, or of the emulator, as it is linked.
#pragma once
#include <cstdio>
#include <memory>

#include "src/backend/device_plugin.h"
#include "src/support/error.h"

namespace swag::test {

/// The first device, or null, after saying why.
inline std::unique_ptr<Backend> device_backend() {
  try {
    return swag_cuda_plugin()->make_backend(0);
  } catch (const Error& error) {
    std::printf("SKIP: %s\n", error.what());
    return nullptr;
  }
}

}  // namespace swag::test

/// The first line of a test: leaves it where there is no device.
#define REQUIRE_BACKEND(name)                                           \
  const std::unique_ptr<Backend> name = ::swag::test::device_backend(); \
  if (!name) return
