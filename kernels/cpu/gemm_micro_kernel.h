// The register tile under the CPU's convolutions and Gram matrices: rows of A times one panel of packed B,
// and an epilogue.
//
//   z(m, n) = sum_{i, j, k} a[m * a_step + i * tap_row_step + j * tap_step + k * k_step] * b(i, j, k, n)
//   y(m, n) = mask_in * relu(z + bias(n) + residual(m, n))
//
// A is read where it lies, so a convolution needs no im2col: m is a pixel, (i, j) a tap, k a channel, and
// rows of A may overlap. Every output is one chain of products in the order of B, whatever the tile it falls
// into: results do not depend on how rows and panels are shared out.
//
// This header is included by files that are compiled for one instruction set. It may contain declarations
// only: an inline function of theirs could be the copy that the linker keeps for everybody.
#pragma once
#include <cstdint>

namespace swag::cpu {

template <typename T>
struct GemmPanel {
  const T* a = nullptr;
  int64_t a_step = 0, tap_row_step = 0, tap_step = 0;
  int64_t k_step = 1;  // anything else says that A lies column by column: a_step is taken as 1
  int tap_rows = 0, taps = 0, depth = 0;  // 0 taps are allowed: z is 0 then
  bool prefetch = false;                  // A comes from far: fetch the rows of the next tile ahead
  const T* b = nullptr;  // (tap_rows, taps, depth, panel), see GemmKernel; 0 from `columns` on

  T* y = nullptr;  // (rows, columns), rows y_step apart
  int64_t y_step = 0;
  int64_t rows = 0;
  int columns = 0;  // <= panel: only these are written

  const T* bias = nullptr;            // (columns), or null
  const T* residual = nullptr;        // (rows, columns), rows y_step apart, or null; may equal y
  bool relu = false;                  // lets NaN through
  uint32_t* mask_out = nullptr;       // a word per row: bit mask_shift + n is 1 where y(m, n) > 0
  const uint32_t* mask_in = nullptr;  // the same, read: y is 0 where the bit is 0
  int64_t mask_step = 0;              // words from row to row, of both
  int mask_shift = 0;                 // at 0 the word of mask_out is set, above 0 the bits are added to it
};

template <typename T>
struct GemmKernel {
  int panel = 0;  // columns of B side by side in memory; divides 32
  void (*multiply)(const GemmPanel<T>&) = nullptr;
};

struct GemmKernels {
  GemmKernel<float> of_float;
  GemmKernel<double> of_double;
};

enum class InstructionSet { kGeneric, kAvx2, kAvx512 };

/// The kernels for one instruction set, or null when they are not built in or this machine cannot run them.
const GemmKernels* gemm_kernels(InstructionSet set);

/// The fastest kernel that this machine can run; always the same one within a process.
template <typename T>
const GemmKernel<T>& gemm_kernel();

/// What each instruction set's file defines; null where the compiler did not target it.
const GemmKernels* gemm_kernels_generic();
const GemmKernels* gemm_kernels_avx2();
const GemmKernels* gemm_kernels_avx512();

}  // namespace swag::cpu
