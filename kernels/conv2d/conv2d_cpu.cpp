// The CPU twin of kernels/conv2d/conv2d.h: checks what is asked for and hands it to the algorithm.
#include <cassert>
#include <type_traits>

#include "kernels/conv2d/conv2d.h"
#include "kernels/conv2d/direct_cpu.h"
#include "kernels/conv2d/winograd_cpu.h"

namespace swag::cpu {
namespace {

void check_layer([[maybe_unused]] const Conv2dLayer& layer, [[maybe_unused]] Conv2dAlgorithm algorithm) {
  assert(algorithm != Conv2dAlgorithm::kAuto);
  assert(layer.c_in > 0 && layer.c_out > 0 && layer.kh > 0 && layer.kw > 0);
  assert(layer.stride_h > 0 && layer.stride_w > 0 && layer.pad_h >= 0 && layer.pad_w >= 0);
}

void check_params([[maybe_unused]] const Conv2dParams& params) {
  check_layer(params.layer, params.algorithm);
  assert(params.x_pitch >= params.layer.c_in && params.y_pitch >= params.layer.c_out);
}

/// No pixels, or a map that even with its padding is smaller than the kernel.
bool is_empty(const Conv2dParams& params) {
  const Conv2dLayer& l = params.layer;
  return params.h <= 0 || params.w <= 0 || params.h + 2 * l.pad_h < l.kh || params.w + 2 * l.pad_w < l.kw;
}

template <typename T>
bool uses_winograd(const Conv2dLayer& layer, Conv2dAlgorithm algorithm) {
  return std::is_same_v<T, float> && algorithm == Conv2dAlgorithm::kWinograd && winograd_can(layer);
}

bool gathers(const Conv2dLayer& layer, Conv2dDirection direction) {
  return direction == Conv2dDirection::kBackwardData && gather_suits(layer);
}

}  // namespace

Conv2dAlgorithm conv2d_choose(const Conv2dLayer& layer, Conv2dDirection direction, bool double_precision) {
  return !double_precision && winograd_pays(layer, direction) ? Conv2dAlgorithm::kWinograd
                                                              : Conv2dAlgorithm::kDirect;
}

template <typename T>
int64_t conv2d_packed_count(const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction) {
  check_layer(layer, algorithm);
  if (uses_winograd<T>(layer, algorithm)) return winograd_packed_count(layer, direction);
  return gathers(layer, direction) ? gather_packed_count<T>(layer) : direct_packed_count<T>(layer, direction);
}

template <typename T>
void conv2d_pack(T* packed, const T* weight, const Conv2dLayer& layer, Conv2dAlgorithm algorithm,
                 Conv2dDirection direction, Stream stream) {
  check_layer(layer, algorithm);
  if constexpr (std::is_same_v<T, float>) {
    if (uses_winograd<T>(layer, algorithm)) return winograd_pack(packed, weight, layer, direction, stream);
  }
  if (gathers(layer, direction)) {
    gather_pack(packed, weight, layer, stream);
  } else {
    direct_pack(packed, weight, layer, direction, stream);
  }
}

template <typename T>
int64_t conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction, Stream stream) {
  check_params(params);
  if (is_empty(params)) return 0;
  if (uses_winograd<T>(params.layer, params.algorithm))
    return winograd_workspace_bytes(params, direction, stream);
  return gathers(params.layer, direction) ? gather_workspace_bytes<T>(params, stream)
                                          : direct_workspace_bytes<T>(params, direction, stream);
}

template <typename T>
void conv2d_forward(T* y, const T* x, const T* packed, const Conv2dForwardEpilogue<T>& epilogue,
                    const Conv2dParams& params, void* workspace, Stream stream) {
  check_params(params);
  if (is_empty(params)) return;
  if constexpr (std::is_same_v<T, float>) {
    if (uses_winograd<T>(params.layer, params.algorithm))
      return winograd_forward(y, x, packed, epilogue, params, workspace, stream);
  }
  direct_forward(y, x, packed, epilogue, params, workspace, stream);
}

template <typename T>
void conv2d_backward_data(T* dx, const T* dy, const T* packed, const Conv2dBackwardEpilogue<T>& epilogue,
                          const Conv2dParams& params, void* workspace, Stream stream) {
  check_params(params);
  if (is_empty(params)) return;
  if constexpr (std::is_same_v<T, float>) {
    if (uses_winograd<T>(params.layer, params.algorithm))
      return winograd_backward_data(dx, dy, packed, epilogue, params, workspace, stream);
  }
  if (gathers(params.layer, Conv2dDirection::kBackwardData)) {
    gather_backward_data(dx, dy, packed, epilogue, params, workspace, stream);
  } else {
    direct_backward_data(dx, dy, packed, epilogue, params, workspace, stream);
  }
}

template int64_t conv2d_packed_count<float>(const Conv2dLayer&, Conv2dAlgorithm, Conv2dDirection);
template int64_t conv2d_packed_count<double>(const Conv2dLayer&, Conv2dAlgorithm, Conv2dDirection);
template void conv2d_pack<float>(float*, const float*, const Conv2dLayer&, Conv2dAlgorithm, Conv2dDirection,
                                 Stream);
template void conv2d_pack<double>(double*, const double*, const Conv2dLayer&, Conv2dAlgorithm,
                                  Conv2dDirection, Stream);
template int64_t conv2d_workspace_bytes<float>(const Conv2dParams&, Conv2dDirection, Stream);
template int64_t conv2d_workspace_bytes<double>(const Conv2dParams&, Conv2dDirection, Stream);
template void conv2d_forward<float>(float*, const float*, const float*, const Conv2dForwardEpilogue<float>&,
                                    const Conv2dParams&, void*, Stream);
template void conv2d_forward<double>(double*, const double*, const double*,
                                     const Conv2dForwardEpilogue<double>&, const Conv2dParams&, void*,
                                     Stream);
template void conv2d_backward_data<float>(float*, const float*, const float*,
                                          const Conv2dBackwardEpilogue<float>&, const Conv2dParams&, void*,
                                          Stream);
template void conv2d_backward_data<double>(double*, const double*, const double*,
                                           const Conv2dBackwardEpilogue<double>&, const Conv2dParams&, void*,
                                           Stream);

}  // namespace swag::cpu
