// BLAS and LAPACK, loaded when they are first asked for: fitted weights and the Wasserstein loss need LAPACK,
// a benchmark's yardstick BLAS, and no other run should pay for what OpenBLAS does as soon as it is loaded:
// start a thread for each core, and map 128 MiB for each.
#pragma once
#include "kernels/cpu/blas.h"

namespace swag {

/// For calls in `threads` threads at a time, each of which computes alone. Ask before every such call:
/// OpenBLAS waits for ever for address space that a limit denies, so it is looked for here. Throws
/// Error(kMemory), and Error(kDevice) where no library is found.
const Blas& blas(int threads = 1);

}  // namespace swag
