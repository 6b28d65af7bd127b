// The CUDA backend. Compiled for the emulator it is the device `emulator`.
//
// One stream, one cuBLAS handle, one scratch area for the reductions: kernels run one after the other, so
// they can share it. Nothing waits for the device but download() and the functions that return a number.
#include <cublas_v2.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "kernels/content_loss.h"
#include "src/backend_arguments.h"
#include "src/backend_cuda.h"
#include "src/error.h"

namespace swag {
namespace {

constexpr int64_t kMebibyte = 1 << 20;

float* floats(const Tensor& tensor) { return tensor.as<float>(); }

/// A stream, and the cuBLAS handle that works on it.
class Queue {
 public:
  explicit Queue(int ordinal) {
    translated([&] {
      CUDA_CHECK(cudaSetDevice(ordinal));
      CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    });
    if (cublasCreate(&cublas_) != CUBLAS_STATUS_SUCCESS) {
      cudaStreamDestroy(stream_);
      throw Error(Status::kDevice, "cuBLAS cannot be used on " + cuda_device_name(ordinal));
    }
    cublasSetStream(cublas_, stream_);
  }
  ~Queue() {
    cublasDestroy(cublas_);
    cudaStreamDestroy(stream_);
  }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  cudaStream_t stream() const { return stream_; }
  cublasHandle_t cublas() const { return cublas_; }

 private:
  cudaStream_t stream_ = nullptr;
  cublasHandle_t cublas_ = nullptr;
};

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int ordinal) : ordinal_(ordinal), queue_(ordinal) {
    scratch_bytes_ =
        std::max({cuda::softmax_workspace_bytes(), cuda::content_loss_workspace_bytes(),
                  cuda::gram_difference_workspace_bytes(), cuda::total_variation_workspace_bytes(),
                  cuda::vector_norms_workspace_bytes()});
    scratch_memory_ = Buffer(*this, scratch_bytes_ + kResultBytes);
    scratch_ = static_cast<char*>(scratch_memory_.data());
  }
  ~CudaBackend() override {
    cudaSetDevice(ordinal_);
    cudaStreamSynchronize(queue_.stream());
    cudaFree(dots_);
  }

  std::string description() const override {
    return cuda_device_name(ordinal_) + ", " + cuda_device_detail(ordinal_);
  }
  bool computes_in(DType dtype) const override { return dtype == DType::kFloat32; }

  // ---------------------------------------------------------------- memory

  int64_t available_bytes() const override {
    return translated([&] {
      size_t free = 0, total = 0;
      CUDA_CHECK(cudaSetDevice(ordinal_));
      CUDA_CHECK(cudaMemGetInfo(&free, &total));
      return static_cast<int64_t>(free);
    });
  }
  void* allocate(int64_t bytes) override {
    assert(bytes >= 0);
    return translated([&] {
      void* data = nullptr;
      CUDA_CHECK(cudaSetDevice(ordinal_));
      const cudaError_t code = cudaMalloc(&data, static_cast<size_t>(bytes));
      if (code == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        throw Error(Status::kMemory,
                    "cannot allocate " + std::to_string((bytes + kMebibyte - 1) / kMebibyte) + " MiB on " +
                        cuda_device_name(ordinal_) + ", which has " +
                        std::to_string(available_bytes() / kMebibyte) + " MiB free: use a smaller size");
      }
      CUDA_CHECK(code);
      return data;
    });
  }
  void deallocate(void* data) noexcept override {
    cudaSetDevice(ordinal_);
    cudaFree(data);
  }
  void upload(void* destination, const void* host, int64_t bytes) override {
    run([&](Stream) {
      CUDA_CHECK(cudaMemcpyAsync(destination, host, static_cast<size_t>(bytes), cudaMemcpyHostToDevice,
                                 queue_.stream()));
      CUDA_CHECK(cudaStreamSynchronize(queue_.stream()));  // the caller may reuse its memory
    });
  }
  void download(void* host, const void* source, int64_t bytes) override {
    run([&](Stream) {
      CUDA_CHECK(
          cudaMemcpyAsync(host, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, queue_.stream()));
      CUDA_CHECK(cudaStreamSynchronize(queue_.stream()));
    });
  }
  void copy(void* destination, const void* source, int64_t bytes) override {
    run([&](Stream) {
      CUDA_CHECK(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice,
                                 queue_.stream()));
    });
  }
  void zero(void* destination, int64_t bytes) override {
    run([&](Stream) {
      CUDA_CHECK(cudaMemsetAsync(destination, 0, static_cast<size_t>(bytes), queue_.stream()));
    });
  }

  // ---------------------------------------------------------------- convolution

  Conv2dAlgorithm conv2d_choose(const Conv2dLayer& layer, Conv2dDirection direction, DType) override {
    return cuda::conv2d_choose(layer, direction);
  }
  int64_t conv2d_packed_bytes(const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction,
                              DType) override {
    return cuda::conv2d_packed_count(layer, algorithm, direction) * int64_t{sizeof(float)};
  }
  void conv2d_pack(void* packed, const void* weight, const Conv2dLayer& layer, Conv2dAlgorithm algorithm,
                   Conv2dDirection direction, DType) override {
    run([&](Stream stream) {
      cuda::conv2d_pack(static_cast<float*>(packed), static_cast<const float*>(weight), layer, algorithm,
                        direction, stream);
    });
  }
  int64_t conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction, DType) override {
    return cuda::conv2d_workspace_bytes(params, direction);
  }
  void conv2d_forward(const Tensor& y, const Tensor& x, const void* packed, const ForwardEpilogue& epilogue,
                      const Conv2dParams& params, void* workspace) override {
    run([&](Stream stream) {
      const Conv2dForwardEpilogue<float> typed{static_cast<const float*>(epilogue.bias),
                                               static_cast<const float*>(epilogue.residual), epilogue.relu,
                                               epilogue.mask};
      cuda::conv2d_forward(floats(y), floats(x), static_cast<const float*>(packed), typed, params, workspace,
                           stream);
    });
  }
  void conv2d_backward_data(const Tensor& dx, const Tensor& dy, const void* packed,
                            const BackwardEpilogue& epilogue, const Conv2dParams& params,
                            void* workspace) override {
    run([&](Stream stream) {
      const Conv2dBackwardEpilogue<float> typed{static_cast<const float*>(epilogue.addend), epilogue.mask};
      cuda::conv2d_backward_data(floats(dx), floats(dy), static_cast<const float*>(packed), typed, params,
                                 workspace, stream);
    });
  }

  // ---------------------------------------------------------------- the other ops of a network

  void batch_norm_forward(const Tensor& y, const Tensor& x, const void* scale, const void* shift) override {
    assert(same_map(x, y));
    run([&](Stream stream) {
      cuda::batch_norm_forward(floats(y), floats(x), static_cast<const float*>(scale),
                               static_cast<const float*>(shift), batch_norm_params(x, y), stream);
    });
  }
  void batch_norm_backward(const Tensor& dx, const Tensor& dy, const void* scale) override {
    assert(same_map(dx, dy));
    run([&](Stream stream) {
      cuda::batch_norm_backward(floats(dx), floats(dy), static_cast<const float*>(scale),
                                batch_norm_params(dx, dy), stream);
    });
  }
  void relu_forward(const Tensor& y, uint32_t* mask, const Tensor& x) override {
    assert(same_map(x, y));
    run([&](Stream stream) { cuda::relu_forward(floats(y), mask, floats(x), relu_params(x, y), stream); });
  }
  void relu_backward(const Tensor& dx, const Tensor& dy, const uint32_t* mask) override {
    assert(same_map(dx, dy) && mask);
    run([&](Stream stream) {
      cuda::relu_backward(floats(dx), floats(dy), mask, relu_params(dx, dy), stream);
    });
  }
  void add_forward(const Tensor& y, const Tensor& a, const Tensor& b) override {
    assert(same_map(y, a) && same_map(y, b));
    run([&](Stream stream) {
      cuda::add_forward(floats(y), floats(a), floats(b), add_params(y, a, b), stream);
    });
  }
  void max_pool2d_forward(const Tensor& y, uint8_t* position, const Tensor& x,
                          const Pool2dParams& params) override {
    assert(fits(y, x, params));
    run([&](Stream stream) { cuda::max_pool2d_forward(floats(y), position, floats(x), params, stream); });
  }
  void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const uint8_t* position,
                           const Pool2dParams& params) override {
    assert(fits(dy, dx, params));
    run([&](Stream stream) { cuda::max_pool2d_backward(floats(dx), floats(dy), position, params, stream); });
  }
  void avg_pool2d_forward(const Tensor& y, const Tensor& x, const Pool2dParams& params) override {
    assert(fits(y, x, params));
    run([&](Stream stream) { cuda::avg_pool2d_forward(floats(y), floats(x), params, stream); });
  }
  void avg_pool2d_backward(const Tensor& dx, const Tensor& dy, const Pool2dParams& params) override {
    assert(fits(dy, dx, params));
    run([&](Stream stream) { cuda::avg_pool2d_backward(floats(dx), floats(dy), params, stream); });
  }

  // ---------------------------------------------------------------- smoothing and losses

  void softmax_statistics(SoftmaxStatistics* statistics, const Tensor& f, double temperature) override {
    run([&](Stream stream) {
      cuda::softmax_statistics(statistics, floats(f), scratch_, softmax_params(f, temperature), stream);
    });
  }
  void softmax_forward(const Tensor& s, const Tensor& f, const SoftmaxStatistics* statistics,
                       double temperature) override {
    assert(same_dense(s, f));
    run([&](Stream stream) {
      cuda::softmax_forward(floats(s), floats(f), statistics, softmax_params(f, temperature), stream);
    });
  }
  void softmax_backward(const Tensor& df, const Tensor& ds, const Tensor& s, double* scratch,
                        double temperature) override {
    assert(same_dense(df, ds) && same_dense(df, s));
    run([&](Stream stream) {
      cuda::softmax_backward(floats(df), floats(ds), floats(s), scratch, scratch_,
                             softmax_params(s, temperature), stream);
    });
  }
  void softmax_channel_forward(const Tensor& s, const Tensor& f, double temperature) override {
    assert(same_dense(s, f));
    run([&](Stream stream) {
      cuda::softmax_channel_forward(floats(s), floats(f), softmax_params(f, temperature), stream);
    });
  }
  void softmax_channel_backward(const Tensor& df, const Tensor& ds, const Tensor& s,
                                double temperature) override {
    assert(same_dense(df, ds) && same_dense(df, s));
    run([&](Stream stream) {
      cuda::softmax_channel_backward(floats(df), floats(ds), floats(s), softmax_params(s, temperature),
                                     stream);
    });
  }
  void scale(const Tensor& y, const Tensor& x, double factor) override {
    assert(same_dense(y, x));
    run([&](Stream stream) { cuda::scale(floats(y), floats(x), factor, x.count(), stream); });
  }
  double softmax_entropy(const Tensor& f, double temperature) override {
    run([&](Stream stream) {
      cuda::softmax_entropy(result(), floats(f), scratch_, softmax_params(f, temperature), stream);
    });
    return read_result();
  }
  double softmax_channel_entropy(const Tensor& f, double temperature) override {
    run([&](Stream stream) {
      cuda::softmax_channel_entropy(result(), floats(f), scratch_, softmax_params(f, temperature), stream);
    });
    return read_result();
  }
  int64_t gram_workspace_bytes(Shape shape, DType) override {
    return cuda::gram_workspace_bytes(gram_params(shape));
  }
  void gram_forward(double* a, const Tensor& s, void* workspace) override {
    assert(s.dense() && s.count() > 0);
    run([&](Stream stream) {
      cuda::gram_forward(a, floats(s), workspace, gram_params(s.shape), cuda::Blas{queue_.cublas()}, stream);
    });
  }
  void gram_difference(double* loss, void* difference, const double* a, const double* target, int d,
                       DType) override {
    run([&](Stream stream) {
      cuda::gram_difference(loss, nullptr, static_cast<float*>(difference), a, target, scratch_, d, stream);
    });
  }
  void gram_backward(const Tensor& ds, const Tensor& s, const void* difference, double factor,
                     bool accumulate, void*) override {
    assert(same_dense(ds, s) && ds.data != s.data);
    run([&](Stream stream) {
      cuda::gram_backward(floats(ds), floats(s), static_cast<const float*>(difference), factor, accumulate,
                          gram_params(s.shape), cuda::Blas{queue_.cublas()}, stream);
    });
  }
  void content_loss_forward(double* loss, const Tensor& s, const Tensor& target) override {
    assert(same_dense(s, target));
    run([&](Stream stream) {
      cuda::content_loss_forward(loss, nullptr, floats(s), floats(target), scratch_, s.count(), stream);
    });
  }
  void content_loss_backward(const Tensor& ds, const Tensor& s, const Tensor& target, double factor,
                             bool accumulate) override {
    assert(same_dense(ds, s) && same_dense(s, target));
    run([&](Stream stream) {
      cuda::content_loss_backward(floats(ds), floats(s), floats(target), factor, accumulate, s.count(),
                                  stream);
    });
  }
  void total_variation(double* loss, const Tensor& dx, const Tensor& x, double factor) override {
    assert(same_dense(dx, x) && dx.data != x.data);
    run([&](Stream stream) {
      cuda::total_variation(loss, floats(dx), floats(x), factor, scratch_, total_variation_params(x), stream);
    });
  }

  // ---------------------------------------------------------------- optimisers

  std::vector<double> multi_dot(const std::vector<const Tensor*>& left,
                                const std::vector<const Tensor*>& right) override {
    assert(!left.empty() && !right.empty());
    const int lefts = static_cast<int>(left.size()), rights = static_cast<int>(right.size());
    const int64_t count = left[0]->count();
    std::vector<double> results(left.size() * right.size());
    reserve_dots(cuda::multi_dot_workspace_bytes(lefts, rights, count));
    run([&](Stream stream) {
      cuda::multi_dot_to_host(results.data(), pointers(left, *left[0]).data(), lefts,
                              pointers(right, *left[0]).data(), rights, dots_, count, stream);
    });
    return results;
  }
  void linear_combination(const Tensor& y, const std::vector<double>& coefficients,
                          const std::vector<const Tensor*>& vectors) override {
    assert(y.dense() && coefficients.size() == vectors.size());
    run([&](Stream stream) {
      cuda::linear_combination(floats(y), coefficients.data(), pointers(vectors, y).data(),
                               static_cast<int>(vectors.size()), y.count(), stream);
    });
  }
  VectorNorms vector_norms(const Tensor& x) override {
    assert(x.dense());
    VectorNorms norms;
    run([&](Stream stream) { norms = cuda::vector_norms_to_host(floats(x), scratch_, x.count(), stream); });
    return norms;
  }
  void adam_step(const Tensor& x, const Tensor& m, const Tensor& v, const Tensor& g,
                 const AdamParams& params) override {
    assert(same_dense(x, m) && same_dense(x, v) && same_dense(x, g) && params.step >= 1);
    run([&](Stream stream) {
      cuda::adam_step(floats(x), floats(m), floats(v), floats(g), params, x.count(), stream);
    });
  }

 private:
  static constexpr int64_t kResultBytes = 256;

  /// call(stream) with this backend's device the current one of the calling thread.
  template <typename Call>
  void run(Call&& call) {
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

  /// The dot products' scratch grows with the history, which no other kernel's does.
  void reserve_dots(int64_t bytes) {
    if (bytes <= dots_bytes_) return;
    cudaFree(dots_);
    dots_ = nullptr;
    dots_ = allocate(bytes);
    dots_bytes_ = bytes;
  }

  static std::vector<const float*> pointers(const std::vector<const Tensor*>& vectors,
                                            [[maybe_unused]] const Tensor& model) {
    std::vector<const float*> data;
    for (const Tensor* vector : vectors) {
      assert(same_dense(*vector, model));
      data.push_back(floats(*vector));
    }
    return data;
  }

  int ordinal_;
  Queue queue_;
  Buffer scratch_memory_;
  char* scratch_ = nullptr;
  int64_t scratch_bytes_ = 0;
  void* dots_ = nullptr;
  int64_t dots_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(int ordinal) { return std::make_unique<CudaBackend>(ordinal); }

}  // namespace swag
