#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/lerp.h"

namespace swag::cuda {
namespace {

/// A thread moves kWidth elements.
/// Grid: count / (256 kWidth) x block 256. No shared memory. Bound by bytes: 12 per element.
template <int kWidth>
__global__ void __launch_bounds__(kElementThreads)
    lerp_kernel(float* y, const float* x, float weight, int64_t count) {
  for_each_group<kWidth>(count, [&](int64_t i) {
    Floats<kWidth> here = load_some<kWidth>(y, i, count, 0);
    const Floats<kWidth> there = load_some<kWidth>(x, i, count, 0);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) here.at[k] += weight * (there.at[k] - here.at[k]);
    store_some(y, i, count, here);
  });
}

}  // namespace

// ---------------------------------------------------------------- launchers

void lerp(float* y, const float* x, double weight, int64_t count, Stream stream) {
  if (count == 0) return;
  const bool vector = fits_float4({}, {y, x});
  launch(vector ? lerp_kernel<4> : lerp_kernel<1>, dense_grid(count, vector ? 4 : 1), dim3(kElementThreads),
         0, stream, y, x, static_cast<float>(weight), count);
}

}  // namespace swag::cuda
