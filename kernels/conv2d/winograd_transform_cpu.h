// The transforms of Winograd's F(4x4, 3x3) for one tile, compiled once per instruction set: 6 x 6 pixels of
// the map become 36 values that are multiplied, 36 products become 4 x 4 pixels of the result; and of the
// weights, 9 taps become 36 factors. docs/cpu.md derives them.
//
// Like gemm_micro_kernel.h, this header may contain declarations only.
#pragma once
#include <cstdint>

#include "kernels/cpu/gemm_micro_kernel.h"

namespace swag::cpu {

constexpr int kWinogradTile = 4;                                     // pixels of the result, each way
constexpr int kWinogradPatch = 6;                                    // pixels of the map, each way
constexpr int kWinogradTaps = 9;                                     // weights per pair of channels
constexpr int kWinogradPositions = kWinogradPatch * kWinogradPatch;  // products per pair of channels

/// The interpolation points are 0, +-a, +-b and infinity. All of their powers that occur are exact in float.
constexpr double kWinogradA = 5.0 / 8, kWinogradB = 3.0 / 2;

/// v = B^T d B for every channel, d the patch that starts at x.
struct WinogradInput {
  const float* x = nullptr;  // the patch's first pixel; may lie outside the map
  int64_t row_step = 0, pixel_step = 0;
  int channels = 0;
  uint32_t rows = 0x3f, cols = 0x3f;  // bit i: row i of the patch lies inside the map; outside is 0
  float* v = nullptr;                 // (36, channels rounded up to 16), positions position_step apart
  int64_t position_step = 0;
};

/// y = mask_in * relu(A^T m A + bias + residual) for every channel.
struct WinogradOutput {
  const float* m =
      nullptr;  // (36, channels rounded up to 16), positions position_step apart; 0 from channels on
  int64_t position_step = 0;
  int channels = 0;
  int rows = kWinogradTile, cols = kWinogradTile;  // of y that are written
  float* y = nullptr;                              // (rows, cols, channels)
  int64_t row_step = 0, pixel_step = 0;            // of y and residual
  const float* bias = nullptr;                     // (channels), or null
  const float* residual = nullptr;                 // (rows, cols, channels), or null; may equal y
  bool relu = false;                               // lets NaN through
  uint32_t* mask_out = nullptr;                    // (rows, cols, words of channels), or null
  const uint32_t* mask_in = nullptr;               // the same, read
  int64_t mask_row_step = 0, mask_pixel_step = 0;  // words, of both
};

/// One row of u = G g G^T, six positions, for a panel of output channels side by side.
struct WinogradWeights {
  const float* g = nullptr;  // (depth, 9 taps, channels)
  int channels = 0;          // a multiple of a register's
  int64_t depth = 0;         // input channels
  int row = 0;               // of the six
  float* u = nullptr;        // (6, depth, channels), positions position_step apart
  int64_t position_step = 0;
};

struct WinogradKernels {
  void (*transform_weights)(const WinogradWeights&) = nullptr;
  void (*transform_input)(const WinogradInput&) = nullptr;
  void (*transform_output)(const WinogradOutput&) = nullptr;
};

/// The kernels for one instruction set, or null when they are not built in or this machine cannot run them.
const WinogradKernels* winograd_kernels(InstructionSet set);

/// What each instruction set's file defines; null where the compiler did not target it.
const WinogradKernels* winograd_kernels_generic();
const WinogradKernels* winograd_kernels_avx2();
const WinogradKernels* winograd_kernels_avx512();

}  // namespace swag::cpu
