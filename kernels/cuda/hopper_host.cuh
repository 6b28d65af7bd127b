// The host forms of hopper.cuh that compute: the emulator gathers the operands, and says when.
#pragma once
#include <cuda.h>

#include <cstdint>

#include "kernels/cuda/mma_host.cuh"

namespace swag::hopper_host {

template <mma_host::Operand kOperand>
inline __attribute__((always_inline, no_sanitize("thread"))) double value_of(const unsigned char* row,
                                                                             int k) {
  constexpr bool kWide = kOperand == mma_host::Operand::kTf32;
  uint32_t word;
  __builtin_memcpy(&word, row + k / (kWide ? 1 : 2) * 4, sizeof word);
  return static_cast<double>(mma_host::element<kOperand>(word, kWide ? 0 : k % 2));
}

/// sums += A B^T: rows of 32 bytes, B of n rows. Summed in float64 and rounded once, as mma_host.cuh does it.
template <mma_host::Operand kOperand>
__attribute__((noinline, no_sanitize("thread"))) void multiply(float* sums, const unsigned char* a,
                                                               const unsigned char* b, int n) {
  constexpr int kColumns = 8;  // a vector of the compiler's
  constexpr int kK = emulator::kWgmmaRowBytes / (kOperand == mma_host::Operand::kTf32 ? 4 : 2), kMostN = 256;
  mma_host::MmaRow columns[kMostN / kColumns][kK];
  for (int row = 0; row < n; ++row) {
    for (int k = 0; k < kK; ++k) {
      columns[row / kColumns][k][row % kColumns] = value_of<kOperand>(b + row * emulator::kWgmmaRowBytes, k);
    }
  }
  for (int row = 0; row < emulator::kWgmmaRows; ++row) {
    double left[kK];
    for (int k = 0; k < kK; ++k) left[k] = value_of<kOperand>(a + row * emulator::kWgmmaRowBytes, k);
    for (int j = 0; j < n / kColumns; ++j) {
      float* const at = sums + row * n + j * kColumns;
      mma_host::MmaRow sum;
      for (int i = 0; i < kColumns; ++i) sum[i] = static_cast<double>(at[i]);
      for (int k = 0; k < kK; ++k) sum += left[k] * columns[j][k];
      for (int i = 0; i < kColumns; ++i) at[i] = static_cast<float>(sum[i]);
    }
  }
}

template <mma_host::Operand kOperand, int kCount>
inline __attribute__((always_inline)) void wgmma(float (&d)[kCount], uint64_t a, uint64_t b) {
  emulator::WgmmaRequest request;
  request.registers = d;
  request.a = a;
  request.b = b;
  request.n = 2 * kCount;
  request.multiply = multiply<kOperand>;
  emulator::wgmma(request);
}

}  // namespace swag::hopper_host
