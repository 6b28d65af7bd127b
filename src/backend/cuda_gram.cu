#include <algorithm>
#include <cassert>

#include "kernels/conv2d/conv2d.h"
#include "src/backend/cuda_gram.h"

namespace swag {
namespace {

constexpr auto kDirection = Conv2dDirection::kForward;
constexpr int64_t kFloat = sizeof(float), kAlignment = 16;

Conv2dParams product_params(Shape shape, DType from, DType to, const cuda::TensorUnits& units) {
  Conv2dParams p;
  p.layer.c_in = p.layer.c_out = shape.c;
  p.algorithm = cuda::conv2d_choose(p.layer, from, units);
  p.h = shape.h;
  p.w = shape.w;
  p.x_pitch = p.y_pitch = shape.c;
  p.x_type = from;
  p.y_type = to;
  return p;
}

/// Of the workspace, in bytes: the packed difference, the bias, the range, the convolution's own.
struct Places {
  int64_t bias, range, own, end;

  Places(const Conv2dParams& p, const cuda::TensorUnits& units) {
    const auto after = [](int64_t begin, int64_t bytes) {
      return (begin + bytes + kAlignment - 1) / kAlignment * kAlignment;
    };
    bias = after(0, cuda::conv2d_packed_bytes(p.layer, p.algorithm, kDirection, p.x_type));
    range = after(bias, p.layer.c_out * kFloat);
    own = after(range, cuda::gram_range_count() * kFloat);
    end = own + cuda::conv2d_workspace_bytes(p, kDirection, units);
  }
};

}  // namespace

int64_t gram_product_workspace_bytes(Shape shape, const cuda::TensorUnits& units) {
  return std::max(Places(product_params(shape, DType::kTf32, DType::kTf32, units), units).end,
                  Places(product_params(shape, DType::kFloat16, DType::kBFloat16, units), units).end);
}

void gram_product(const Tensor& ds, const Tensor& s, const float* difference, const double* offset,
                  double factor, bool accumulate, void* workspace, const cuda::TensorUnits& units,
                  Stream stream) {
  assert((ds.dtype == DType::kTf32 && s.dtype == DType::kTf32) ||
         (ds.dtype == DType::kBFloat16 && s.dtype == DType::kFloat16));
  const int d = s.shape.c;
  const Conv2dParams p = product_params(s.shape, s.dtype, ds.dtype, units);
  const Places places(p, units);
  auto* const memory = static_cast<char*>(workspace);
  auto* const bias = reinterpret_cast<float*>(memory + places.bias);
  auto* const range = reinterpret_cast<float*>(memory + places.range);
  Conv2dForwardEpilogue<void> epilogue;
  float weight_factor = static_cast<float>(factor * s.scale);
  const bool small = s.dtype == DType::kFloat16 && p.algorithm == Conv2dAlgorithm::kTensorCores;
  if (small) {  // the difference, too, in 16 bits
    cuda::gram_range(range, difference, factor * s.scale, d, units, stream);
    weight_factor = 1;
    epilogue.factor = range + 1;
  }
  cuda::conv2d_pack(memory, difference, p.layer, p.algorithm, kDirection, p.x_type, stream, weight_factor,
                    small ? range : nullptr);
  if (offset) {
    cuda::gram_bias(bias, offset, factor, d, stream);
    epilogue.bias = bias;
  }
  epilogue.residual = accumulate ? ds.data : nullptr;
  cuda::conv2d_forward(ds.data, s.data, memory, epilogue, p, memory + places.own, stream, units);
}

}  // namespace swag
