// Named ranges for NVIDIA's profilers. Where the toolkit has no NVTX they do nothing; so they do where no
// profiler listens, at the price of a branch.
#pragma once

#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define SWAG_HAS_NVTX 1
#endif

namespace swag {

inline void nvtx_push([[maybe_unused]] const char* name) {
#ifdef SWAG_HAS_NVTX
  nvtxRangePushA(name);
#endif
}
inline void nvtx_pop() {
#ifdef SWAG_HAS_NVTX
  nvtxRangePop();
#endif
}

}  // namespace swag
