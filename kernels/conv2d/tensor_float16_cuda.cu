// The convolution on tensor cores of maps in 16-bit floats, which the way forwards reads.
#include "kernels/conv2d/tensor_cuda.cuh"

namespace swag::cuda::conv2d {

template void tensor_pack(Float16*, const float*, float, const float*, const Gemm&, Stream);
template void tensor_run<Float16>(GemmArguments, const Gemm&, const TensorUnits&, Stream);

}  // namespace swag::cuda::conv2d
