// kernels/cuda/mma.cuh: fragments are filled here by the formulas of the PTX ISA, element by element, and
// results are compared with plain products.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/device_array.cuh"
#include "tests/helpers.h"

using namespace swag;
using swag::DeviceArray;

namespace {

enum Operand { kTf32, kHalf, kBfloat16 };

/// Operands are bits: 32 of a TF32, 16 of the others. One warp per block and product.
template <Operand kOperand>
__global__ void product_kernel(float* d, const uint32_t* a, const uint32_t* b, const float* c) {
  constexpr int kK = kOperand == kTf32 ? 8 : 16;
  const int lane = static_cast<int>(threadIdx.x), group = lane >> 2, in_group = lane % 4;
  a += blockIdx.x * 16 * kK;
  b += blockIdx.x * kK * 8;
  d += blockIdx.x * 128;
  c += blockIdx.x * 128;
  uint32_t af[4] = {}, bf[2] = {};
  if (kOperand == kTf32) {
    for (int i = 0; i < 4; ++i) {
      const int row = i == 0 || i == 2 ? group : group + 8;
      const int col = i < 2 ? in_group : in_group + 4;
      af[i] = a[row * kK + col];
    }
    for (int i = 0; i < 2; ++i) bf[i] = b[(i == 0 ? in_group : in_group + 4) * 8 + group];
  } else {
    for (int i = 0; i < 8; ++i) {  // a0 .. a7, two to a register, the first in the low half
      const int row = i < 2 || (i >= 4 && i < 6) ? group : group + 8;
      const int col = i < 4 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8;
      af[i / 2] |= a[row * kK + col] << 16 * (i & 1);
    }
    for (int i = 0; i < 4; ++i) {
      const int row = i < 2 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8;
      bf[i / 2] |= b[row * 8 + group] << 16 * (i & 1);
    }
  }
  float df[4];
  for (int i = 0; i < 4; ++i) df[i] = c[(i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1)];
  if (kOperand == kTf32) mma_tf32(df, af, bf);
  if (kOperand == kHalf) mma_half(df, af, bf);
  if (kOperand == kBfloat16) mma_bfloat16(df, af, bf);
  for (int i = 0; i < 4; ++i) d[(i < 2 ? group : group + 8) * 8 + in_group * 2 + (i & 1)] = df[i];
}

template <Operand kOperand>
std::vector<float> product(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b,
                           const std::vector<float>& c) {
  DeviceArray<uint32_t> device_a(a), device_b(b);
  DeviceArray<float> device_c(c), d(c.size());
  d.poison();
  launch(product_kernel<kOperand>, static_cast<unsigned>(c.size() / 128), 32, 0, Stream{}, d.data(),
         device_a.data(), device_b.data(), device_c.data());
  CUDA_CHECK(cudaDeviceSynchronize());
  return d.values();
}

float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// Normal numbers only.
double value_of(Operand operand, uint32_t bits) {
  if (operand == kTf32) return float_of(bits & ~8191u);
  if (operand == kBfloat16) return float_of(bits << 16);
  const double magnitude =
      std::ldexp(1024 + static_cast<int>(bits & 1023), static_cast<int>(bits >> 10 & 31) - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/// Bits of any sign and fraction with a value of 1/4 to 4.
std::vector<uint32_t> random_bits(Operand operand, int64_t count, uint64_t seed) {
  test::Random random(seed);
  std::vector<uint32_t> values(static_cast<size_t>(count));
  for (uint32_t& value : values) {
    const auto bits = static_cast<uint32_t>(random.bits());
    const uint32_t exponent = bits >> 28 & 3;
    if (operand == kTf32) value = (bits & 0x807fffffu) | (125 + exponent) << 23;
    if (operand == kHalf) value = (bits & 0x83ffu) | (13 + exponent) << 10;
    if (operand == kBfloat16) value = (bits & 0x807fu) | (125 + exponent) << 7;
  }
  return values;
}

template <Operand kOperand>
void check_random_products() {
  constexpr int kK = kOperand == kTf32 ? 8 : 16, kProducts = 20;
  const auto a = random_bits(kOperand, kProducts * 16 * kK, 1),
             b = random_bits(kOperand, kProducts * kK * 8, 2);
  const auto c = test::random_vector<float>(kProducts * 128, 3, -30, 30);
  const std::vector<float> d = product<kOperand>(a, b, c);
  std::vector<double> expected;
  for (int p = 0; p < kProducts; ++p) {
    for (int row = 0; row < 16; ++row) {
      for (int col = 0; col < 8; ++col) {
        double sum = c[static_cast<size_t>(p * 128 + row * 8 + col)];
        for (int k = 0; k < kK; ++k) {
          sum += value_of(kOperand, a[static_cast<size_t>((p * 16 + row) * kK + k)]) *
                 value_of(kOperand, b[static_cast<size_t>((p * kK + k) * 8 + col)]);
        }
        expected.push_back(sum);
      }
    }
  }
  CHECK(test::relative_l2(d, expected) <= 1e-6);
  CHECK(test::worst_element(d, expected) <= 1e-6);
}

/// A(row, k) = 1 alone moves row k of B to row `row` of the result and nothing else; one block for each (row,
/// k).
template <Operand kOperand>
void check_one_hot(uint32_t one) {
  constexpr int kK = kOperand == kTf32 ? 8 : 16, kBlocks = 16 * kK;
  std::vector<uint32_t> a(kBlocks * 16 * kK), b;
  const auto matrix = random_bits(kOperand, kK * 8, 4);
  for (int block = 0; block < kBlocks; ++block) {
    a[static_cast<size_t>(block * 16 * kK + block)] = one;
    b.insert(b.end(), matrix.begin(), matrix.end());
  }
  const std::vector<float> d = product<kOperand>(a, b, std::vector<float>(kBlocks * 128));
  int wrong = 0;
  for (int i = 0; i < kBlocks * 128; ++i) {
    const int block = i / 128, row = i % 128 / 8, col = i % 8;
    const double expected =
        row == block / kK ? value_of(kOperand, matrix[static_cast<size_t>(block % kK * 8 + col)]) : 0;
    wrong += !(d[static_cast<size_t>(i)] == expected);
  }
  CHECK(wrong == 0);
}

/// Every lane's registers after a load of kCount matrices of 16-bit numbers that count from 0.
template <int kCount, bool kTransposed>
__global__ void ldmatrix_kernel(uint32_t* out) {
  __shared__ __align__(16) uint16_t tile[kCount * 8][8];
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = lane; i < kCount * 64; i += 32) tile[i / 8][i % 8] = static_cast<uint16_t>(i);
  __syncthreads();
  uint32_t registers[kCount];
  ldmatrix<kTransposed>(registers, tile[lane % (kCount * 8)]);
  for (int i = 0; i < kCount; ++i) out[lane * kCount + i] = registers[i];
}

template <int kCount, bool kTransposed>
void check_ldmatrix() {
  DeviceArray<uint32_t> out(32 * kCount);
  launch(ldmatrix_kernel<kCount, kTransposed>, 1, 32, 0, Stream{}, out.data());
  CUDA_CHECK(cudaDeviceSynchronize());
  const std::vector<uint32_t> registers = out.values();
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < kCount; ++i) {
      const unsigned first = lane / 4, second = lane % 4 * 2;  // row and column, or the other way round
      const unsigned low = 64 * i + (kTransposed ? second * 8 + first : first * 8 + second);
      CHECK(registers[lane * kCount + i] == (low | (low + (kTransposed ? 8 : 1)) << 16));
    }
  }
}

template <int kBytes>
__global__ void cp_async_kernel(uint8_t* out, const uint8_t* in) {
  __shared__ __align__(16) uint8_t tile[2][32 * kBytes];
  const unsigned lane = threadIdx.x, at = lane * kBytes;
  cp_async<kBytes>(tile[0] + at, in + at);
  cp_async_commit();
  cp_async<kBytes>(tile[1] + at, in + at, lane % (kBytes + 1));
  cp_async_commit();
  cp_async_wait<1>();
  for (unsigned i = 0; i < kBytes; ++i) out[at + i] = tile[0][at + i];
  cp_async_wait<0>();
  for (unsigned i = 0; i < kBytes; ++i) out[32 * kBytes + at + i] = tile[1][at + i];
}

template <int kBytes>
void check_cp_async() {
  std::vector<uint8_t> in(32 * kBytes);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<uint8_t>(i % 251 + 1);
  DeviceArray<uint8_t> device_in(in), device_out(2 * in.size());
  launch(cp_async_kernel<kBytes>, 1, 32, 0, Stream{}, device_out.data(), device_in.data());
  CUDA_CHECK(cudaDeviceSynchronize());
  const std::vector<uint8_t> out = device_out.values();
  for (size_t i = 0; i < in.size(); ++i) {
    CHECK(out[i] == in[i]);
    CHECK(out[in.size() + i] == (i % kBytes < i / kBytes % (kBytes + 1) ? in[i] : 0));
  }
}

__global__ void round_kernel(uint32_t* out, const float* in, int count) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) out[i] = round_to_tf32(in[i]);
}

}  // namespace

TEST_CASE("mma.sync agrees with plain products of random matrices") {
  check_random_products<kTf32>();
  check_random_products<kHalf>();
  check_random_products<kBfloat16>();
}

TEST_CASE("mma.sync: every element of A meets its row of B") {
  check_one_hot<kTf32>(0x3f800000);
  check_one_hot<kHalf>(0x3c00);
  check_one_hot<kBfloat16>(0x3f80);
}

TEST_CASE("mma.sync does not read the low 13 bits of a TF32 operand") {
  std::vector<uint32_t> a(128), b(64);
  a[0] = bits_of(1.f) | 0x1fff;
  b[0] = bits_of(3.f) | 0x1fff;
  CHECK(product<kTf32>(a, b, std::vector<float>(128))[0] == 3);
}

TEST_CASE("mma.sync reads half precision below its normal range, and infinity") {
  std::vector<uint32_t> a(256), b(128);
  a[0] = 0x8003;   // -3 * 2^-24
  a[16] = 0x7c00;  // infinity in the second row
  b[0] = 0x4000;   // 2
  const std::vector<float> d = product<kHalf>(a, b, std::vector<float>(128));
  CHECK(d[0] == -6 * 0x1p-24f);
  CHECK(d[8] == INFINITY);
}

TEST_CASE("ldmatrix gives each lane the elements that PTX documents") {
  check_ldmatrix<1, false>();
  check_ldmatrix<2, false>();
  check_ldmatrix<4, false>();
  check_ldmatrix<1, true>();
  check_ldmatrix<2, true>();
  check_ldmatrix<4, true>();
}

TEST_CASE("cp.async copies, fills with zeros, and is done after the wait for its group") {
  check_cp_async<4>();
  check_cp_async<8>();
  check_cp_async<16>();
}

TEST_CASE("rounding to TF32 goes to the nearest, ties away from zero") {
  const std::vector<float> in{1, 1 + 0x1p-11f, -1 - 0x1p-11f, 1 + 0x1p-12f, 1 + 0x1.8p-11f, INFINITY, 0, NAN};
  DeviceArray<float> device_in(in);
  DeviceArray<uint32_t> device_out(in.size());
  launch(round_kernel, 1, 32, 0, Stream{}, device_out.data(), device_in.data(), static_cast<int>(in.size()));
  CUDA_CHECK(cudaDeviceSynchronize());
  const std::vector<uint32_t> out = device_out.values();
  const std::vector<float> expected{1, 1 + 0x1p-10f, -1 - 0x1p-10f, 1, 1 + 0x1p-10f, INFINITY, 0};
  for (size_t i = 0; i < expected.size(); ++i) CHECK(float_of(out[i]) == expected[i]);
  CHECK(std::isnan(float_of(out.back())));
}
