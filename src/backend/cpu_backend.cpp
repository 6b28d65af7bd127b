// The CPU backend: checks what a kernel requires and picks its instantiation by dtype.
#include <sched.h>
#include <sys/mman.h>

#include <cassert>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "kernels/content_loss.h"
#include "kernels/cpu/thread_pool.h"
#include "src/backend/arguments.h"
#include "src/support/blas.h"
#include "src/support/error.h"
#include "src/support/host_memory.h"

namespace swag {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kHugePage = 2 << 20;
constexpr int64_t kAsked = 8 << 20;  // from here on the system is asked whether it has so much

/// The cores that this process may run on.
int available_cores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) return CPU_COUNT(&cores);
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// call(T()) with the C++ type of `dtype`: half precision does not exist on the CPU.
template <typename Call>
auto dispatch(DType dtype, Call&& call) {
  assert(dtype == DType::kFloat64 || dtype == DType::kFloat32);
  return dtype == DType::kFloat64 ? call(double()) : call(float());
}

[[maybe_unused]] bool is_aligned(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % kAlignment == 0;
}

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads) : pool_(threads), stream_(cpu::stream_of(pool_)) {}

  std::string description() const override {
    const int threads = pool_.threads();
    return "cpu, " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
  }

  bool computes_in(DType dtype) const override {
    return dtype == DType::kFloat64 || dtype == DType::kFloat32;
  }

  int64_t available_bytes() const override { return available_host_memory_bytes(); }
  void* allocate(int64_t bytes) override {
    assert(bytes >= 0);
    if (bytes >= kAsked) require_host_memory(bytes, "a piece of the run");
    const int64_t alignment = bytes >= 2 * kHugePage ? kHugePage : kAlignment;
    const auto rounded = static_cast<size_t>((bytes + alignment - 1) / alignment * alignment);
    void* const data = std::aligned_alloc(alignment, rounded);
    if (!data) {
      throw Error(Status::kMemory, "cannot allocate " + mebibytes(bytes) + " MiB of memory (" +
                                       mebibytes(available_bytes()) + " MiB are free): use a smaller size");
    }
    // Convolutions walk through maps in many places at once, which small pages serve badly. It may fail.
    if (alignment == kHugePage) madvise(data, rounded, MADV_HUGEPAGE);
    return data;
  }
  void deallocate(void* data) noexcept override { std::free(data); }
  void upload(void* destination, const void* host, int64_t bytes) override { copy(destination, host, bytes); }
  void download(void* host, const void* source, int64_t bytes) override { copy(host, source, bytes); }
  void copy(void* destination, const void* source, int64_t bytes) override {
    assert(bytes >= 0);
    if (bytes > 0) std::memcpy(destination, source, static_cast<size_t>(bytes));
  }
  void zero(void* destination, int64_t bytes) override {
    assert(bytes >= 0);
    if (bytes > 0) std::memset(destination, 0, static_cast<size_t>(bytes));
  }

  Conv2dAlgorithm conv2d_choose(const Conv2dLayer& layer, Conv2dDirection direction, DType dtype) override {
    return cpu::conv2d_choose(layer, direction, dtype == DType::kFloat64);
  }
  int64_t conv2d_packed_bytes(const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction,
                              DType dtype) override {
    assert(algorithm != Conv2dAlgorithm::kAuto);
    return dispatch(dtype, [&](auto t) {
      return cpu::conv2d_packed_count<decltype(t)>(layer, algorithm, direction) * size_of(dtype);
    });
  }
  void conv2d_pack(void* packed, const void* weight, const Conv2dLayer& layer, Conv2dAlgorithm algorithm,
                   Conv2dDirection direction, DType dtype) override {
    assert(algorithm != Conv2dAlgorithm::kAuto && is_aligned(packed));
    dispatch(dtype, [&](auto t) {
      using T = decltype(t);
      cpu::conv2d_pack(static_cast<T*>(packed), static_cast<const T*>(weight), layer, algorithm, direction,
                       stream_);
    });
  }
  int64_t conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction,
                                 DType dtype) override {
    return dispatch(
        dtype, [&](auto t) { return cpu::conv2d_workspace_bytes<decltype(t)>(params, direction, stream_); });
  }
  void conv2d_forward(const Tensor& y, const Tensor& x, const void* packed, const ForwardEpilogue& epilogue,
                      const Conv2dParams& params, void* workspace) override {
    assert(fits(y, x, params) && is_aligned(packed) && is_aligned(workspace));
    assert(!epilogue.mask || epilogue.relu);
    dispatch(x.dtype, [&](auto t) {
      using T = decltype(t);
      const Conv2dForwardEpilogue<T> typed{static_cast<const T*>(epilogue.bias),
                                           static_cast<const T*>(epilogue.residual), epilogue.relu,
                                           epilogue.mask};
      cpu::conv2d_forward(y.as<T>(), x.as<T>(), static_cast<const T*>(packed), typed, params, workspace,
                          stream_);
    });
  }
  void conv2d_backward_data(const Tensor& dx, const Tensor& dy, const void* packed,
                            const BackwardEpilogue& epilogue, const Conv2dParams& params,
                            void* workspace) override {
    assert(fits(dy, dx, params) && is_aligned(packed) && is_aligned(workspace));
    dispatch(dx.dtype, [&](auto t) {
      using T = decltype(t);
      const Conv2dBackwardEpilogue<T> typed{static_cast<const T*>(epilogue.addend), epilogue.mask};
      cpu::conv2d_backward_data(dx.as<T>(), dy.as<T>(), static_cast<const T*>(packed), typed, params,
                                workspace, stream_);
    });
  }

  void batch_norm_forward(const Tensor& y, const Tensor& x, const void* scale, const void* shift) override {
    assert(same_map(x, y));
    dispatch(x.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::batch_norm_forward(y.as<T>(), x.as<T>(), static_cast<const T*>(scale),
                              static_cast<const T*>(shift), batch_norm_params(x, y), stream_);
    });
  }
  void batch_norm_backward(const Tensor& dx, const Tensor& dy, const void* scale) override {
    assert(same_map(dx, dy));
    dispatch(dx.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::batch_norm_backward(dx.as<T>(), dy.as<T>(), static_cast<const T*>(scale),
                               batch_norm_params(dx, dy), stream_);
    });
  }
  void relu_forward(const Tensor& y, uint32_t* mask, const Tensor& x) override {
    assert(same_map(x, y));
    dispatch(x.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::relu_forward(y.as<T>(), mask, x.as<T>(), relu_params(x, y), stream_);
    });
  }
  void relu_backward(const Tensor& dx, const Tensor& dy, const uint32_t* mask) override {
    assert(same_map(dx, dy) && mask);
    dispatch(dx.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::relu_backward(dx.as<T>(), dy.as<T>(), mask, relu_params(dx, dy), stream_);
    });
  }
  void add_forward(const Tensor& y, const Tensor& a, const Tensor& b) override {
    assert(same_map(y, a) && same_map(y, b));
    dispatch(y.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::add_forward(y.as<T>(), a.as<T>(), b.as<T>(), add_params(y, a, b), stream_);
    });
  }
  void copy_channels(const Tensor& y, const Tensor& x) override {
    assert(same_map(y, x));
    dispatch(y.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::copy_channels(y.as<T>(), x.as<T>(), copy_channels_params(x, y), stream_);
    });
  }
  void normalize(const Tensor& y, const float* rgb) override {
    assert(is_picture(y));
    dispatch(y.dtype, [&](auto t) { cpu::normalize(y.as<decltype(t)>(), rgb, y.pixels(), stream_); });
  }
  void denormalize(float* rgb, const Tensor& x) override {
    assert(is_picture(x));
    dispatch(x.dtype, [&](auto t) { cpu::denormalize(rgb, x.as<decltype(t)>(), x.pixels(), stream_); });
  }
  void resize(const Tensor& y, const Tensor& x, const ResizeWeights& weights,
              const ResizeParams& params) override {
    assert(fits(y, x, params));
    dispatch(y.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::resize(y.as<T>(), static_cast<const T*>(x.data), weights, params, stream_);
    });
  }
  void max_pool2d_forward(const Tensor& y, uint8_t* position, const Tensor& x,
                          const Pool2dParams& params) override {
    assert(fits(y, x, params));
    dispatch(x.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::max_pool2d_forward(y.as<T>(), position, x.as<T>(), params, stream_);
    });
  }
  void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const uint8_t* position,
                           const Pool2dParams& params) override {
    assert(fits(dy, dx, params) && position);
    dispatch(dx.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::max_pool2d_backward(dx.as<T>(), dy.as<T>(), position, params, stream_);
    });
  }
  void avg_pool2d_forward(const Tensor& y, const Tensor& x, const Pool2dParams& params) override {
    assert(fits(y, x, params));
    dispatch(x.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::avg_pool2d_forward(y.as<T>(), x.as<T>(), params, stream_);
    });
  }
  void avg_pool2d_backward(const Tensor& dx, const Tensor& dy, const Pool2dParams& params) override {
    assert(fits(dy, dx, params));
    dispatch(dx.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::avg_pool2d_backward(dx.as<T>(), dy.as<T>(), params, stream_);
    });
  }

  void gather_positions(const Tensor& y, const Tensor& x, const int32_t* positions) override {
    dispatch(y.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::gather_positions<T>(y.as<T>(), x.as<T>(), positions, gather_params(y, x), stream_);
    });
  }
  void scatter_positions(const Tensor& dx, const Tensor& dy, const int32_t* positions) override {
    dispatch(dx.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::scatter_positions<T>(dx.as<T>(), dy.as<T>(), positions, gather_params(dy, dx), stream_);
    });
  }

  void softmax_statistics(SoftmaxStatistics* statistics, const Tensor& f, double temperature) override {
    dispatch(f.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::softmax_statistics<T>(statistics, f.as<T>(), softmax_params(f, temperature), stream_);
    });
  }
  void softmax_forward(const Tensor& s, const Tensor& f, const SoftmaxStatistics* statistics,
                       double temperature) override {
    assert(same_dense(s, f));
    dispatch(f.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::softmax_forward(s.as<T>(), f.as<T>(), statistics, softmax_params(f, temperature), stream_);
    });
  }
  void softmax_backward(const Tensor& df, const Tensor& ds, const Tensor& s, const SoftmaxInner& inner,
                        double temperature) override {
    assert(same_dense(df, ds) && same_dense(df, s));
    dispatch(s.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::softmax_backward(df.as<T>(), ds.as<T>(), s.as<T>(), inner, softmax_params(s, temperature),
                            stream_);
    });
  }
  void softmax_channel_forward(const Tensor& s, const Tensor& f, double temperature) override {
    assert(same_dense(s, f));
    dispatch(f.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::softmax_channel_forward(s.as<T>(), f.as<T>(), softmax_params(f, temperature), stream_);
    });
  }
  void softmax_channel_backward(const Tensor& df, const Tensor& ds, const Tensor& s,
                                double temperature) override {
    assert(same_dense(df, ds) && same_dense(df, s));
    dispatch(s.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::softmax_channel_backward(df.as<T>(), ds.as<T>(), s.as<T>(), softmax_params(s, temperature),
                                    stream_);
    });
  }
  void scale(const Tensor& y, const Tensor& x, double factor) override {
    assert(same_dense(y, x));
    dispatch(x.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::scale(y.as<T>(), x.as<T>(), factor, x.count(), stream_);
    });
  }
  double softmax_entropy(const Tensor& f, double temperature) override {
    return dispatch(f.dtype, [&](auto t) {
      using T = decltype(t);
      return cpu::softmax_entropy<T>(f.as<T>(), softmax_params(f, temperature), stream_);
    });
  }
  double softmax_channel_entropy(const Tensor& f, double temperature) override {
    return dispatch(f.dtype, [&](auto t) {
      using T = decltype(t);
      return cpu::softmax_channel_entropy<T>(f.as<T>(), softmax_params(f, temperature), stream_);
    });
  }

  int64_t gram_workspace_bytes(Shape shape, DType dtype) override {
    return dispatch(
        dtype, [&](auto t) { return cpu::gram_workspace_bytes<decltype(t)>(gram_params(shape), stream_); });
  }
  void gram_forward(double* a, const Tensor& s, void* workspace) override {
    assert(s.dense() && s.count() > 0 && is_aligned(workspace));
    dispatch(s.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::gram_forward<T>(a, s.as<T>(), workspace, gram_params(s.shape), stream_);
    });
  }
  void gram_difference(double* loss, double* inner, void* difference, const double* a, const double* target,
                       int d, DType dtype) override {
    assert(d > 0);
    dispatch(dtype, [&](auto t) {
      using T = decltype(t);
      cpu::gram_difference(loss, inner, static_cast<T*>(difference), a, target, d, stream_);
    });
  }
  void gram_backward(const Tensor& ds, const Tensor& s, const void* difference, double factor,
                     bool accumulate, void* workspace) override {
    assert(same_dense(ds, s) && ds.data != s.data && is_aligned(workspace));
    dispatch(s.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::gram_backward(ds.as<T>(), s.as<T>(), static_cast<const T*>(difference), factor, accumulate,
                         workspace, gram_params(s.shape), stream_);
    });
  }
  void content_loss_forward(double* loss, double* inner, const Tensor& s, const Tensor& target) override {
    assert(same_dense(s, target));
    dispatch(s.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::content_loss_forward<T>(loss, inner, s.as<T>(), target.as<T>(), s.count(), stream_);
    });
  }
  void content_loss_backward(const Tensor& ds, const Tensor& s, const Tensor& target, double factor,
                             bool accumulate) override {
    assert(same_dense(ds, s) && same_dense(s, target));
    dispatch(s.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::content_loss_backward(ds.as<T>(), s.as<T>(), target.as<T>(), factor, accumulate, s.count(),
                                 stream_);
    });
  }
  void total_variation(double* loss, const Tensor& dx, const Tensor& x, double factor) override {
    assert(same_dense(dx, x) && dx.data != x.data);
    dispatch(x.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::total_variation(loss, dx.as<T>(), x.as<T>(), factor, total_variation_params(x), stream_);
    });
  }

  void vector_norms(VectorNorms* norms, const Tensor& x) override {
    assert(x.dense());
    dispatch(x.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::vector_norms<T>(norms, x.as<T>(), x.count(), stream_);
    });
  }
  void adam_step(const Tensor& x, const Tensor& m, const Tensor& v, const Tensor& g,
                 const AdamParams& params) override {
    assert(same_dense(x, m) && same_dense(x, v) && same_dense(x, g) && params.step >= 1);
    dispatch(x.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::adam_step(x.as<T>(), m.as<T>(), v.as<T>(), g.as<T>(), params, x.count(), stream_);
    });
  }
  int64_t lbfgs_workspace_bytes(int history, Shape shape, DType dtype) override {
    return dispatch(dtype,
                    [&](auto t) { return cpu::lbfgs_workspace_bytes<decltype(t)>(history, shape.count()); });
  }
  void lbfgs_measure(GradientReport* report, const Tensor& gradient, const LbfgsMemory& memory,
                     const LbfgsMeasureParams& params) override {
    assert(same_dense(gradient, memory.x));
    dispatch(gradient.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::lbfgs_measure<T>(report, gradient.as<T>(), lbfgs_state<T>(memory), params, memory.workspace,
                            stream_);
    });
  }
  void lbfgs_step(const LbfgsMemory& memory, const Tensor& gradient, const LbfgsStepParams& params) override {
    assert(same_dense(gradient, memory.x));
    dispatch(gradient.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::lbfgs_step<T>(lbfgs_state<T>(memory), gradient.as<T>(), params, stream_);
    });
  }
  void lbfgs_move(const LbfgsMemory& memory, double step) override {
    assert(memory.start.data);
    dispatch(memory.x.dtype, [&](auto t) {
      using T = decltype(t);
      cpu::lbfgs_move(lbfgs_state<T>(memory), step, stream_);
    });
  }

  void mark() override { marks_.push_back(std::chrono::steady_clock::now()); }
  std::vector<double> take_marks() override {
    std::vector<double> milliseconds;
    for (const auto& mark : marks_) {
      milliseconds.push_back(std::chrono::duration<double, std::milli>(mark - marks_.front()).count());
    }
    marks_.clear();
    return milliseconds;
  }
  void matrix_product(const Tensor& y, const Tensor& a, const Tensor& b) override {
    assert(y.dense() && a.dense() && b.dense());
    const int m = a.shape.w, k = a.shape.c, n = b.shape.c;
    const int parts = pool_.threads();
    const Blas& library = blas(parts);
    cpu::parallel_tasks(stream_, parts, [&](int64_t part, int) {
      const int begin = static_cast<int>(m * part / parts),
                rows = static_cast<int>(m * (part + 1) / parts) - begin;
      const float one = 1, zero = 0;
      // Row by row is column by column of the transposes, and y^T = b^T a^T.
      library.sgemm("N", "N", &n, &rows, &k, &one, b.as<float>(), &n, a.as<float>() + int64_t{begin} * k, &k,
                    &zero, y.as<float>() + int64_t{begin} * n, &n, 1, 1);
    });
  }

 private:
  ThreadPool pool_;
  Stream stream_;
  std::vector<std::chrono::steady_clock::time_point> marks_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  assert(threads >= 0);
  return std::make_unique<CpuBackend>(threads > 0 ? threads : available_cores());
}

}  // namespace swag
