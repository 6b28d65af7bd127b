// The convolution on tensor cores of maps in bfloat16, which the way back reads.
#include "kernels/conv2d/tensor_cuda.cuh"

namespace swag::cuda::conv2d {

template void tensor_pack(BFloat16*, const float*, float, const float*, const Gemm&, Stream);
template void tensor_run<BFloat16>(GemmArguments, const Gemm&, const TensorUnits&, Stream);

}  // namespace swag::cuda::conv2d
