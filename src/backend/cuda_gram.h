// The Gram matrix's way back as a convolution, for the CUDA backend alone: ds = factor * (S D + 1 offset^T)
// is one of 1 x 1 with the difference D, which is symmetric, for a weight and the offset for a bias.
#pragma once
#include "kernels/gram.h"
#include "src/backend/tensor.h"

namespace swag {

/// Bytes of scratch for maps of this shape, whatever they are stored as.
int64_t gram_product_workspace_bytes(Shape shape, const cuda::TensorUnits& units);

/// ds (+)= the product; both maps dense, in TF32 and TF32, or in kBFloat16 and kFloat16.
void gram_product(const Tensor& ds, const Tensor& s,
                  const float* difference,  // (d, d)
                  const double* offset,     // (d), or null
                  double factor, bool accumulate,
                  void* workspace,  // aligned to 16 bytes
                  const cuda::TensorUnits& units, Stream stream);

}  // namespace swag
