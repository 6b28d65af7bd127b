// The micro-kernel for AVX2. The build compiles this file alone with the flags for it; without them it is
// empty.
#include "kernels/cpu/gemm_micro_kernel.h"

#if defined(__AVX2__) && defined(__FMA__)

namespace swag::cpu {
namespace {
constexpr int kVectorBytes = 32;
constexpr int kTileRows = 6;
}  // namespace
}  // namespace swag::cpu

#include "kernels/cpu/gemm_micro_kernel_impl.h"

namespace swag::cpu {
const GemmKernels* gemm_kernels_avx2() { return &kGemmKernels; }
}  // namespace swag::cpu

#else

namespace swag::cpu {
const GemmKernels* gemm_kernels_avx2() { return nullptr; }
}  // namespace swag::cpu

#endif
