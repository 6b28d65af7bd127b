// Samples of what a convolution reads.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/conv2d/conv2d.h"
#include "src/backend/tensor.h"

namespace swag {

/// A feature map on the host.
struct HostMap {
  Shape shape;
  std::vector<float> values;            // (h, w, c)
  std::vector<int32_t> positions = {};  // that may be drawn, ascending; empty: all
};

/// Windows of the layer at random ones of these positions, the maps reflected at their borders: (n, kh * kw *
/// c_in), each in the order of the layer's weight. Every map gives the same share of `most`, or all its
/// positions where those are fewer. Fewer than `least` in all are filled up from the same windows flipped and
/// shifted around within themselves. Deterministic for a seed; needs stride 1.
std::vector<float> sample_patches(const std::vector<HostMap>& maps, const Conv2dLayer& layer, int64_t most,
                                  int64_t least, uint64_t seed);

}  // namespace swag
