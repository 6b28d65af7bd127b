#include "kernels/cuda/reduce.cuh"
#include "kernels/vector.h"

namespace swag::cuda {
namespace {

/// The sum and the largest of magnitudes, and a probe: 0, or NaN for ever after an infinity or a NaN.
struct NormSums {
  double sum = 0, probe = 0;
  double largest = 0;
  __device__ void add(double value) {
    const double magnitude = fabs(value);
    sum += magnitude;
    largest = largest < magnitude ? magnitude : largest;
    probe += value - value;
  }
};

/// A block leaves the norms of what its threads have gathered.
/// Grid: at most 1024 x block 256. Shared: 128 bytes. Bound by bytes: 4 per element.
template <int kWidth>
__global__ void __launch_bounds__(kReduceThreads)
    vector_norms_kernel(VectorNorms* partials, const float* x, int64_t count) {
  NormSums norms;
  for_each_group<kWidth>(count, [&](int64_t i) {
    const Floats<kWidth> v = load_some<kWidth>(x, i, count, 0);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) norms.add(v.at[k]);
  });
  const double probe = block_sum(norms.probe), sum = block_sum(norms.sum), largest = block_max(norms.largest);
  if (threadIdx.x == 0) partials[blockIdx.x] = VectorNorms{sum + probe, largest + probe};
}

/// One block joins the partial norms; NaN passes.
/// Grid 1 x block 256. Shared: 128 bytes. Bound by latency.
__global__ void __launch_bounds__(kReduceThreads)
    vector_norms_finish_kernel(VectorNorms* norms, const VectorNorms* partials, int blocks) {
  double sum = 0, largest = 0;
  for (int i = threadIdx.x; i < blocks; i += kReduceThreads) {
    sum += partials[i].sum_abs;
    largest = larger(largest, partials[i].max_abs);
  }
  sum = block_sum(sum);
  largest = block_max(largest);
  if (threadIdx.x == 0) *norms = VectorNorms{sum, largest};
}

}  // namespace

// ---------------------------------------------------------------- launchers

int64_t vector_norms_workspace_bytes() { return kReduceBlocks * static_cast<int64_t>(sizeof(VectorNorms)); }

void vector_norms(VectorNorms* norms, const float* x, void* workspace, int64_t count, Stream stream) {
  auto* partials = static_cast<VectorNorms*>(workspace);
  const int blocks = reduce_blocks(count);
  if (blocks > 0) {
    launch(fits_float4({}, {x}) ? vector_norms_kernel<4> : vector_norms_kernel<1>, dim3(blocks),
           dim3(kReduceThreads), 0, stream, partials, x, count);
  }
  launch(vector_norms_finish_kernel, dim3(1), dim3(kReduceThreads), 0, stream, norms, partials, blocks);
}

}  // namespace swag::cuda
