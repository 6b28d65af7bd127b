// One step of Adam. torch: optim.Adam without weight decay, amsgrad off.
//
//   m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,   x = x - rate * (m / (1 - b1^t)) / (sqrt(v / (1 -
//   b2^t)) + eps)
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

struct AdamParams {
  double learning_rate = 0.02;
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
