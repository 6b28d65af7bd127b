// The micro-kernel for AVX-512. The build compiles this file alone with the flags for it; without them it is
// empty.
#include "kernels/cpu/gemm_micro_kernel.h"

#if defined(__AVX512F__)

namespace swag::cpu {
namespace {
constexpr int kVectorBytes = 64;
constexpr int kTileRows = 12;
}  // namespace
}  // namespace swag::cpu

#include "kernels/cpu/gemm_micro_kernel_impl.h"

namespace swag::cpu {
const GemmKernels* gemm_kernels_avx512() { return &kGemmKernels; }
}  // namespace swag::cpu

#else

namespace swag::cpu {
const GemmKernels* gemm_kernels_avx512() { return nullptr; }
}  // namespace swag::cpu

#endif
