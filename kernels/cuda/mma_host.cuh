// The host forms of mma.cuh: what a warp's lanes hand in, and what the last one computes for all. Not
// instrumented: the emulator is told of the accesses that the hardware makes, not of how they are done here.
#pragma once
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

namespace swag::mma_host {

#define MMA_HOST_PLAIN __attribute__((noinline, no_sanitize("thread")))
#define MMA_HOST_INLINE inline __attribute__((always_inline, no_sanitize("thread")))

enum class Operand : uint8_t { kTf32, kHalf, kBfloat16 };

/// The value of a TF32 operand: the tensor core does not read the low 13 bits.
MMA_HOST_INLINE float truncated_tf32(uint32_t bits) {
  bits &= 0xffffe000u;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

/// Element `half` (0 or 1) of a register of two, or its one TF32.
template <Operand kOperand>
MMA_HOST_INLINE float element(uint32_t bits, int half) {
  if constexpr (kOperand == Operand::kTf32) return truncated_tf32(bits);
  const auto part = static_cast<uint16_t>(bits >> 16 * half);
  return kOperand == Operand::kHalf ? emulator::bits_to_float<emulator::SmallFloat::kHalf>(part)
                                    : emulator::bits_to_float<emulator::SmallFloat::kBfloat16>(part);
}

struct MmaLane {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

/// A row of B, or of the sums: the compiler's vectors, as a third of an emulated run is spent here.
typedef double MmaRow __attribute__((vector_size(8 * sizeof(double))));

/// D += A B from the fragments of 32 lanes. A register holds kPack elements along k, a group of four lanes 4
/// * kPack.
template <Operand kOperand>
MMA_HOST_PLAIN void complete_mma(void* const lanes[32], unsigned) {
  constexpr int kPack = kOperand == Operand::kTf32 ? 1 : 2;
  double a[16][8 * kPack];
  MmaRow b[8 * kPack], sum[16];
  for (int lane = 0; lane < 32; ++lane) {
    const auto* in = static_cast<const MmaLane*>(lanes[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      for (int half = 0; half < kPack; ++half) {
        const int k = kPack * t + half + 4 * kPack * (i / 2);
        a[g + 8 * (i % 2)][k] = static_cast<double>(element<kOperand>(in->a[i], half));
        if (i % 2 == 0) b[k][g] = static_cast<double>(element<kOperand>(in->b[i / 2], half));
      }
      sum[g + 8 * (i / 2)][2 * t + i % 2] = static_cast<double>(in->d[i]);
    }
  }
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < 8 * kPack; ++k) sum[row] += a[row][k] * b[k];
  }
  for (int lane = 0; lane < 32; ++lane) {
    auto* out = static_cast<const MmaLane*>(lanes[lane]);
    for (int i = 0; i < 4; ++i) {
      out->d[i] = static_cast<float>(sum[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2]);
    }
  }
}

/// `shape` is PTX's: its operand type decides.
inline __attribute__((always_inline)) void mma(const char* shape, float (&d)[4], const uint32_t (&a)[4],
                                               const uint32_t (&b)[2]) {
  const Operand operand = __builtin_strstr(shape, ".tf32")   ? Operand::kTf32
                          : __builtin_strstr(shape, ".bf16") ? Operand::kBfloat16
                                                             : Operand::kHalf;
  MmaLane lane{d, a, b};
  emulator::collective(0xffffffffu, &lane,
                       operand == Operand::kTf32   ? complete_mma<Operand::kTf32>
                       : operand == Operand::kHalf ? complete_mma<Operand::kHalf>
                                                   : complete_mma<Operand::kBfloat16>);
}

struct LdmatrixLane {
  uint32_t* registers;
  const void* row;
  int count;
  bool transposed;
};

MMA_HOST_PLAIN inline void complete_ldmatrix(void* const lanes[32], unsigned) {
  const auto* first = static_cast<const LdmatrixLane*>(lanes[0]);
  for (int i = 0; i < first->count; ++i) {
    uint16_t matrix[8][8];
    for (int row = 0; row < 8; ++row) {
      __builtin_memcpy(matrix[row], static_cast<const LdmatrixLane*>(lanes[8 * i + row])->row, 16);
    }
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      const uint16_t low = first->transposed ? matrix[2 * t][g] : matrix[g][2 * t];
      const uint16_t high = first->transposed ? matrix[2 * t + 1][g] : matrix[g][2 * t + 1];
      static_cast<const LdmatrixLane*>(lanes[lane])->registers[i] = low | uint32_t{high} << 16;
    }
  }
}

/// The hardware reads the rows that the first 8 * count lanes name, 16 bytes each.
inline __attribute__((always_inline)) void ldmatrix(uint32_t* registers, int count, bool transposed,
                                                    const void* row) {
  LdmatrixLane lane{registers, row, count, transposed};
  if (static_cast<int>((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % 32) <
      8 * count) {
    emulator::reads(row, 16);
  }
  emulator::collective(0xffffffffu, &lane, complete_ldmatrix);
}

#undef MMA_HOST_INLINE
#undef MMA_HOST_PLAIN

}  // namespace swag::mma_host
