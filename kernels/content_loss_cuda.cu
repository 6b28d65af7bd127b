#include "kernels/content_loss.h"
#include "kernels/cuda/reduce.cuh"

namespace swag::cuda {
namespace {

constexpr int kValues = 2;  // the loss, and <s - target, s>

/// A block sums what its threads have gathered, kWidth elements at a time.
/// Grid: at most 1024 x block 256. Shared: 64 bytes. Bound by bytes, 8 per element, where float64 is fast.
template <int kWidth, typename S>
__global__ void __launch_bounds__(kReduceThreads)
    content_loss_kernel(double* partials, const S* s, const S* target, int64_t count) {
  double sums[kValues] = {0, 0};
  for_each_group<kWidth>(count, [&](int64_t i) {
    const Floats<kWidth> value = load_some<kWidth>(s, i, count, 0);
    const Floats<kWidth> aim = load_some<kWidth>(target, i, count, 0);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      const double difference = static_cast<double>(value.at[k]) - static_cast<double>(aim.at[k]);
      sums[0] += difference * difference;
      sums[1] += difference * static_cast<double>(value.at[k]);
    }
  });
  store_partial_sums(partials, sums);
}

/// A thread makes kWidth elements of ds.
/// Grid: count / (256 kWidth) x block 256. No shared memory. Bound by bytes: 12 per element, 16 when it adds.
template <int kWidth, typename T, typename S>
__global__ void __launch_bounds__(kElementThreads)
    content_loss_backward_kernel(T* ds, const S* s, const S* target, float factor, bool accumulate,
                                 int64_t count) {
  for_each_group<kWidth>(count, [&](int64_t i) {
    Floats<kWidth> v = load_some<kWidth>(s, i, count, 0);
    const Floats<kWidth> aim = load_some<kWidth>(target, i, count, 0);
    Floats<kWidth> before = {};
    if (accumulate) before = load_some<kWidth>(ds, i, count, 0);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      v.at[k] = factor * (v.at[k] - aim.at[k]);
      if (accumulate) v.at[k] += before.at[k];
    }
    store_some(ds, i, count, v);
  });
}

}  // namespace

// ---------------------------------------------------------------- launchers

int64_t content_loss_workspace_bytes() { return sums_workspace_bytes(kValues); }

template <typename S>
void content_loss_forward(double* loss, double* inner, const S* s, const S* target, double scale,
                          void* workspace, int64_t count, Stream stream) {
  auto* partials = static_cast<double*>(workspace);
  const int blocks = reduce_blocks(count);
  if (blocks > 0) {
    const bool vector = fits_float4({}, {s, target});
    launch(vector ? content_loss_kernel<4, S> : content_loss_kernel<1, S>, dim3(blocks), dim3(kReduceThreads),
           0, stream, partials, s, target, count);
  }
  finish_sums(SumResults<kValues>{{loss, inner}, scale * scale}, partials, blocks, stream);
}
template void content_loss_forward(double*, double*, const float*, const float*, double, void*, int64_t,
                                   Stream);
template void content_loss_forward(double*, double*, const Float16*, const Float16*, double, void*, int64_t,
                                   Stream);

template <typename T, typename S>
void content_loss_backward(T* ds, const S* s, const S* target, double factor, bool accumulate, int64_t count,
                           Stream stream) {
  if (count == 0) return;
  const bool vector = fits_float4({}, {ds, s, target});
  launch(vector ? content_loss_backward_kernel<4, T, S> : content_loss_backward_kernel<1, T, S>,
         dense_grid(count, vector ? 4 : 1), dim3(kElementThreads), 0, stream, ds, s, target, factor,
         accumulate, count);
}
template void content_loss_backward(float*, const float*, const float*, double, bool, int64_t, Stream);
template void content_loss_backward(Tf32*, const float*, const float*, double, bool, int64_t, Stream);
template void content_loss_backward(BFloat16*, const Float16*, const Float16*, double, bool, int64_t, Stream);

}  // namespace swag::cuda
