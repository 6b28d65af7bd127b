#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/normalize.h"

namespace swag::cuda {
namespace {

// A thread makes one value; both kernels run once per picture and scale, so four at a time are not worth a
// second instance. Grid: values / 256 x block 256. No shared memory. Bound by bytes, 8 per value, and on
// cards with few float64 units by those.

__global__ void __launch_bounds__(kElementThreads)
    normalize_kernel(float* y, const float* rgb, int64_t count) {
  for_each_group<1>(
      count, [&](int64_t i) { y[i] = static_cast<float>(normalized(rgb[i], static_cast<int>(i % 3))); });
}

__global__ void __launch_bounds__(kElementThreads)
    denormalize_kernel(float* rgb, const float* x, int64_t count) {
  for_each_group<1>(count, [&](int64_t i) { rgb[i] = denormalized(x[i], static_cast<int>(i % 3)); });
}

}  // namespace

// ---------------------------------------------------------------- launchers

void normalize(float* y, const float* rgb, int64_t pixels, Stream stream) {
  if (pixels == 0) return;
  launch(normalize_kernel, dense_grid(pixels * 3, 1), dim3(kElementThreads), 0, stream, y, rgb, pixels * 3);
}

void denormalize(float* rgb, const float* x, int64_t pixels, Stream stream) {
  if (pixels == 0) return;
  launch(denormalize_kernel, dense_grid(pixels * 3, 1), dim3(kElementThreads), 0, stream, rgb, x, pixels * 3);
}

}  // namespace swag::cuda
