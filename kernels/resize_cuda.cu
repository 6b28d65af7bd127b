#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/resize.h"

namespace swag::cuda {
namespace {

/// A thread makes one value: its weights are its neighbours' too, and its samples overlap with theirs.
/// Grid: (lines, out) / y x block: x values behind the axis, y outputs, 256 threads. No shared memory. Bound
/// by latency: it runs a few times per picture.
__global__ void __launch_bounds__(kElementThreads)
    resize_kernel(float* y, const float* x, ResizeWeights weights, ResizeParams params) {
  for_each_unit(params.lines * params.out, static_cast<int>(params.c), [&](int64_t output, int k) {
    const int64_t line = output / params.out, i = output - line * params.out;
    const float* sample = x + (line * params.in + weights.first[i]) * params.c + k;
    const double* weight = weights.weights + i * weights.taps;
    const int count = weights.count[i];
    double sum = 0;
    for (int tap = 0; tap < count; ++tap) sum += weight[tap] * sample[tap * params.c];
    y[output * params.c + k] = static_cast<float>(sum < params.lowest ? params.lowest : sum);
  });
}

}  // namespace

// ---------------------------------------------------------------- launchers

void resize(float* y, const float* x, const ResizeWeights& weights, const ResizeParams& params,
            Stream stream) {
  if (params.lines * params.out * params.c == 0) return;
  const dim3 block = map_block(static_cast<int>(params.c));
  launch(resize_kernel, map_grid(params.lines * params.out, block), block, 0, stream, y, x, weights, params);
}

}  // namespace swag::cuda
