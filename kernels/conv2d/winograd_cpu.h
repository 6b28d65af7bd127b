// Conv2dAlgorithm::kWinograd on the CPU: F(4x4, 3x3), fused by blocks of tiles. Internal to kernels/conv2d/:
// callers use kernels/conv2d/conv2d.h, where arguments and formulas are explained; docs/cpu.md explains the
// algorithm.
#pragma once
#include "kernels/conv2d/conv2d.h"

namespace swag::cpu {

/// 3x3 with stride 1, whatever its padding.
bool winograd_can(const Conv2dLayer& layer);

/// Whether it is the faster one, by the layer alone: the map is not known when weights are packed. Per tile
/// the transforms cost c_in + c_out, the products c_in * c_out: below 32 channels on either side the
/// transforms and the short sums of the micro-kernel eat up what is saved. Maps of a few tiles read four
/// times the direct convolution's weights for nothing, but they take no time worth a second packing.
bool winograd_pays(const Conv2dLayer& layer, Conv2dDirection direction);

// Backward is the same routine, the weights flipped and transposed when they are packed.
int64_t winograd_packed_count(const Conv2dLayer& layer, Conv2dDirection direction);
void winograd_pack(float* packed, const float* weight, const Conv2dLayer& layer, Conv2dDirection direction,
                   Stream stream);
int64_t winograd_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction, Stream stream);
void winograd_forward(float* y, const float* x, const float* packed,
                      const Conv2dForwardEpilogue<float>& epilogue, const Conv2dParams& params,
                      void* workspace, Stream stream);
void winograd_backward_data(float* dx, const float* dy, const float* packed,
                            const Conv2dBackwardEpilogue<float>& epilogue, const Conv2dParams& params,
                            void* workspace, Stream stream);

}  // namespace swag::cpu
