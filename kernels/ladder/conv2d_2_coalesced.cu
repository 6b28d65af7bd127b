// Step 2: neighbouring lanes read neighbouring addresses.
//
// Idea:     channels are what lies side by side, in the map and in the weight. So the lanes of a warp
//           walk the channels, 32 at a time, and add up at the end by shuffles. Every sector that moves
//           is used whole.
// Mapping:  one warp computes one y(row, col, channel); its lanes share the products. Grid: outputs / 8
//           blocks of 8 warps. No shared memory.
// Bound by: bytes. Each multiply-add reads 8 bytes, though not from far: caches hold them. Neighbouring
//           warps read the same window again and again.
#include "kernels/ladder/conv2d_geometry.cuh"

namespace swag::ladder {
namespace {

constexpr int kLanes = 32;
constexpr int kWarps = 8;

__global__ void __launch_bounds__(kWarps* kLanes)
    conv2d_coalesced_kernel(float* y, const float* x, const float* weight, Epilogue epilogue, Geometry g) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int64_t output = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / kLanes;
  if (output >= static_cast<int64_t>(g.pixels) * g.c_out) return;  // the whole warp
  const int channel = static_cast<int>(output % g.c_out);
  const Window window = window_of(g, static_cast<int>(output / g.c_out));
  const float* taps = weight + static_cast<int64_t>(channel) * g.depth;

  // A lane's sum has 1/32 of the products, and the tree below adds pieces: nothing more is needed for the
  // digits.
  float sum = 0;
  for (int k = lane; k < g.depth; k += kLanes) {
    const int64_t offset = patch_offset(g, window, tap_of(g, k));
    if (offset >= 0) sum += x[offset] * taps[k];
  }
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  }
  if (lane == 0) y[output / g.c_out * g.y_pitch + channel] = finish(sum, epilogue, channel);
}

}  // namespace

void conv2d_2_coalesced(float* y, const float* x, const float* weight, const Epilogue& epilogue,
                        const Conv2dParams& params, Stream stream) {
  if (is_empty(params)) return;
  const Geometry g = geometry_of(params);
  const unsigned blocks = ceil_div(static_cast<int64_t>(g.pixels) * g.c_out, kWarps);
  launch(conv2d_coalesced_kernel, blocks, kWarps * kLanes, 0, stream, y, x, weight, epilogue, g);
}

}  // namespace swag::ladder
