// One step of Adam. torch: optim.Adam without weight decay, amsgrad off.
//
//   m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,   x = x - rate * (m / (1 - b1^t)) / (sqrt(v / (1 -
//   b2^t)) + eps)
//
// then clamped to [lowest, highest]: torch's clamp_ after the step. Rate and bounds may differ by channel, of
// which there are three: element i belongs to channel i mod 3.
#pragma once
#include <cstdint>
#include <limits>

#include "kernels/stream.h"

namespace swag {

struct AdamParams {
  static constexpr double kUnbounded = std::numeric_limits<double>::infinity();

  double learning_rate = 0.02;
  double rates[3] = {1, 1, 1};  // of a channel, times learning_rate
  double lowest[3] = {-kUnbounded, -kUnbounded, -kUnbounded};
  double highest[3] = {kUnbounded, kUnbounded, kUnbounded};
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  int64_t step = 1;  // t, counted from 1
};

namespace cpu {

template <typename T>
void adam_step(T* x,        // (count)
               T* m,        // (count)
               T* v,        // (count)
               const T* g,  // (count)
               const AdamParams& params, int64_t count, Stream stream);

}  // namespace cpu

namespace cuda {

void adam_step(float* x, float* m, float* v, const float* g, const AdamParams& params, int64_t count,
               Stream stream);

}  // namespace cuda
}  // namespace swag
