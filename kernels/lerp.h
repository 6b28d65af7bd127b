// A step towards another vector: y += weight (x - y). torch: torch.lerp. Averages of a run's iterates are
// made of it.
#pragma once
#include <cstdint>

#include "kernels/stream.h"

namespace swag {

namespace cpu {

template <typename T>
void lerp(T* y,        // (count)
          const T* x,  // (count)
          double weight, int64_t count, Stream stream);

}  // namespace cpu

namespace cuda {

void lerp(float* y, const float* x, double weight, int64_t count, Stream stream);

}  // namespace cuda
}  // namespace swag
