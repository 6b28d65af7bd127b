// The convolution on tensor cores of maps in TF32.
#include "kernels/conv2d/tensor_cuda.cuh"

namespace swag::cuda::conv2d {

template void tensor_pack(Tf32*, const float*, float, const float*, const Gemm&, Stream);
template void tensor_run<Tf32>(GemmArguments, const Gemm&, const TensorUnits&, Stream);

}  // namespace swag::cuda::conv2d
