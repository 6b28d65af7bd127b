// A place where maps live and kernels run: the CPU now, a CUDA device from a shared object of its own.
//
// One virtual function per kernel of kernels/, with tensors for pointers; the formulas are in the kernels'
// contract headers. Scalars that one kernel leaves for another are pointers into the backend's memory, so
// that a whole evaluation needs a single read-back. A backend belongs to one context and is used by one
// thread at a time.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/adam.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/lbfgs/lbfgs.h"
#include "kernels/pool2d.h"
#include "kernels/resize.h"
#include "kernels/softmax.h"
#include "kernels/vector.h"
#include "kernels/wasserstein.h"
#include "src/backend/tensor.h"

namespace swag {

class Backend;

/// Owned memory of a backend, move-only. Memory is aligned to 64 bytes at least and not cleared.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Backend& backend, int64_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }
  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  void swap(Buffer& other) {
    std::swap(backend_, other.backend_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }
  Backend* backend_ = nullptr;
  void* data_ = nullptr;
  int64_t bytes_ = 0;
};

/// A tensor that owns its memory.
struct OwnedTensor {
  OwnedTensor() = default;
  OwnedTensor(Backend& backend, DType dtype, Shape shape)
      : buffer(backend, shape.count() * size_of(dtype)), tensor(buffer.data(), dtype, shape) {}
  Buffer buffer;
  Tensor tensor;
};

/// Of the backend's arithmetic, the residual and the addend of the map's type.
using ForwardEpilogue = Conv2dForwardEpilogue<void>;
using BackwardEpilogue = Conv2dBackwardEpilogue<void>;

/// The state of kernels/lbfgs/lbfgs.h with tensors.
struct LbfgsMemory {
  Tensor x, start, direction, gradient;  // start may be without data
  Tensor history;                        // the first of 2 * capacity vectors
  int64_t stride = 0;                    // elements from one to the next
  double* scalars = nullptr;             // (lbfgs_scalars(capacity))
  void* workspace = nullptr;             // (lbfgs_workspace_bytes)
};

/// Calls of a backend that can be made again as one. It lives no longer than the backend.
class Recording {
 public:
  virtual ~Recording() = default;
  /// Has done what was recorded, as it was: with the same memory and the same numbers. Does not wait.
  virtual void replay() = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string description() const = 0;  // "cpu, 2 threads"
  virtual bool computes_in(DType dtype) const = 0;

  // Memory. allocate throws Error(kMemory).
  virtual int64_t available_bytes() const = 0;  // that could be allocated now, as far as that is known
  virtual void* allocate(int64_t bytes) = 0;
  virtual void deallocate(void* data) noexcept = 0;
  virtual void upload(void* destination, const void* host, int64_t bytes) = 0;
  virtual void download(void* host, const void* source, int64_t bytes) = 0;  // waits for all work before it
  virtual void copy(void* destination, const void* source, int64_t bytes) = 0;
  virtual void zero(void* destination, int64_t bytes) = 0;

  // Convolution, prepared once per network. `dtype`: of the map that is read. The weight has the type that
  // this is computed in; packed it is multiplied by `factor`, which is 1 but for maps of 16 bits.
  virtual Conv2dAlgorithm conv2d_choose(const Conv2dLayer& layer, Conv2dDirection direction, DType dtype) = 0;
  virtual int64_t conv2d_packed_bytes(const Conv2dLayer& layer, Conv2dAlgorithm algorithm,
                                      Conv2dDirection direction, DType dtype) = 0;
  virtual void conv2d_pack(void* packed, const void* weight, const Conv2dLayer& layer,
                           Conv2dAlgorithm algorithm, Conv2dDirection direction, DType dtype,
                           double factor) = 0;
  virtual int64_t conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction,
                                         DType dtype) = 0;
  virtual void conv2d_forward(const Tensor& y, const Tensor& x, const void* packed,
                              const ForwardEpilogue& epilogue, const Conv2dParams& params,
                              void* workspace) = 0;
  virtual void conv2d_backward_data(const Tensor& dx, const Tensor& dy, const void* packed,
                                    const BackwardEpilogue& epilogue, const Conv2dParams& params,
                                    void* workspace) = 0;

  // The other ops of a network.
  virtual void batch_norm_forward(const Tensor& y, const Tensor& x, const void* scale, const void* shift) = 0;
  virtual void batch_norm_backward(const Tensor& dx, const Tensor& dy, const void* scale) = 0;
  virtual void relu_forward(const Tensor& y, uint32_t* mask, const Tensor& x) = 0;
  virtual void relu_backward(const Tensor& dx, const Tensor& dy, const uint32_t* mask) = 0;
  virtual void add_forward(const Tensor& y, const Tensor& a, const Tensor& b) = 0;
  virtual void copy_channels(const Tensor& y, const Tensor& x) = 0;
  virtual void pad_replicate_forward(const Tensor& y, const Tensor& x) = 0;  // dense; equally on all sides
  virtual void pad_replicate_backward(const Tensor& dx, const Tensor& dy) = 0;
  virtual void max_pool2d_forward(const Tensor& y, uint8_t* position, const Tensor& x,
                                  const Pool2dParams& params) = 0;
  virtual void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const uint8_t* position,
                                   const Pool2dParams& params) = 0;
  virtual void avg_pool2d_forward(const Tensor& y, const Tensor& x, const Pool2dParams& params) = 0;
  virtual void avg_pool2d_backward(const Tensor& dx, const Tensor& dy, const Pool2dParams& params) = 0;

  // Pictures. Maps are dense, (h, w, 3); a picture's rgb and all weights are in the backend's memory.
  virtual void normalize(const Tensor& y, const float* rgb) = 0;
  virtual void denormalize(float* rgb, const Tensor& x) = 0;
  virtual void resize(const Tensor& y, const Tensor& x, const ResizeWeights& weights,
                      const ResizeParams& params) = 0;

  // Some positions of a map, (1, count, c), and the way back, which adds; all dense. The positions, each
  // once, are in the backend's memory.
  virtual void gather_positions(const Tensor& y, const Tensor& x, const int32_t* positions) = 0;
  virtual void scatter_positions(const Tensor& dx, const Tensor& dy, const int32_t* positions) = 0;

  // Smoothing and losses. Maps are dense.
  virtual void softmax_statistics(SoftmaxStatistics* statistics, const Tensor& f, double temperature) = 0;
  virtual void softmax_forward(const Tensor& s, const Tensor& f, const SoftmaxStatistics* statistics,
                               double temperature) = 0;
  virtual void softmax_backward(const Tensor& df, const Tensor& ds, const Tensor& s,
                                const SoftmaxInner& inner, double temperature) = 0;
  virtual void softmax_channel_forward(const Tensor& s, const Tensor& f, double temperature) = 0;
  virtual void softmax_channel_backward(const Tensor& df, const Tensor& ds, const Tensor& s,
                                        double temperature) = 0;
  virtual void scale(const Tensor& y, const Tensor& x, double factor) = 0;
  virtual double softmax_entropy(const Tensor& f, double temperature) = 0;
  virtual double softmax_channel_entropy(const Tensor& f, double temperature) = 0;
  virtual int64_t gram_workspace_bytes(Shape shape, DType dtype) = 0;
  virtual void gram_forward(double* a, const Tensor& s, void* workspace) = 0;
  virtual void gram_difference(double* loss, double* inner, void* difference, const double* a,
                               const double* target, int d, DType dtype) = 0;
  virtual void gram_backward(const Tensor& ds, const Tensor& s, const void* difference, const double* offset,
                             double factor, bool accumulate, void* workspace) = 0;
  virtual int64_t moments_workspace_bytes(Shape shape, DType dtype) = 0;
  virtual void moments_forward(double* gram, double* mean, const Tensor& s, void* workspace) = 0;
  virtual int64_t wasserstein_workspace_bytes(int d) = 0;
  virtual void wasserstein_forward(const std::vector<WassersteinProblem>& problems, DType dtype) = 0;
  virtual void content_loss_forward(double* loss, double* inner, const Tensor& s, const Tensor& target) = 0;
  virtual void content_loss_backward(const Tensor& ds, const Tensor& s, const Tensor& target, double factor,
                                     bool accumulate) = 0;
  virtual void total_variation(double* loss, const Tensor& dx, const Tensor& x, double factor) = 0;
  virtual void total_variation_nine_point(double* loss, const Tensor& dx, const Tensor& x, double factor) = 0;

  // Optimisers. Vectors are dense tensors of one shape; reports and norms are in the backend's memory.
  virtual void vector_norms(VectorNorms* norms, const Tensor& x) = 0;
  virtual void adam_step(const Tensor& x, const Tensor& m, const Tensor& v, const Tensor& g,
                         const AdamParams& params) = 0;
  virtual void lerp(const Tensor& y, const Tensor& x, double weight) = 0;
  virtual int64_t lbfgs_workspace_bytes(int history, Shape shape, DType dtype) = 0;
  virtual void lbfgs_measure(GradientReport* report, const Tensor& gradient, const LbfgsMemory& memory,
                             const LbfgsMeasureParams& params) = 0;
  virtual void lbfgs_step(const LbfgsMemory& memory, const Tensor& gradient,
                          const LbfgsStepParams& params) = 0;
  virtual void lbfgs_move(const LbfgsMemory& memory, double step) = 0;

  /// Records what `calls` asks of this backend instead of doing it. They may not wait, or make what stays:
  /// such things an earlier run of them has done. Null where there is nothing to gain, and `calls` was not
  /// run or must be run again.
  virtual std::unique_ptr<Recording> record(const std::function<void()>& /*calls*/) { return nullptr; }

  // Names for profilers (NVTX): what runs until the pop belongs to `name`. The default does nothing.
  virtual void range_push(const char* /*name*/) {}
  virtual void range_pop() {}

  // For benchmarks. A mark is a point in the order of work; marking does not wait.
  virtual void mark() = 0;
  /// Waits for all work. Milliseconds of every mark since the last call, from the first of them on.
  virtual std::vector<double> take_marks() = 0;
  /// y = a b by the platform's BLAS, in float32: the yardstick. (1, m, n), (1, m, k), (1, k, n), dense.
  virtual void matrix_product(const Tensor& y, const Tensor& a, const Tensor& b) = 0;

 protected:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
};

inline Buffer::Buffer(Backend& backend, int64_t bytes) : backend_(&backend), bytes_(bytes) {
  data_ = backend.allocate(bytes > 0 ? bytes : 1);
}
inline Buffer::~Buffer() {
  if (data_) backend_->deallocate(data_);
}

/// Memory of the backend that holds `values`.
template <typename T>
Buffer uploaded(Backend& backend, const std::vector<T>& values) {
  Buffer buffer(backend, static_cast<int64_t>(values.size() * sizeof(T)));
  backend.upload(buffer.data(), values.data(), buffer.bytes());
  return buffer;
}

/// kAuto is the backend's choice. Anything else is what was wanted, and where a layer, a dtype or a device
/// does not know it, the backend computes directly.
inline Conv2dAlgorithm conv2d_algorithm(Backend& backend, Conv2dAlgorithm wanted, const Conv2dLayer& layer,
                                        Conv2dDirection direction, DType dtype) {
  return wanted == Conv2dAlgorithm::kAuto ? backend.conv2d_choose(layer, direction, dtype) : wanted;
}

/// A dense tensor, again, in memory of its own.
inline OwnedTensor copy_of(Backend& backend, const Tensor& tensor) {
  OwnedTensor copy(backend, tensor.dtype, tensor.shape);
  copy.tensor.scale = tensor.scale;
  backend.copy(copy.tensor.data, tensor.data, copy.buffer.bytes());
  return copy;
}

/// What runs while it lives belongs to `name`, which must outlive it.
class ProfileRange {
 public:
  ProfileRange(Backend& backend, const char* name) : backend_(backend) { backend_.range_push(name); }
  ~ProfileRange() { backend_.range_pop(); }
  ProfileRange(const ProfileRange&) = delete;
  ProfileRange& operator=(const ProfileRange&) = delete;

 private:
  Backend& backend_;
};

/// The CPU backend. threads 0: one for each core this process may run on.
std::unique_ptr<Backend> make_cpu_backend(int threads);

/// "cpu"; "auto" (the best device there is); "cuda" and "cuda:N"; "emulator". Throws Error(kDevice) for a
/// device that is not there, Error(kUsage) for an unknown name. threads 0: one per core.
std::unique_ptr<Backend> make_backend(const std::string& device, int threads);

}  // namespace swag
