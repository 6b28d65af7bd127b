// The transforms of Winograd's convolution for the instruction set that the whole program is built for.
#include <cstdint>

namespace swag::cpu {
namespace {
constexpr int kVectorBytes = 16;
}
}  // namespace swag::cpu

#include "kernels/conv2d/winograd_transform_cpu_impl.h"

namespace swag::cpu {
const WinogradKernels* winograd_kernels_generic() { return &kWinogradKernels; }
}  // namespace swag::cpu
