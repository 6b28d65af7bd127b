// The CPU backend's ops of the objective and of the optimisers.
#include "kernels/content_loss.h"
#include "kernels/lerp.h"
#include "src/backend/arguments.h"
#include "src/backend/cpu_backend.h"
#include "src/support/blas.h"

namespace swag {

void CpuBackend::gather_positions(const Tensor& y, const Tensor& x, const int32_t* positions) {
  dispatch(y.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::gather_positions<T>(y.as<T>(), x.as<T>(), positions, gather_params(y, x), stream_);
  });
}

void CpuBackend::scatter_positions(const Tensor& dx, const Tensor& dy, const int32_t* positions) {
  dispatch(dx.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::scatter_positions<T>(dx.as<T>(), dy.as<T>(), positions, gather_params(dy, dx), stream_);
  });
}

void CpuBackend::softmax_statistics(SoftmaxStatistics* statistics, const Tensor& f, double temperature) {
  dispatch(f.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::softmax_statistics<T>(statistics, f.as<T>(), softmax_params(f, temperature), stream_);
  });
}

void CpuBackend::softmax_forward(const Tensor& s, const Tensor& f, const SoftmaxStatistics* statistics,
                                 double temperature) {
  assert(same_dense(s, f));
  dispatch(f.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::softmax_forward(s.as<T>(), f.as<T>(), statistics, softmax_params(f, temperature), stream_);
  });
}

void CpuBackend::softmax_backward(const Tensor& df, const Tensor& ds, const Tensor& s,
                                  const SoftmaxInner& inner, double temperature) {
  assert(same_dense(df, ds) && same_dense(df, s));
  dispatch(s.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::softmax_backward(df.as<T>(), ds.as<T>(), s.as<T>(), inner, softmax_params(s, temperature), stream_);
  });
}

void CpuBackend::softmax_channel_forward(const Tensor& s, const Tensor& f, double temperature) {
  assert(same_dense(s, f));
  dispatch(f.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::softmax_channel_forward(s.as<T>(), f.as<T>(), softmax_params(f, temperature), stream_);
  });
}

void CpuBackend::softmax_channel_backward(const Tensor& df, const Tensor& ds, const Tensor& s,
                                          double temperature) {
  assert(same_dense(df, ds) && same_dense(df, s));
  dispatch(s.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::softmax_channel_backward(df.as<T>(), ds.as<T>(), s.as<T>(), softmax_params(s, temperature), stream_);
  });
}

void CpuBackend::scale(const Tensor& y, const Tensor& x, double factor) {
  assert(same_dense(y, x));
  dispatch(x.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::scale(y.as<T>(), x.as<T>(), factor, x.count(), stream_);
  });
}

double CpuBackend::softmax_entropy(const Tensor& f, double temperature) {
  return dispatch(f.dtype, [&](auto t) {
    using T = decltype(t);
    return cpu::softmax_entropy<T>(f.as<T>(), softmax_params(f, temperature), stream_);
  });
}

double CpuBackend::softmax_channel_entropy(const Tensor& f, double temperature) {
  return dispatch(f.dtype, [&](auto t) {
    using T = decltype(t);
    return cpu::softmax_channel_entropy<T>(f.as<T>(), softmax_params(f, temperature), stream_);
  });
}

int64_t CpuBackend::gram_workspace_bytes(Shape shape, DType dtype) {
  return dispatch(
      dtype, [&](auto t) { return cpu::gram_workspace_bytes<decltype(t)>(gram_params(shape), stream_); });
}

void CpuBackend::gram_forward(double* a, const Tensor& s, void* workspace) {
  assert(s.dense() && s.count() > 0 && CpuMemory::is_aligned(workspace));
  dispatch(s.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::gram_forward<T>(a, s.as<T>(), workspace, gram_params(s.shape), stream_);
  });
}

void CpuBackend::gram_difference(double* loss, double* inner, void* difference, const double* a,
                                 const double* target, int d, DType dtype) {
  assert(d > 0);
  dispatch(dtype, [&](auto t) {
    using T = decltype(t);
    cpu::gram_difference(loss, inner, static_cast<T*>(difference), a, target, d, stream_);
  });
}

void CpuBackend::gram_backward(const Tensor& ds, const Tensor& s, const void* difference,
                               const double* offset, double factor, bool accumulate, void* workspace) {
  assert(same_dense(ds, s) && ds.data != s.data && CpuMemory::is_aligned(workspace));
  dispatch(s.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::gram_backward(ds.as<T>(), s.as<T>(), static_cast<const T*>(difference), offset, factor, accumulate,
                       workspace, gram_params(s.shape), stream_);
  });
}

int64_t CpuBackend::moments_workspace_bytes(Shape shape, DType dtype) {
  return dispatch(
      dtype, [&](auto t) { return cpu::moments_workspace_bytes<decltype(t)>(gram_params(shape), stream_); });
}

void CpuBackend::moments_forward(double* gram, double* mean, const Tensor& s, void* workspace) {
  assert(s.dense() && s.count() > 0 && CpuMemory::is_aligned(workspace));
  dispatch(s.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::moments_forward<T>(gram, mean, s.as<T>(), workspace, gram_params(s.shape), stream_);
  });
}

int64_t CpuBackend::wasserstein_workspace_bytes(int d) { return cpu::wasserstein_workspace_bytes(d); }

void CpuBackend::wasserstein_forward(const std::vector<WassersteinProblem>& problems, DType dtype) {
  const int count = static_cast<int>(problems.size());
  const Blas& lapack = blas(std::min(count, pool_.threads()));
  dispatch(dtype,
           [&](auto t) { cpu::wasserstein_forward<decltype(t)>(problems.data(), count, lapack, stream_); });
}

void CpuBackend::content_loss_forward(double* loss, double* inner, const Tensor& s, const Tensor& target) {
  assert(same_dense(s, target));
  dispatch(s.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::content_loss_forward<T>(loss, inner, s.as<T>(), target.as<T>(), s.count(), stream_);
  });
}

void CpuBackend::content_loss_backward(const Tensor& ds, const Tensor& s, const Tensor& target, double factor,
                                       bool accumulate) {
  assert(same_dense(ds, s) && same_dense(s, target));
  dispatch(s.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::content_loss_backward(ds.as<T>(), s.as<T>(), target.as<T>(), factor, accumulate, s.count(), stream_);
  });
}

void CpuBackend::total_variation(double* loss, const Tensor& dx, const Tensor& x, double factor) {
  assert(same_dense(dx, x) && dx.data != x.data);
  dispatch(x.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::total_variation(loss, dx.as<T>(), x.as<T>(), factor, total_variation_params(x), stream_);
  });
}

void CpuBackend::total_variation_nine_point(double* loss, const Tensor& dx, const Tensor& x, double factor) {
  assert(same_dense(dx, x) && dx.data != x.data && is_picture(x));
  dispatch(x.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::total_variation_nine_point(loss, dx.as<T>(), x.as<T>(), factor, total_variation_params(x), stream_);
  });
}

void CpuBackend::vector_norms(VectorNorms* norms, const Tensor& x) {
  assert(x.dense());
  dispatch(x.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::vector_norms<T>(norms, x.as<T>(), x.count(), stream_);
  });
}

void CpuBackend::adam_step(const Tensor& x, const Tensor& m, const Tensor& v, const Tensor& g,
                           const AdamParams& params) {
  assert(same_dense(x, m) && same_dense(x, v) && same_dense(x, g) && params.step >= 1);
  dispatch(x.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::adam_step(x.as<T>(), m.as<T>(), v.as<T>(), g.as<T>(), params, x.count(), stream_);
  });
}

void CpuBackend::lerp(const Tensor& y, const Tensor& x, double weight) {
  assert(same_dense(y, x));
  dispatch(y.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::lerp(y.as<T>(), static_cast<const T*>(x.data), weight, y.count(), stream_);
  });
}

int64_t CpuBackend::lbfgs_workspace_bytes(int history, Shape shape, DType dtype) {
  return dispatch(dtype,
                  [&](auto t) { return cpu::lbfgs_workspace_bytes<decltype(t)>(history, shape.count()); });
}

void CpuBackend::lbfgs_measure(GradientReport* report, const Tensor& gradient, const LbfgsMemory& memory,
                               const LbfgsMeasureParams& params) {
  assert(same_dense(gradient, memory.x));
  dispatch(gradient.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::lbfgs_measure<T>(report, gradient.as<T>(), lbfgs_state<T>(memory), params, memory.workspace,
                          stream_);
  });
}

void CpuBackend::lbfgs_step(const LbfgsMemory& memory, const Tensor& gradient,
                            const LbfgsStepParams& params) {
  assert(same_dense(gradient, memory.x));
  dispatch(gradient.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::lbfgs_step<T>(lbfgs_state<T>(memory), gradient.as<T>(), params, stream_);
  });
}

void CpuBackend::lbfgs_move(const LbfgsMemory& memory, double step) {
  assert(memory.start.data);
  dispatch(memory.x.dtype, [&](auto t) {
    using T = decltype(t);
    cpu::lbfgs_move(lbfgs_state<T>(memory), step, stream_);
  });
}

}  // namespace swag
