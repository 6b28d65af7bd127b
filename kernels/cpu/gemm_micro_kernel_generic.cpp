// The micro-kernel for the instruction set that the whole program is built for: SSE2 on x86-64, NEON on
// aarch64.
#include <cstdint>

namespace swag::cpu {
namespace {
constexpr int kVectorBytes = 16;
#if defined(__aarch64__)
constexpr int kTileRows = 12;  // 32 vector registers
#else
constexpr int kTileRows = 6;
#endif
}  // namespace
}  // namespace swag::cpu

#include "kernels/cpu/gemm_micro_kernel_impl.h"

namespace swag::cpu {
const GemmKernels* gemm_kernels_generic() { return &kGemmKernels; }
}  // namespace swag::cpu
