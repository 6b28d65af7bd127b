// The CUDA twin of kernels/conv2d/conv2d.h: the plain kernel, the packing of weights, and the choice between
// kernels.
#include <cassert>

#include "kernels/conv2d/output_cuda.cuh"
#include "kernels/conv2d/wgmma_plan_cuda.h"

namespace swag::cuda {
namespace conv2d {
namespace {

constexpr int kPlainThreads = 128;
constexpr int kPiece = 64;  // products per piece of a sum, as in the GEMM

/// Thread: one output. Warp: 32 channels of one pixel, so that it writes side by side and has one word of the
///   mask; all its lanes read the same x.
/// Grid: (pixels * words / 4, 1, phases) x 128. No shared memory.
/// Bound by its loads: two for every multiply-add.
template <typename T>
__global__ void __launch_bounds__(kPlainThreads)
    conv2d_plain_kernel(const __grid_constant__ GemmArguments g) {
  const Output& o = g.output;
  const Phase& phase = g.phase[blockIdx.z];
  const int words = (o.channels + 31) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * (kPlainThreads / 32) + threadIdx.x / 32;
  const int pixel = static_cast<int>(index / words), word = static_cast<int>(index % words);
  const int row = pixel / phase.cols.count, col = pixel % phase.cols.count;
  if (row >= phase.rows.count) return;
  const int channel = word * 32 + lane;

  const float* weight =
      static_cast<const float*>(g.packed) + phase.packed_offset + channel;  // exists also for padded channels
  float sum = 0;
  for (int i = 0; i < phase.rows.taps; ++i) {
    for (int j = 0; j < phase.cols.taps; ++j) {
      const int y = phase.rows.x_first + phase.rows.x_step * row + i;
      const int x = phase.cols.x_first + phase.cols.x_step * col + j;
      if (y >= 0 && y < g.h && x >= 0 && x < g.w) {
        const T* from = static_cast<const T*>(g.x) + (static_cast<int64_t>(y) * g.w + x) * g.x_pitch;
        for (int begin = 0; begin < g.in; begin += kPiece) {
          float piece = 0;
          for (int k = begin; k < min(begin + kPiece, g.in); ++k) {
            piece += load<1>(from + k).at[0] * weight[static_cast<int64_t>(k) * g.out_padded];
          }
          sum += piece;
        }
      }
      weight += static_cast<int64_t>(g.in_padded) * g.out_padded;
    }
  }

  const int64_t out = static_cast<int64_t>(phase.rows.y_first + phase.rows.y_step * row) * g.y_w +
                      phase.cols.y_first + phase.cols.y_step * col;
  const int64_t at = out * o.pitch + channel;
  const uint32_t kept = o.mask_in != nullptr ? o.mask_in[out * words + word] : kWarp;
  uint32_t sign = 0;
  if (channel < o.channels) sign = write_some<1>(o, at, channel, &sum, kept >> lane);
  const uint32_t signs = __ballot_sync(kWarp, sign != 0);
  if (o.mask_out != nullptr && lane == 0) o.mask_out[out * words + word] = signs;
}

constexpr int kPackThreads = 256;

/// Thread: one packed weight of one phase. Grid: (count / 256) x 256. Runs once per network.
__global__ void conv2d_pack_kernel(float* packed, const float* weight,
                                   const __grid_constant__ PackArguments g) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kPackThreads + threadIdx.x;
  if (index >= g.count) return;
  const Axis &rows = g.phase.rows, &cols = g.phase.cols;
  const int out = static_cast<int>(index % g.out_padded), column = static_cast<int>(index / g.out_padded);
  const int tap = column / g.in_padded, in = column % g.in_padded;
  float value = 0;
  if (tap < rows.taps * cols.taps && in < g.in && out < g.out) {
    value = weight_of(weight, g, tap, in, out);
  }
  packed[g.phase.packed_offset + index] = value;
}

// ---------------------------------------------------------------- launchers

void gemm_pack(float* packed, const float* weight, float factor, const Gemm& gemm, Stream stream) {
  for_each_phase(gemm, [&](const Phase& phase) {
    PackArguments g = pack_arguments(gemm, phase);
    g.factor = factor;
    if (g.count == 0) return;
    launch(conv2d_pack_kernel, dim3(static_cast<unsigned>(ceil_div(g.count, kPackThreads))),
           dim3(kPackThreads), 0, stream, packed, weight, g);
  });
}

void plain_run(const GemmArguments& arguments, const Gemm& gemm, DType operand, Stream stream) {
  for_each_launch(arguments, gemm, [&](const GemmArguments& g, int phases) {
    int64_t pixels = 0;
    for (int i = 0; i < phases; ++i) pixels = std::max(pixels, g.phase[i].pixels());
    const int64_t blocks = ceil_div(pixels * mask_words(g.output.channels), kPlainThreads / 32);
    with_stored(operand, [&](auto zero) {
      launch(conv2d_plain_kernel<decltype(zero)>,
             dim3(static_cast<unsigned>(blocks), 1, static_cast<unsigned>(phases)), dim3(kPlainThreads), 0,
             stream, g);
    });
  });
}

/// call(T{}) with the type that tensor cores read.
template <typename Call>
void with_tensor_operand(DType type, const Call& call) {
  switch (type) {
    case DType::kFloat16: return call(Float16{});
    case DType::kBFloat16: return call(BFloat16{});
    default: return call(Tf32{});
  }
}

/// Of a layer that tensor cores do.
bool takes_wgmma(const Conv2dLayer& layer, const TensorUnits& units) {
  return units.wgmma && wgmma_suits(layer);
}

void run(const Output& output, const void* x, DType operand, const void* packed, const Conv2dParams& params,
         Conv2dDirection direction, void* workspace, const TensorUnits& units, Stream stream) {
  const Gemm gemm = gemm_of(params, direction);
  GemmArguments g;
  g.x = x;
  g.packed = packed;
  g.partial = static_cast<float*>(workspace);
  g.output = output;
  g.h = gemm.h;
  g.w = gemm.w;
  g.y_w = gemm.y_w;
  g.y_pixels = int64_t{gemm.y_h} * gemm.y_w;
  g.x_pitch = gemm.x_pitch;
  g.in = gemm.in;
  g.in_padded = gemm.in_padded;
  g.out_padded = gemm.out_padded;
  if (params.algorithm == Conv2dAlgorithm::kPlain) {
    plain_run(g, gemm, operand, stream);
  } else if (params.algorithm == Conv2dAlgorithm::kTensorCores) {
    assert(tensor_cores_suit(params.layer) && units.processors > 0 && output.vectors);
    assert(g.x_pitch * size_of(operand) % kChunkBytes == 0 && is_aligned(x));
    with_tensor_operand(operand, [&](auto t) {
      using T = decltype(t);
      takes_wgmma(params.layer, units) ? wgmma_run<T>(g, gemm, units, stream)
                                       : tensor_run<T>(g, gemm, units, stream);
    });
  } else {
    gemm_run(g, gemm, operand, stream);
  }
}

void check_params([[maybe_unused]] const Conv2dParams& p) {
  assert(p.algorithm != Conv2dAlgorithm::kAuto);
  assert(p.x_pitch >= p.layer.c_in && p.y_pitch >= p.layer.c_out);
  assert(int64_t{p.h} * p.w < (int64_t{1} << 30));  // pixels are counted in 32 bits, elements in 64
}

/// No pixels, or a map that even with its padding is smaller than the kernel.
bool is_empty(const Conv2dParams& p) {
  const Conv2dLayer& l = p.layer;
  return p.h <= 0 || p.w <= 0 || p.h + 2 * l.pad_h < l.kh || p.w + 2 * l.pad_w < l.kw;
}

/// Whether an image kernel does it.
bool reads_image(const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction) {
  if (algorithm == Conv2dAlgorithm::kPlain || algorithm == Conv2dAlgorithm::kTensorCores) return false;
  return direction == Conv2dDirection::kForward ? forward_image_suits(layer) : backward_image_suits(layer);
}

/// Forwards it reads what the GEMM would read.
bool has_image_weights(const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction) {
  return direction == Conv2dDirection::kBackwardData && reads_image(layer, algorithm, direction);
}

}  // namespace
}  // namespace conv2d

Conv2dAlgorithm conv2d_choose(const Conv2dLayer& layer, DType operand, const TensorUnits& units) {
  const bool read = operand != DType::kFloat32 && operand != DType::kFloat64;
  const bool can = read && units.processors > 0 && conv2d::tensor_cores_suit(layer);
  return can ? Conv2dAlgorithm::kTensorCores : Conv2dAlgorithm::kDirect;
}

int64_t conv2d_packed_bytes(const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction,
                            DType operand) {
  constexpr int64_t kFloat = sizeof(float);
  if (conv2d::has_image_weights(layer, algorithm, direction)) {
    return conv2d::image_packed_count(layer) * kFloat;
  }
  const int64_t count = conv2d::gemm_packed_count(conv2d::gemm_of(layer, direction));
  return count * (algorithm == Conv2dAlgorithm::kTensorCores ? size_of(operand) : kFloat);
}

void conv2d_pack(void* packed, const float* weight, const Conv2dLayer& layer, Conv2dAlgorithm algorithm,
                 Conv2dDirection direction, DType operand, Stream stream, float factor, const float* range) {
  assert(range == nullptr || algorithm == Conv2dAlgorithm::kTensorCores);
  if (conv2d::has_image_weights(layer, algorithm, direction)) {
    assert(factor == 1);
    return conv2d::image_pack(static_cast<float*>(packed), weight, layer, stream);
  }
  const conv2d::Gemm gemm = conv2d::gemm_of(layer, direction);
  if (algorithm == Conv2dAlgorithm::kTensorCores) {
    conv2d::with_tensor_operand(operand, [&](auto t) {
      conv2d::tensor_pack(static_cast<decltype(t)*>(packed), weight, factor, range, gemm, stream);
    });
  } else {
    conv2d::gemm_pack(static_cast<float*>(packed), weight, factor, gemm, stream);
  }
}

int64_t conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction,
                               const TensorUnits& units) {
  conv2d::check_params(params);
  if (conv2d::is_empty(params) || params.algorithm == Conv2dAlgorithm::kPlain ||
      conv2d::reads_image(params.layer, params.algorithm, direction)) {
    return 0;
  }
  const conv2d::Gemm gemm = conv2d::gemm_of(params, direction);
  const bool forward = direction == Conv2dDirection::kForward;
  if (params.algorithm != Conv2dAlgorithm::kTensorCores) {
    return conv2d::gemm_workspace_bytes(gemm, forward ? params.y_type : params.x_type);
  }
  const int element_bytes = static_cast<int>(size_of(forward ? params.x_type : params.y_type));
  return conv2d::takes_wgmma(params.layer, units)
             ? conv2d::wgmma_workspace_bytes(gemm, element_bytes, units)
             : conv2d::tensor_workspace_bytes(gemm, element_bytes, units);
}

void conv2d_forward(void* y, const void* x, const void* packed, const Conv2dForwardEpilogue<void>& epilogue,
                    const Conv2dParams& params, void* workspace, Stream stream, const TensorUnits& units) {
  constexpr auto kDirection = Conv2dDirection::kForward;
  conv2d::check_params(params);
  if (conv2d::is_empty(params)) return;
  conv2d::Output output;
  output.y = y;
  output.bias = static_cast<const float*>(epilogue.bias);
  output.addend = epilogue.residual;
  output.factor = epilogue.factor;
  output.relu = epilogue.relu;
  output.mask_out = epilogue.relu ? epilogue.mask : nullptr;
  output.type = params.y_type;
  output.pitch = params.y_pitch;
  output.channels = params.layer.c_out;
  output.vectors = output.channels % 4 == 0 && output.pitch % 4 == 0 && conv2d::is_aligned(y) &&
                   conv2d::is_aligned(output.bias) && conv2d::is_aligned(output.addend);
  if (conv2d::reads_image(params.layer, params.algorithm, kDirection)) {
    assert(arithmetic_of(params.x_type) == params.x_type);
    conv2d::image_forward(output, static_cast<const float*>(x), static_cast<const float*>(packed), params,
                          stream);
  } else {
    conv2d::run(output, x, params.x_type, packed, params, kDirection, workspace, units, stream);
  }
}

void conv2d_backward_data(void* dx, const void* dy, const void* packed,
                          const Conv2dBackwardEpilogue<void>& epilogue, const Conv2dParams& params,
                          void* workspace, Stream stream, const TensorUnits& units) {
  constexpr auto kDirection = Conv2dDirection::kBackwardData;
  conv2d::check_params(params);
  if (conv2d::is_empty(params)) return;
  conv2d::Output output;
  output.y = dx;
  output.addend = epilogue.addend;
  output.mask_in = epilogue.mask;
  output.type = params.x_type;
  output.pitch = params.x_pitch;
  output.channels = params.layer.c_in;
  output.vectors = output.channels % 4 == 0 && output.pitch % 4 == 0 && conv2d::is_aligned(dx) &&
                   conv2d::is_aligned(output.addend);
  if (conv2d::reads_image(params.layer, params.algorithm, kDirection)) {
    conv2d::image_backward_data(output, dy, static_cast<const float*>(packed), params, stream);
  } else {
    conv2d::run(output, dy, params.y_type, packed, params, kDirection, workspace, units, stream);
  }
}

}  // namespace swag::cuda
