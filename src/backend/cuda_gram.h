// The Gram matrix's way back on tensor cores, for the CUDA backend alone: ds = factor * (S D + 1 offset^T) is
// a convolution of 1 x 1 with the difference D, which is symmetric, for a weight and the offset for a bias.
#pragma once
#include "kernels/gram.h"
#include "src/backend/tensor.h"

namespace swag {

/// Bytes of scratch, for maps that gram_tensor_suits.
int64_t gram_product_workspace_bytes(Shape shape, const cuda::TensorUnits& units);

/// ds (+)= the product; both maps dense and in TF32.
void gram_product(const Tensor& ds, const Tensor& s,
                  const float* difference,  // (d, d)
                  const double* offset,     // (d), or null
                  double factor, bool accumulate,
                  void* workspace,  // aligned to 16 bytes
                  const cuda::TensorUnits& units, Stream stream);

}  // namespace swag
