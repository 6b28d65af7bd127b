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

/// call(pointer) of the type that the tensor is stored as: for kernels that write what they compute.
template <typename Call>
void stored(const Tensor& tensor, const Call& call) {
  if (tensor.dtype == DType::kTf32) return call(static_cast<Tf32*>(tensor.data));
  call(tensor.as<float>());
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
    return dtype == DType::kFloat32 || (dtype == DType::kTf32 && units_.processors > 0);
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
                              DType) override {
    return cuda::conv2d_packed_count(layer, algorithm, direction) * int64_t{sizeof(float)};
  }
  void conv2d_pack(void* packed, const void* weight, const Conv2dLayer& layer, Conv2dAlgorithm algorithm,
                   Conv2dDirection direction, DType) override {
    run(__func__, [&](Stream stream) {
      cuda::conv2d_pack(static_cast<float*>(packed), static_cast<const float*>(weight), layer, algorithm,
                        direction, stream);
    });
  }
  int64_t conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction, DType) override {
    return cuda::conv2d_workspace_bytes(params, direction, units_);
  }
  void conv2d_forward(const Tensor& y, const Tensor& x, const void* packed, const ForwardEpilogue& epilogue,
                      const Conv2dParams& params, void* workspace) override {
    run(__func__, [&](Stream stream) {
      const Conv2dForwardEpilogue<float> typed{static_cast<const float*>(epilogue.bias),
                                               static_cast<const float*>(epilogue.residual), epilogue.relu,
                                               epilogue.mask};
      cuda::conv2d_forward(floats(y), floats(x), static_cast<const float*>(packed), typed,
                           with_types(params, x, y), workspace, stream, units_);
    });
  }
  void conv2d_backward_data(const Tensor& dx, const Tensor& dy, const void* packed,
                            const BackwardEpilogue& epilogue, const Conv2dParams& params,
                            void* workspace) override {
    run(__func__, [&](Stream stream) {
      const Conv2dBackwardEpilogue<float> typed{static_cast<const float*>(epilogue.addend), epilogue.mask};
      cuda::conv2d_backward_data(floats(dx), floats(dy), static_cast<const float*>(packed), typed,
                                 with_types(params, dx, dy), workspace, stream, units_);
    });
  }

  // ---------------------------------------------------------------- the other ops of a network

  void batch_norm_forward(const Tensor& y, const Tensor& x, const void* scale, const void* shift) override {
    assert(same_map(x, y));
    run(__func__, [&](Stream stream) {
      stored(y, [&](auto* to) {
        cuda::batch_norm_forward(to, floats(x), static_cast<const float*>(scale),
                                 static_cast<const float*>(shift), batch_norm_params(x, y), stream);
      });
    });
  }
  void batch_norm_backward(const Tensor& dx, const Tensor& dy, const void* scale) override {
    assert(same_map(dx, dy));
    run(__func__, [&](Stream stream) {
      stored(dx, [&](auto* to) {
        cuda::batch_norm_backward(to, floats(dy), static_cast<const float*>(scale), batch_norm_params(dx, dy),
                                  stream);
      });
    });
  }
  void relu_forward(const Tensor& y, uint32_t* mask, const Tensor& x) override {
    assert(same_map(x, y));
    run(__func__,
        [&](Stream stream) { cuda::relu_forward(floats(y), mask, floats(x), relu_params(x, y), stream); });
  }
  void relu_backward(const Tensor& dx, const Tensor& dy, const uint32_t* mask) override {
    assert(same_map(dx, dy) && mask);
    run(__func__, [&](Stream stream) {
      cuda::relu_backward(floats(dx), floats(dy), mask, relu_params(dx, dy), stream);
    });
  }
  void add_forward(const Tensor& y, const Tensor& a, const Tensor& b) override {
    assert(same_map(y, a) && same_map(y, b));
    run(__func__, [&](Stream stream) {
      stored(y, [&](auto* to) { cuda::add_forward(to, floats(a), floats(b), add_params(y, a, b), stream); });
    });
  }
  void copy_channels(const Tensor& y, const Tensor& x) override {
    assert(same_map(y, x));
    run(__func__, [&](Stream stream) {
      cuda::copy_channels(floats(y), floats(x), copy_channels_params(x, y), stream);
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
    run(__func__,
        [&](Stream stream) { cuda::max_pool2d_forward(floats(y), position, floats(x), params, stream); });
  }
  void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const uint8_t* position,
                           const Pool2dParams& params) override {
    assert(fits(dy, dx, params));
    run(__func__, [&](Stream stream) {
      stored(dx, [&](auto* to) { cuda::max_pool2d_backward(to, floats(dy), position, params, stream); });
    });
  }
  void avg_pool2d_forward(const Tensor& y, const Tensor& x, const Pool2dParams& params) override {
    assert(fits(y, x, params));
    run(__func__, [&](Stream stream) {
      stored(y, [&](auto* to) { cuda::avg_pool2d_forward(to, floats(x), params, stream); });
    });
  }
  void avg_pool2d_backward(const Tensor& dx, const Tensor& dy, const Pool2dParams& params) override {
    assert(fits(dy, dx, params));
    run(__func__, [&](Stream stream) {
      stored(dx, [&](auto* to) { cuda::avg_pool2d_backward(to, floats(dy), params, stream); });
    });
  }

  void gather_positions(const Tensor& y, const Tensor& x, const int32_t* positions) override {
    run(__func__, [&](Stream stream) {
      cuda::gather_positions(floats(y), floats(x), positions, gather_params(y, x), stream);
    });
  }
  void scatter_positions(const Tensor& dx, const Tensor& dy, const int32_t* positions) override {
    run(__func__, [&](Stream stream) {
      stored(dx, [&](auto* to) {
        cuda::scatter_positions(to, floats(dy), positions, gather_params(dy, dx), stream);
      });
    });
  }

  // ---------------------------------------------------------------- smoothing and losses

  void softmax_statistics(SoftmaxStatistics* statistics, const Tensor& f, double temperature) override {
    run(__func__, [&](Stream stream) {
      cuda::softmax_statistics(statistics, floats(f), scratch_, softmax_params(f, temperature), stream);
    });
  }
  void softmax_forward(const Tensor& s, const Tensor& f, const SoftmaxStatistics* statistics,
                       double temperature) override {
    assert(same_dense(s, f));
    run(__func__, [&](Stream stream) {
      cuda::softmax_forward(floats(s), floats(f), statistics, softmax_params(f, temperature), stream);
    });
  }
  void softmax_backward(const Tensor& df, const Tensor& ds, const Tensor& s, const SoftmaxInner& inner,
                        double temperature) override {
    assert(same_dense(df, ds) && same_dense(df, s));
    run(__func__, [&](Stream stream) {
      stored(df, [&](auto* to) {
        cuda::softmax_backward(to, floats(ds), floats(s), inner, softmax_params(s, temperature), stream);
      });
    });
  }
  void softmax_channel_forward(const Tensor& s, const Tensor& f, double temperature) override {
    assert(same_dense(s, f));
    run(__func__, [&](Stream stream) {
      cuda::softmax_channel_forward(floats(s), floats(f), softmax_params(f, temperature), stream);
    });
  }
  void softmax_channel_backward(const Tensor& df, const Tensor& ds, const Tensor& s,
                                double temperature) override {
    assert(same_dense(df, ds) && same_dense(df, s));
    run(__func__, [&](Stream stream) {
      stored(df, [&](auto* to) {
        cuda::softmax_channel_backward(to, floats(ds), floats(s), softmax_params(s, temperature), stream);
      });
    });
  }
  void scale(const Tensor& y, const Tensor& x, double factor) override {
    assert(same_dense(y, x));
    run(__func__, [&](Stream stream) {
      stored(y, [&](auto* to) { cuda::scale(to, floats(x), factor, x.count(), stream); });
    });
  }
  double softmax_entropy(const Tensor& f, double temperature) override {
    run(__func__, [&](Stream stream) {
      cuda::softmax_entropy(result(), floats(f), scratch_, softmax_params(f, temperature), stream);
    });
    return read_result();
  }
  double softmax_channel_entropy(const Tensor& f, double temperature) override {
    run(__func__, [&](Stream stream) {
      cuda::softmax_channel_entropy(result(), floats(f), scratch_, softmax_params(f, temperature), stream);
    });
    return read_result();
  }
  int64_t gram_workspace_bytes(Shape shape, DType) override {
    const int64_t bytes = cuda::gram_workspace_bytes(gram_params(shape));
    if (!cuda::gram_tensor_suits(shape.c, units_)) return bytes;
    return std::max({bytes, cuda::gram_workspace_bytes(gram_params(shape), units_),
                     gram_product_workspace_bytes(shape, units_)});
  }
  void gram_forward(double* a, const Tensor& s, void* workspace) override {
    assert(s.dense() && s.count() > 0);
    run(__func__, [&](Stream stream) {
      if (s.dtype == DType::kTf32 && cuda::gram_tensor_suits(s.shape.c, units_)) {
        return cuda::gram_forward(a, static_cast<const Tf32*>(s.data), workspace, gram_params(s.shape),
                                  units_, stream);
      }
      cuda::gram_forward(a, floats(s), workspace, gram_params(s.shape), cuda::Blas{queue_.cublas()}, stream);
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
      if (tf32 && cuda::gram_tensor_suits(s.shape.c, units_)) {
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
      cuda::moments_forward(gram, mean, floats(s), workspace, gram_params(s.shape),
                            cuda::Blas{queue_.cublas()}, stream);
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
    assert(same_dense(s, target));
    run(__func__, [&](Stream stream) {
      cuda::content_loss_forward(loss, inner, floats(s), floats(target), scratch_, s.count(), stream);
    });
  }
  void content_loss_backward(const Tensor& ds, const Tensor& s, const Tensor& target, double factor,
                             bool accumulate) override {
    assert(same_dense(ds, s) && same_dense(s, target));
    run(__func__, [&](Stream stream) {
      stored(ds, [&](auto* to) {
        cuda::content_loss_backward(to, floats(s), floats(target), factor, accumulate, s.count(), stream);
      });
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

  /// For x and y on the image's and on the far side.
  static Conv2dParams with_types(Conv2dParams params, const Tensor& x, const Tensor& y) {
    params.x_type = x.dtype;
    params.y_type = y.dtype;
    return params;
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
