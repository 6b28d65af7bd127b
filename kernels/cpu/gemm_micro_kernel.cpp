#include "kernels/cpu/gemm_micro_kernel.h"

namespace swag::cpu {
namespace {

bool machine_runs(InstructionSet set) {
#if defined(__x86_64__) || defined(__i386__)
  switch (set) {
    case InstructionSet::kGeneric: return true;
    case InstructionSet::kAvx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case InstructionSet::kAvx512: return __builtin_cpu_supports("avx512f");
  }
  return false;
#else
  return set == InstructionSet::kGeneric;
#endif
}

const GemmKernels& fastest_kernels() {
  if (const GemmKernels* kernels = gemm_kernels(InstructionSet::kAvx512)) return *kernels;
  if (const GemmKernels* kernels = gemm_kernels(InstructionSet::kAvx2)) return *kernels;
  return *gemm_kernels_generic();
}

}  // namespace

const GemmKernels* gemm_kernels(InstructionSet set) {
  if (!machine_runs(set)) return nullptr;
  switch (set) {
    case InstructionSet::kGeneric: return gemm_kernels_generic();
    case InstructionSet::kAvx2: return gemm_kernels_avx2();
    case InstructionSet::kAvx512: return gemm_kernels_avx512();
  }
  return nullptr;
}

template <>
const GemmKernel<float>& gemm_kernel<float>() {
  static const GemmKernels& kernels = fastest_kernels();
  return kernels.of_float;
}

template <>
const GemmKernel<double>& gemm_kernel<double>() {
  static const GemmKernels& kernels = fastest_kernels();
  return kernels.of_double;
}

}  // namespace swag::cpu
