// The CUDA backend. Compiled for the emulator it is the device `emulator`.
//
// One stream, one cuBLAS handle, one scratch area for the reductions: kernels run one after the other, so
// they can share it. Nothing waits for the device but download() and the functions that return a number.
#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/content_loss.h"
#include "kernels/cuda/nvtx.cuh"
#include "kernels/lerp.h"
#include "src/backend/arguments.h"
#include "src/backend/cuda_backend.h"
#include "src/backend/cuda_gram.h"
#include "src/support/error.h"

namespace swag {
namespace {

constexpr int kLanes = 4;  // as many sizes as most networks' style taps have

float* floats(const Tensor& tensor) { return tensor.as<float>(); }

// What a map and what a gradient may be stored as: call(pointer) of that type.

template <typename Call>
void value_of(const Tensor& tensor, const Call& call) {
  if (tensor.dtype == DType::kTf32) return call(static_cast<Tf32*>(tensor.data));
  if (tensor.dtype == DType::kFloat16) return call(tensor.as<Float16>());
  call(tensor.as<float>());
}
template <typename Call>
void gradient_of(const Tensor& tensor, const Call& call) {
  if (tensor.dtype == DType::kTf32) return call(static_cast<Tf32*>(tensor.data));
  if (tensor.dtype == DType::kBFloat16) return call(tensor.as<BFloat16>());
  call(tensor.as<float>());
}
/// For kernels that compute nothing that would have to be rounded.
template <typename Call>
void moved_value_of(const Tensor& tensor, const Call& call) {
  if (tensor.dtype == DType::kFloat16) return call(tensor.as<Float16>());
  call(tensor.as<float>());
}
template <typename Call>
void moved_gradient_of(const Tensor& tensor, const Call& call) {
  if (tensor.dtype == DType::kBFloat16) return call(tensor.as<BFloat16>());
  call(tensor.as<float>());
}

/// Another tensor that is stored as the first.
template <typename T>
const T* same(const T*, const Tensor& tensor) {
  assert(size_of(tensor.dtype) == static_cast<int64_t>(sizeof(T)));
  return static_cast<const T*>(tensor.data);
}

/// With no counters yet.
cuda::TensorUnits tensor_units(int ordinal) {
  return translated([&] {
    constexpr int kFirstMajor = 8, kHopper = 9;  // compute capability
    cudaDeviceProp properties;
    CUDA_CHECK(cudaGetDeviceProperties(&properties, ordinal));
    cuda::TensorUnits units;
    if (properties.major < kFirstMajor) return units;
    units.processors = properties.multiProcessorCount;
    units.shared_bytes = static_cast<int>(properties.sharedMemPerBlockOptin);
    units.processor_shared_bytes = static_cast<int>(properties.sharedMemPerMultiprocessor);
    const char* wanted = std::getenv("SWAG_WGMMA");  // no GPU has run them yet
    units.wgmma = properties.major == kHopper && wanted && std::strcmp(wanted, "1") == 0;
    return units;
  });
}

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int ordinal) : ordinal_(ordinal), queue_(ordinal), units_(tensor_units(ordinal)) {
    scratch_bytes_ =
        std::max({cuda::softmax_workspace_bytes(), cuda::content_loss_workspace_bytes(),
                  cuda::gram_difference_workspace_bytes(), cuda::total_variation_workspace_bytes(),
                  cuda::vector_norms_workspace_bytes()});
    scratch_memory_ = Buffer(*this, scratch_bytes_ + kResultBytes);
    scratch_ = static_cast<char*>(scratch_memory_.data());
    counters_ = uploaded(*this, std::vector<uint32_t>(cuda::kTensorCounters, 0));
    units_.counters = static_cast<uint32_t*>(counters_.data());
  }
  ~CudaBackend() override {
    cudaSetDevice(ordinal_);
    cudaStreamSynchronize(queue_.stream());
    for (cudaEvent_t event : events_) cudaEventDestroy(event);
  }

  std::string description() const override {
    return cuda_device_name(ordinal_) + ", " + cuda_device_detail(ordinal_);
  }
  bool computes_in(DType dtype) const override {
    const bool tensor_cores = dtype == DType::kTf32 || dtype == DType::kFloat16;
    return dtype == DType::kFloat32 || (tensor_cores && units_.processors > 0);
  }

  // ---------------------------------------------------------------- memory

  int64_t available_bytes() const override { return cuda_free_bytes(ordinal_); }
  void* allocate(int64_t bytes) override {
    assert(bytes >= 0);
    return cuda_memory(ordinal_, bytes);
  }
  void deallocate(void* data) noexcept override {
    cudaSetDevice(ordinal_);
    cudaFree(data);
  }
  void upload(void* destination, const void* host, int64_t bytes) override {
    run(__func__, [&](Stream) {
      CUDA_CHECK(cudaMemcpyAsync(destination, host, static_cast<size_t>(bytes), cudaMemcpyHostToDevice,
                                 queue_.stream()));
      CUDA_CHECK(cudaStreamSynchronize(queue_.stream()));  // the caller may reuse its memory
    });
  }
  void download(void* host, const void* source, int64_t bytes) override {
    run(__func__, [&](Stream) {
      // Of an iteration's report: from memory that the driver need not copy once more.
      const bool small = bytes <= kPinnedBytes;
      void* const to = small ? pinned_.data() : host;
      CUDA_CHECK(
          cudaMemcpyAsync(to, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, queue_.stream()));
      CUDA_CHECK(cudaStreamSynchronize(queue_.stream()));
      if (small) std::memcpy(host, to, static_cast<size_t>(bytes));
    });
  }
  void copy(void* destination, const void* source, int64_t bytes) override {
    run(__func__, [&](Stream) {
      CUDA_CHECK(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice,
                                 queue_.stream()));
    });
  }
  void zero(void* destination, int64_t bytes) override {
    run(__func__, [&](Stream) {
      CUDA_CHECK(cudaMemsetAsync(destination, 0, static_cast<size_t>(bytes), queue_.stream()));
    });
  }

  // ---------------------------------------------------------------- convolution

  Conv2dAlgorithm conv2d_choose(const Conv2dLayer& layer, Conv2dDirection, DType dtype) override {
    return cuda::conv2d_choose(layer, dtype, units_);
  }
  int64_t conv2d_packed_bytes(const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction,
                              DType dtype) override {
    return cuda::conv2d_packed_bytes(layer, algorithm, direction, dtype);
  }
  void conv2d_pack(void* packed, const void* weight, const Conv2dLayer& layer, Conv2dAlgorithm algorithm,
                   Conv2dDirection direction, DType dtype, double factor) override {
    run(__func__, [&](Stream stream) {
      cuda::conv2d_pack(packed, static_cast<const float*>(weight), layer, algorithm, direction, dtype, stream,
                        static_cast<float>(factor));
    });
  }
  int64_t conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction, DType) override {
    return cuda::conv2d_workspace_bytes(params, direction, units_);
  }
  void conv2d_forward(const Tensor& y, const Tensor& x, const void* packed, const ForwardEpilogue& epilogue,
                      const Conv2dParams& params, void* workspace) override {
    assert(fits(y, x, params) && params.x_type == x.dtype && params.y_type == y.dtype);
    run(__func__, [&](Stream stream) {
      cuda::conv2d_forward(y.data, x.data, packed, epilogue, params, workspace, stream, units_);
    });
  }
  void conv2d_backward_data(const Tensor& dx, const Tensor& dy, const void* packed,
                            const BackwardEpilogue& epilogue, const Conv2dParams& params,
                            void* workspace) override {
    assert(fits(dy, dx, params) && params.x_type == dx.dtype && params.y_type == dy.dtype);
    run(__func__, [&](Stream stream) {
      cuda::conv2d_backward_data(dx.data, dy.data, packed, epilogue, params, workspace, stream, units_);
    });
  }

  // ---------------------------------------------------------------- the other ops of a network

  void batch_norm_forward(const Tensor& y, const Tensor& x, const void* scale, const void* shift) override {
    assert(same_map(x, y));
    run(__func__, [&](Stream stream) {
      value_of(y, [&](auto* to) {
        cuda::batch_norm_forward(to, same(to, x), static_cast<const float*>(scale),
                                 static_cast<const float*>(shift), batch_norm_params(x, y), stream);
      });
    });
  }
  void batch_norm_backward(const Tensor& dx, const Tensor& dy, const void* scale) override {
    assert(same_map(dx, dy));
    run(__func__, [&](Stream stream) {
      gradient_of(dx, [&](auto* to) {
        cuda::batch_norm_backward(to, same(to, dy), static_cast<const float*>(scale),
                                  batch_norm_params(dx, dy), stream);
      });
    });
  }
  void relu_forward(const Tensor& y, uint32_t* mask, const Tensor& x) override {
    assert(same_map(x, y));
    run(__func__, [&](Stream stream) {
      moved_value_of(y,
                     [&](auto* to) { cuda::relu_forward(to, mask, same(to, x), relu_params(x, y), stream); });
    });
  }
  void relu_backward(const Tensor& dx, const Tensor& dy, const uint32_t* mask) override {
    assert(same_map(dx, dy) && mask);
    run(__func__, [&](Stream stream) {
      moved_gradient_of(
          dx, [&](auto* to) { cuda::relu_backward(to, same(to, dy), mask, relu_params(dx, dy), stream); });
    });
  }
  void add_forward(const Tensor& y, const Tensor& a, const Tensor& b) override {
    assert(same_map(y, a) && same_map(y, b));
    run(__func__, [&](Stream stream) {
      const AddParams params = add_params(y, a, b);
      const auto add = [&](auto* to) { cuda::add_forward(to, same(to, a), same(to, b), params, stream); };
      if (y.dtype != DType::kBFloat16) return value_of(y, add);
      auto* const to = y.as<BFloat16>();
      if (b.dtype == DType::kBFloat16) return add(to);
      cuda::add_forward(to, same(to, a), floats(b), params, stream);
    });
  }
  void copy_channels(const Tensor& y, const Tensor& x) override {
    assert(same_map(x, y));
    run(__func__, [&](Stream stream) {
      const auto copy = [&](auto* to) {
        cuda::copy_channels(to, same(to, x), copy_channels_params(x, y), stream);
      };
      y.dtype == DType::kBFloat16 ? moved_gradient_of(y, copy) : moved_value_of(y, copy);
    });
  }
  void pad_replicate_forward(const Tensor& y, const Tensor& x) override {
    run(__func__,
        [&](Stream stream) { cuda::pad_replicate_forward(floats(y), floats(x), pad_params(y, x), stream); });
  }
  void pad_replicate_backward(const Tensor& dx, const Tensor& dy) override {
    run(__func__, [&](Stream stream) {
      cuda::pad_replicate_backward(floats(dx), floats(dy), pad_params(dy, dx), stream);
    });
  }
  void normalize(const Tensor& y, const float* rgb) override {
    assert(is_picture(y));
    run(__func__, [&](Stream stream) { cuda::normalize(floats(y), rgb, y.pixels(), stream); });
  }
  void denormalize(float* rgb, const Tensor& x) override {
    assert(is_picture(x));
    run(__func__, [&](Stream stream) { cuda::denormalize(rgb, floats(x), x.pixels(), stream); });
  }
  void resize(const Tensor& y, const Tensor& x, const ResizeWeights& weights,
              const ResizeParams& params) override {
    assert(fits(y, x, params));
    run(__func__, [&](Stream stream) { cuda::resize(floats(y), floats(x), weights, params, stream); });
  }
  void max_pool2d_forward(const Tensor& y, uint8_t* position, const Tensor& x,
                          const Pool2dParams& params) override {
    assert(fits(y, x, params));
    run(__func__, [&](Stream stream) {
      moved_value_of(y,
                     [&](auto* to) { cuda::max_pool2d_forward(to, position, same(to, x), params, stream); });
    });
  }
  void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const uint8_t* position,
                           const Pool2dParams& params) override {
    assert(fits(dy, dx, params));
    run(__func__, [&](Stream stream) {
      gradient_of(dx,
                  [&](auto* to) { cuda::max_pool2d_backward(to, same(to, dy), position, params, stream); });
    });
  }
  void avg_pool2d_forward(const Tensor& y, const Tensor& x, const Pool2dParams& params) override {
    assert(fits(y, x, params));
    run(__func__, [&](Stream stream) {
      value_of(y, [&](auto* to) { cuda::avg_pool2d_forward(to, same(to, x), params, stream); });
    });
  }
  void avg_pool2d_backward(const Tensor& dx, const Tensor& dy, const Pool2dParams& params) override {
    assert(fits(dy, dx, params));
    run(__func__, [&](Stream stream) {
      gradient_of(dx, [&](auto* to) { cuda::avg_pool2d_backward(to, same(to, dy), params, stream); });
    });
  }

  void gather_positions(const Tensor& y, const Tensor& x, const int32_t* positions) override {
    run(__func__, [&](Stream stream) {
      moved_value_of(y, [&](auto* to) {
        cuda::gather_positions(to, same(to, x), positions, gather_params(y, x), stream);
      });
    });
  }
  void scatter_positions(const Tensor& dx, const Tensor& dy, const int32_t* positions) override {
    run(__func__, [&](Stream stream) {
      gradient_of(dx, [&](auto* to) {
        cuda::scatter_positions(to, same(to, dy), positions, gather_params(dy, dx), stream);
      });
    });
  }

  // ---------------------------------------------------------------- smoothing and losses

  void softmax_statistics(SoftmaxStatistics* statistics, const Tensor& f, double temperature) override {
    run(__func__, [&](Stream stream) {
      moved_value_of(f, [&](const auto* from) {
        cuda::softmax_statistics(statistics, from, scratch_, softmax_params(f, temperature), stream);
      });
    });
  }
  void softmax_forward(const Tensor& s, const Tensor& f, const SoftmaxStatistics* statistics,
                       double temperature) override {
    assert(same_dense(s, f));
    run(__func__, [&](Stream stream) {
      moved_value_of(f, [&](const auto* from) {
        cuda::softmax_forward(floats(s), from, statistics, softmax_params(f, temperature), stream);
      });
    });
  }
  void softmax_backward(const Tensor& df, const Tensor& ds, const Tensor& s, const SoftmaxInner& inner,
                        double temperature) override {
    assert(same_dense(df, ds) && same_dense(df, s));
    run(__func__, [&](Stream stream) {
      gradient_of(df, [&](auto* to) {
        cuda::softmax_backward(to, floats(ds), floats(s), inner, softmax_params(s, temperature), stream);
      });
    });
  }
  void softmax_channel_forward(const Tensor& s, const Tensor& f, double temperature) override {
    assert(same_dense(s, f));
    run(__func__, [&](Stream stream) {
      moved_value_of(f, [&](const auto* from) {
        cuda::softmax_channel_forward(floats(s), from, softmax_params(f, temperature), stream);
      });
    });
  }
  void softmax_channel_backward(const Tensor& df, const Tensor& ds, const Tensor& s,
                                double temperature) override {
    assert(same_dense(df, ds) && same_dense(df, s));
    run(__func__, [&](Stream stream) {
      gradient_of(df, [&](auto* to) {
        cuda::softmax_channel_backward(to, floats(ds), floats(s), softmax_params(s, temperature), stream);
      });
    });
  }
  void scale(const Tensor& y, const Tensor& x, double factor) override {
    assert(same_dense(y, x));
    run(__func__, [&](Stream stream) {
      if (x.dtype == DType::kFloat16) {
        return cuda::scale(floats(y), x.as<Float16>(), factor * x.scale, x.count(), stream);
      }
      gradient_of(y, [&](auto* to) { cuda::scale(to, floats(x), factor, x.count(), stream); });
    });
  }
  double softmax_entropy(const Tensor& f, double temperature) override {
    run(__func__, [&](Stream stream) {
      moved_value_of(f, [&](const auto* from) {
        cuda::softmax_entropy(result(), from, scratch_, softmax_params(f, temperature), stream);
      });
    });
    return read_result();
  }
  double softmax_channel_entropy(const Tensor& f, double temperature) override {
    run(__func__, [&](Stream stream) {
      moved_value_of(f, [&](const auto* from) {
        cuda::softmax_channel_entropy(result(), from, scratch_, softmax_params(f, temperature), stream);
      });
    });
    return read_result();
  }
  int64_t gram_workspace_bytes(Shape shape, DType) override {
    const int64_t bytes =
        std::max(cuda::gram_workspace_bytes(gram_params(shape)), gram_product_workspace_bytes(shape, units_));
    if (!cuda::gram_tensor_suits(shape.c, units_)) return bytes;
    return std::max(bytes, cuda::gram_workspace_bytes(gram_params(shape), units_));
  }
  void gram_forward(double* a, const Tensor& s, void* workspace) override {
    assert(s.dense() && s.count() > 0);
    run(__func__, [&](Stream stream) {
      const GramParams params = gram_params(s.shape, s.scale);
      if (s.dtype != DType::kFloat32 && cuda::gram_tensor_suits(s.shape.c, units_)) {
        if (s.dtype == DType::kFloat16) {
          return cuda::gram_forward(a, s.as<Float16>(), workspace, params, units_, stream);
        }
        return cuda::gram_forward(a, static_cast<const Tf32*>(s.data), workspace, params, units_, stream);
      }
      moved_value_of(s, [&](const auto* from) {
        cuda::gram_forward(a, from, workspace, params, cuda::Blas{queue_.cublas()}, stream);
      });
    });
  }
  void gram_difference(double* loss, double* inner, void* difference, const double* a, const double* target,
                       int d, DType) override {
    run(__func__, [&](Stream stream) {
      cuda::gram_difference(loss, inner, static_cast<float*>(difference), a, target, scratch_, d, stream);
    });
  }
  void gram_backward(const Tensor& ds, const Tensor& s, const void* difference, const double* offset,
                     double factor, bool accumulate, void* workspace) override {
    assert(same_dense(ds, s) && ds.data != s.data);
    run(__func__, [&](Stream stream) {
      const bool tf32 = ds.dtype == DType::kTf32 && s.dtype == DType::kTf32;
      if (s.dtype == DType::kFloat16 || (tf32 && cuda::gram_tensor_suits(s.shape.c, units_))) {
        return gram_product(ds, s, static_cast<const float*>(difference), offset, factor, accumulate,
                            workspace, units_, stream);
      }
      cuda::gram_backward(floats(ds), floats(s), static_cast<const float*>(difference), offset, factor,
                          accumulate, gram_params(s.shape), cuda::Blas{queue_.cublas()}, stream);
      if (ds.dtype == DType::kTf32) {
        cuda::scale(static_cast<Tf32*>(ds.data), floats(ds), 1, ds.count(), stream);
      }
    });
  }
  int64_t moments_workspace_bytes(Shape shape, DType) override {
    return cuda::moments_workspace_bytes(gram_params(shape));
  }
  void moments_forward(double* gram, double* mean, const Tensor& s, void* workspace) override {
    assert(s.dense() && s.count() > 0);
    run(__func__, [&](Stream stream) {
      moved_value_of(s, [&](const auto* from) {
        cuda::moments_forward(gram, mean, from, workspace, gram_params(s.shape, s.scale),
                              cuda::Blas{queue_.cublas()}, stream);
      });
    });
  }
  int64_t wasserstein_workspace_bytes(int d) override { return cuda::wasserstein_workspace_bytes(d); }
  void wasserstein_forward(const std::vector<WassersteinProblem>& problems, DType) override {
    run(__func__, [&](Stream) {
      if (!lanes_) lanes_ = std::make_unique<CudaLanes>(ordinal_, queue_, kLanes);
      lanes_->fork();
      cuda::wasserstein_forward(problems.data(), static_cast<int>(problems.size()), lanes_->data(),
                                lanes_->count());
      lanes_->join();
    });
  }
  void content_loss_forward(double* loss, double* inner, const Tensor& s, const Tensor& target) override {
    assert(same_dense(s, target) && s.scale == target.scale);
    run(__func__, [&](Stream stream) {
      moved_value_of(s, [&](const auto* from) {
        cuda::content_loss_forward(loss, inner, from, same(from, target), s.scale, scratch_, s.count(),
                                   stream);
      });
    });
  }
  void content_loss_backward(const Tensor& ds, const Tensor& s, const Tensor& target, double factor,
                             bool accumulate) override {
    assert(same_dense(ds, s) && same_dense(s, target) && s.scale == target.scale);
    run(__func__, [&](Stream stream) {
      const auto backward = [&](auto* to, const auto* from) {
        cuda::content_loss_backward(to, from, same(from, target), factor * s.scale, accumulate, s.count(),
                                    stream);
      };
      if (s.dtype == DType::kFloat16) return backward(ds.as<BFloat16>(), s.as<Float16>());
      if (ds.dtype == DType::kTf32) return backward(static_cast<Tf32*>(ds.data), floats(s));
      backward(floats(ds), floats(s));
    });
  }
  void total_variation(double* loss, const Tensor& dx, const Tensor& x, double factor) override {
    assert(same_dense(dx, x) && dx.data != x.data);
    run(__func__, [&](Stream stream) {
      cuda::total_variation(loss, floats(dx), floats(x), factor, scratch_, total_variation_params(x), stream);
    });
  }
  void total_variation_nine_point(double* loss, const Tensor& dx, const Tensor& x, double factor) override {
    assert(same_dense(dx, x) && dx.data != x.data && is_picture(x));
    run(__func__, [&](Stream stream) {
      cuda::total_variation_nine_point(loss, floats(dx), floats(x), factor, scratch_,
                                       total_variation_params(x), stream);
    });
  }

  // ---------------------------------------------------------------- optimisers

  void vector_norms(VectorNorms* norms, const Tensor& x) override {
    assert(x.dense());
    run(__func__, [&](Stream stream) { cuda::vector_norms(norms, floats(x), scratch_, x.count(), stream); });
  }
  void adam_step(const Tensor& x, const Tensor& m, const Tensor& v, const Tensor& g,
                 const AdamParams& params) override {
    assert(same_dense(x, m) && same_dense(x, v) && same_dense(x, g) && params.step >= 1);
    run(__func__, [&](Stream stream) {
      cuda::adam_step(floats(x), floats(m), floats(v), floats(g), params, x.count(), stream);
    });
  }
  void lerp(const Tensor& y, const Tensor& x, double weight) override {
    assert(same_dense(y, x));
    run(__func__, [&](Stream stream) { cuda::lerp(floats(y), floats(x), weight, y.count(), stream); });
  }
  int64_t lbfgs_workspace_bytes(int history, Shape shape, DType) override {
    return cuda::lbfgs_workspace_bytes(history, shape.count());
  }
  void lbfgs_measure(GradientReport* report, const Tensor& gradient, const LbfgsMemory& memory,
                     const LbfgsMeasureParams& params) override {
    assert(same_dense(gradient, memory.x));
    run(__func__, [&](Stream stream) {
      cuda::lbfgs_measure(report, floats(gradient), lbfgs_state<float>(memory), params, memory.workspace,
                          stream);
    });
  }
  void lbfgs_step(const LbfgsMemory& memory, const Tensor& gradient, const LbfgsStepParams& params) override {
    assert(same_dense(gradient, memory.x));
    run(__func__, [&](Stream stream) {
      cuda::lbfgs_step(lbfgs_state<float>(memory), floats(gradient), params, stream);
    });
  }
  void lbfgs_move(const LbfgsMemory& memory, double step) override {
    assert(memory.start.data);
    run(__func__, [&](Stream stream) { cuda::lbfgs_move(lbfgs_state<float>(memory), step, stream); });
  }

  // ---------------------------------------------------------------- recordings, profilers and benchmarks

  std::unique_ptr<Recording> record(const std::function<void()>& calls) override {
    const char* wanted = std::getenv("SWAG_CUDA_GRAPH");
    if (wanted && std::strcmp(wanted, "0") == 0) return nullptr;
    return translated([&]() -> std::unique_ptr<Recording> {
      CUDA_CHECK(cudaSetDevice(ordinal_));
      return CudaRecording::capture(ordinal_, queue_, calls);
    });
  }
  void range_push(const char* name) override { nvtx_push(name); }
  void range_pop() override { nvtx_pop(); }
  void mark() override {
    translated([&] {
      CUDA_CHECK(cudaSetDevice(ordinal_));
      if (marks_ == events_.size()) {
        events_.push_back(nullptr);
        CUDA_CHECK(cudaEventCreate(&events_.back()));
      }
      CUDA_CHECK(cudaEventRecord(events_[marks_], queue_.stream()));
      ++marks_;
    });
  }
  std::vector<double> take_marks() override {
    std::vector<double> milliseconds;
    translated([&] {
      CUDA_CHECK(cudaSetDevice(ordinal_));
      CUDA_CHECK(cudaStreamSynchronize(queue_.stream()));
      for (size_t i = 0; i < marks_; ++i) {
        float elapsed = 0;
        CUDA_CHECK(cudaEventElapsedTime(&elapsed, events_[0], events_[i]));
        milliseconds.push_back(static_cast<double>(elapsed));
      }
    });
    marks_ = 0;
    return milliseconds;
  }
  void matrix_product(const Tensor& y, const Tensor& a, const Tensor& b) override {
    assert(y.dense() && a.dense() && b.dense());
    run(__func__, [&](Stream) {
      // Row-major y = a b is column-major y^T = b^T a^T.
      const int m = a.shape.w, k = a.shape.c, n = b.shape.c;
      const float one = 1, zero = 0;
      if (cublasSgemm(queue_.cublas(), CUBLAS_OP_N, CUBLAS_OP_N, n, m, k, &one, floats(b), n, floats(a), k,
                      &zero, floats(y), n) != CUBLAS_STATUS_SUCCESS) {
        throw Error(Status::kDevice, "cublasSgemm failed");
      }
    });
  }

 private:
  static constexpr int64_t kResultBytes = 256, kPinnedBytes = 64 << 10;

  /// call(stream) with this backend's device the current one of the calling thread, as a range of profilers.
  template <typename Call>
  void run(const char* op, Call&& call) {
    const ProfileRange range(*this, op);
    translated([&] {
      CUDA_CHECK(cudaSetDevice(ordinal_));
      call(Stream{queue_.stream()});
    });
  }

  /// Where a kernel leaves one number for read_result().
  double* result() { return reinterpret_cast<double*>(scratch_ + scratch_bytes_); }
  double read_result() {
    double value = 0;
    download(&value, result(), sizeof value);
    return value;
  }

  int ordinal_;
  CudaQueue queue_;
  PinnedMemory pinned_{kPinnedBytes};
  cuda::TensorUnits units_;
  Buffer counters_;                   // of the units
  std::unique_ptr<CudaLanes> lanes_;  // once they are needed
  Buffer scratch_memory_;
  char* scratch_ = nullptr;
  int64_t scratch_bytes_ = 0;
  std::vector<cudaEvent_t> events_;  // kept, so that marking allocates nothing once they are there
  size_t marks_ = 0;                 // of them in use
};

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(int ordinal) { return std::make_unique<CudaBackend>(ordinal); }

}  // namespace swag
