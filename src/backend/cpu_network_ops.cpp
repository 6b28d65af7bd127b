// The CPU backend's ops of a network: convolutions, pools, what lies between them, pictures.
#include "src/backend/arguments.h"
#include "src/backend/cpu_backend.h"

namespace swag {

Conv2dAlgorithm CpuBackend::conv2d_choose(const Conv2dLayer& layer, Conv2dDirection direction, DType dtype) {
  return cpu::conv2d_choose(layer, direction, dtype == DType::kFloat64);
}

int64_t CpuBackend::conv2d_packed_bytes(const Conv2dLayer& layer, Conv2dAlgorithm algorithm,
                                        Conv2dDirection direction, DType dtype) {
  assert(algorithm != Conv2dAlgorithm::kAuto);
  return dispatch(dtype, [&](auto t) {
    return cpu::conv2d_packed_count<decltype(t)>(layer, algorithm, direction) * size_of(dtype);
  });
}

void CpuBackend::conv2d_pack(void* packed, const void* weight, const Conv2dLayer& layer,
                             Conv2dAlgorithm algorithm, Conv2dDirection direction, DType dtype,
                             [[maybe_unused]] double factor) {
  assert(algorithm != Conv2dAlgorithm::kAuto && CpuMemory::is_aligned(packed) && factor == 1);
  dispatch(dtype, [&](auto t) {
    using T = decltype(t);
    cpu::conv2d_pack(static_cast<T*>(packed), static_cast<const T*>(weight), layer, algorithm, direction,
                     stream_);
  });
}

int64_t CpuBackend::conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction,
                                           DType dtype) {
  return dispatch(
      dtype, [&](auto t) { return cpu::conv2d_workspace_bytes<decltype(t)>(params, direction, stream_); });
}

void CpuBackend::conv2d_forward(const Tensor& y, const Tensor& x, const void* packed,
                                const ForwardEpilogue& epilogue, const Conv2dParams& params,
                                void* workspace) {
  assert(fits(y, x, params) && CpuMemory::is_aligned(packed) && CpuMemory::is_aligned(workspace));
  assert(!epilogue.mask || epilogue.relu);
  dispatch(x.dtype, [&](auto t) {
    using T = decltype(t);
    const Conv2dForwardEpilogue<T> typed{static_cast<const T*>(epilogue.bias),
                                         static_cast<const T*>(epilogue.residual), epilogue.relu,
                                         epilogue.mask};
    cpu::conv2d_forward(y.as<T>(), x.as<T>(), static_cast<const T*>(packed), typed, params, workspace,
                        stream_);
  });
}

void CpuBackend::conv2d_backward_data(const Tensor& dx, const Tensor& dy, const void* packed,
                                      const BackwardEpilogue& epilogue, const Conv2dParams& params,
                                      void* workspace) {
  assert(fits(dy, dx, params) && CpuMemory::is_aligned(packed) && CpuMemory::is_aligned(workspace));
  dispatch(dx.dtype, [&](auto t) {
    using T = decltype(t);
    const Conv2dBackwardEpilogue<T> typed{static_cast<const T*>(epilogue.addend), epilogue.mask};
    cpu::conv2d_backward_data(dx.as<T>(), dy.as<T>(), static_cast<const T*>(packed), typed, params, workspace,
                              stream_);
  });
}

void CpuBackend::batch_norm_forward(const Tensor& y, const Tensor& x, const void* scale, const void* shift) {
  assert(same_map(x, y));
  dispatch(x.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::batch_norm_forward(y.as<T>(), x.as<T>(), static_cast<const T*>(scale), static_cast<const T*>(shift),
                            batch_norm_params(x, y), stream_);
  });
}

void CpuBackend::batch_norm_backward(const Tensor& dx, const Tensor& dy, const void* scale) {
  assert(same_map(dx, dy));
  dispatch(dx.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::batch_norm_backward(dx.as<T>(), dy.as<T>(), static_cast<const T*>(scale), batch_norm_params(dx, dy),
                             stream_);
  });
}

void CpuBackend::relu_forward(const Tensor& y, uint32_t* mask, const Tensor& x) {
  assert(same_map(x, y));
  dispatch(x.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::relu_forward(y.as<T>(), mask, x.as<T>(), relu_params(x, y), stream_);
  });
}

void CpuBackend::relu_backward(const Tensor& dx, const Tensor& dy, const uint32_t* mask) {
  assert(same_map(dx, dy) && mask);
  dispatch(dx.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::relu_backward(dx.as<T>(), dy.as<T>(), mask, relu_params(dx, dy), stream_);
  });
}

void CpuBackend::add_forward(const Tensor& y, const Tensor& a, const Tensor& b) {
  assert(same_map(y, a) && same_map(y, b));
  dispatch(y.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::add_forward(y.as<T>(), a.as<T>(), b.as<T>(), add_params(y, a, b), stream_);
  });
}

void CpuBackend::copy_channels(const Tensor& y, const Tensor& x) {
  assert(same_map(y, x));
  dispatch(y.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::copy_channels(y.as<T>(), x.as<T>(), copy_channels_params(x, y), stream_);
  });
}

void CpuBackend::pad_replicate_forward(const Tensor& y, const Tensor& x) {
  dispatch(y.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::pad_replicate_forward(y.as<T>(), x.as<T>(), pad_params(y, x), stream_);
  });
}

void CpuBackend::pad_replicate_backward(const Tensor& dx, const Tensor& dy) {
  dispatch(dx.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::pad_replicate_backward(dx.as<T>(), dy.as<T>(), pad_params(dy, dx), stream_);
  });
}

void CpuBackend::max_pool2d_forward(const Tensor& y, uint8_t* position, const Tensor& x,
                                    const Pool2dParams& params) {
  assert(fits(y, x, params));
  dispatch(x.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::max_pool2d_forward(y.as<T>(), position, x.as<T>(), params, stream_);
  });
}

void CpuBackend::max_pool2d_backward(const Tensor& dx, const Tensor& dy, const uint8_t* position,
                                     const Pool2dParams& params) {
  assert(fits(dy, dx, params) && position);
  dispatch(dx.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::max_pool2d_backward(dx.as<T>(), dy.as<T>(), position, params, stream_);
  });
}

void CpuBackend::avg_pool2d_forward(const Tensor& y, const Tensor& x, const Pool2dParams& params) {
  assert(fits(y, x, params));
  dispatch(x.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::avg_pool2d_forward(y.as<T>(), x.as<T>(), params, stream_);
  });
}

void CpuBackend::avg_pool2d_backward(const Tensor& dx, const Tensor& dy, const Pool2dParams& params) {
  assert(fits(dy, dx, params));
  dispatch(dx.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::avg_pool2d_backward(dx.as<T>(), dy.as<T>(), params, stream_);
  });
}

void CpuBackend::normalize(const Tensor& y, const float* rgb) {
  assert(is_picture(y));
  dispatch(y.dtype, [&](auto t) { cpu::normalize(y.as<decltype(t)>(), rgb, y.pixels(), stream_); });
}

void CpuBackend::denormalize(float* rgb, const Tensor& x) {
  assert(is_picture(x));
  dispatch(x.dtype, [&](auto t) { cpu::denormalize(rgb, x.as<decltype(t)>(), x.pixels(), stream_); });
}

void CpuBackend::resize(const Tensor& y, const Tensor& x, const ResizeWeights& weights,
                        const ResizeParams& params) {
  assert(fits(y, x, params));
  dispatch(y.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::resize(y.as<T>(), static_cast<const T*>(x.data), weights, params, stream_);
  });
}

}  // namespace swag
