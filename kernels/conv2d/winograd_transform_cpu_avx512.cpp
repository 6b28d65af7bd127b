// The transforms of Winograd's convolution for AVX-512. The build compiles this file alone with the flags for
// it; without them it is empty.
#include "kernels/conv2d/winograd_transform_cpu.h"

#if defined(__AVX512F__)

namespace swag::cpu {
namespace {
constexpr int kVectorBytes = 64;
}
}  // namespace swag::cpu

#include "kernels/conv2d/winograd_transform_cpu_impl.h"

namespace swag::cpu {
const WinogradKernels* winograd_kernels_avx512() { return &kWinogradKernels; }
}  // namespace swag::cpu

#else

namespace swag::cpu {
const WinogradKernels* winograd_kernels_avx512() { return nullptr; }
}  // namespace swag::cpu

#endif
