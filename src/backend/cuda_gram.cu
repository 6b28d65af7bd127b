#include <cassert>

#include "kernels/conv2d/conv2d.h"
#include "src/backend/cuda_gram.h"

namespace swag {
namespace {

constexpr auto kDirection = Conv2dDirection::kForward;

Conv2dParams product_params(Shape shape) {
  Conv2dParams p;
  p.layer.c_in = p.layer.c_out = shape.c;
  p.algorithm = Conv2dAlgorithm::kTensorCores;
  p.h = shape.h;
  p.w = shape.w;
  p.x_pitch = p.y_pitch = shape.c;
  p.x_type = p.y_type = DType::kTf32;
  return p;
}

/// Floats of scratch before the convolution's own: the packed difference, the bias.
int64_t own_count(int d) { return int64_t{d} * d + d; }

}  // namespace

int64_t gram_product_workspace_bytes(Shape shape, const cuda::TensorUnits& units) {
  return own_count(shape.c) * static_cast<int64_t>(sizeof(float)) +
         cuda::conv2d_workspace_bytes(product_params(shape), kDirection, units);
}

void gram_product(const Tensor& ds, const Tensor& s, const float* difference, const double* offset,
                  double factor, bool accumulate, void* workspace, const cuda::TensorUnits& units,
                  Stream stream) {
  assert(ds.dtype == DType::kTf32 && s.dtype == DType::kTf32);
  const int d = s.shape.c;
  const Conv2dParams p = product_params(s.shape);
  auto* const packed = static_cast<float*>(workspace);
  float* const bias = packed + int64_t{d} * d;
  cuda::conv2d_pack(packed, difference, p.layer, p.algorithm, kDirection, stream, static_cast<float>(factor));
  if (offset) cuda::gram_bias(bias, offset, factor, d, stream);
  Conv2dForwardEpilogue<float> epilogue;
  epilogue.bias = offset ? bias : nullptr;
  epilogue.residual = accumulate ? ds.as<float>() : nullptr;
  cuda::conv2d_forward(ds.as<float>(), s.as<float>(), packed, epilogue, p, packed + own_count(d), stream,
                       units);
}

}  // namespace swag
