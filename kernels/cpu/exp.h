// The exponential of the CPU's softmax: plain arithmetic and no call, so that compilers turn loops of it into
// vector instructions.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

namespace swag::cpu {

/// exp(x) for x <= 0, relative error below 2e-7. Below -87, where float32 ends but for denormals, it is 0.
/// NaN passes.
inline float exp_nonpositive(float x) {
  constexpr float kLowest = -87;
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f;       // 10 bits: its product with an exponent is exact
  constexpr float kLn2Low = -2.12194440e-4f;     // ln 2 - kLn2High
  constexpr float kRoundToInteger = 12582912.f;  // 1.5 * 2^23: added, it leaves the integer in the low bits

  // x = n ln 2 + r with |r| <= ln 2 / 2; exp(r) by Taylor's polynomial, whose remainder there is below 1e-8.
  const float shifted = x * kLog2E + kRoundToInteger;
  const float n = shifted - kRoundToInteger;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float tail = 1.f / 5040;
  tail = tail * r + 1.f / 720;
  tail = tail * r + 1.f / 120;
  tail = tail * r + 1.f / 24;
  tail = tail * r + 1.f / 6;
  tail = tail * r + 0.5f;
  const float exp_r = 1 + (r + r * r * tail);

  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + (127u << 23);  // the exponent field of 2^n
  float result;
  std::memcpy(&result, &bits, sizeof result);
  result *= exp_r;

  // A conditional 0 would become a branch, and a branch keeps compilers from vectorising.
  std::memcpy(&bits, &result, sizeof bits);
  bits &= static_cast<uint32_t>(x < kLowest) - 1;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

inline double exp_nonpositive(double x) { return std::exp(x); }

// Blocks of them, with the widest vectors that the machine has (vector_clones.h).

/// y = exp((f - max) * inverse_temperature), max >= f.
void exp_differences(float* __restrict y, const float* __restrict f, int64_t count, float max,
                     float inverse_temperature);
void exp_differences(double* __restrict y, const double* __restrict f, int64_t count, double max,
                     double inverse_temperature);

/// The float64 sum.
double sum_of(const float* __restrict values, int64_t count);
double sum_of(const double* __restrict values, int64_t count);

/// y = x * factor, multiplied in float64.
void times(float* y, const float* x, int64_t count, double factor);
void times(double* y, const double* x, int64_t count, double factor);

}  // namespace swag::cpu
