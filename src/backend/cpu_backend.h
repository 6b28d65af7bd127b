// The CPU backend: checks what a kernel requires and picks its instantiation by dtype. Its ops are in
// cpu_network_ops.cpp and cpu_objective_ops.cpp, all else in cpu_backend.cpp.
#pragma once
#include <cassert>
#include <chrono>
#include <vector>

#include "kernels/cpu/thread_pool.h"
#include "src/backend/backend.h"
#include "src/backend/cpu_memory.h"

namespace swag {

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads) : pool_(threads), stream_(cpu::stream_of(pool_)) {}

  std::string description() const override;
  bool computes_in(DType dtype) const override;
  int64_t available_bytes() const override;
  void* allocate(int64_t bytes) override;
  void deallocate(void* data) noexcept override;
  void upload(void* destination, const void* host, int64_t bytes) override;
  void download(void* host, const void* source, int64_t bytes) override;
  void copy(void* destination, const void* source, int64_t bytes) override;
  void zero(void* destination, int64_t bytes) override;

  // cpu_network_ops.cpp
  Conv2dAlgorithm conv2d_choose(const Conv2dLayer& layer, Conv2dDirection direction, DType dtype) override;
  int64_t conv2d_packed_bytes(const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction,
                              DType dtype) override;
  void conv2d_pack(void* packed, const void* weight, const Conv2dLayer& layer, Conv2dAlgorithm algorithm,
                   Conv2dDirection direction, DType dtype, double factor) override;
  int64_t conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction, DType dtype) override;
  void conv2d_forward(const Tensor& y, const Tensor& x, const void* packed, const ForwardEpilogue& epilogue,
                      const Conv2dParams& params, void* workspace) override;
  void conv2d_backward_data(const Tensor& dx, const Tensor& dy, const void* packed,
                            const BackwardEpilogue& epilogue, const Conv2dParams& params,
                            void* workspace) override;
  void batch_norm_forward(const Tensor& y, const Tensor& x, const void* scale, const void* shift) override;
  void batch_norm_backward(const Tensor& dx, const Tensor& dy, const void* scale) override;
  void relu_forward(const Tensor& y, uint32_t* mask, const Tensor& x) override;
  void relu_backward(const Tensor& dx, const Tensor& dy, const uint32_t* mask) override;
  void add_forward(const Tensor& y, const Tensor& a, const Tensor& b) override;
  void copy_channels(const Tensor& y, const Tensor& x) override;
  void pad_replicate_forward(const Tensor& y, const Tensor& x) override;
  void pad_replicate_backward(const Tensor& dx, const Tensor& dy) override;
  void max_pool2d_forward(const Tensor& y, uint8_t* position, const Tensor& x,
                          const Pool2dParams& params) override;
  void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const uint8_t* position,
                           const Pool2dParams& params) override;
  void avg_pool2d_forward(const Tensor& y, const Tensor& x, const Pool2dParams& params) override;
  void avg_pool2d_backward(const Tensor& dx, const Tensor& dy, const Pool2dParams& params) override;
  void normalize(const Tensor& y, const float* rgb) override;
  void denormalize(float* rgb, const Tensor& x) override;
  void resize(const Tensor& y, const Tensor& x, const ResizeWeights& weights,
              const ResizeParams& params) override;

  void gather_positions(const Tensor& y, const Tensor& x, const int32_t* positions) override;
  void scatter_positions(const Tensor& dx, const Tensor& dy, const int32_t* positions) override;

  // cpu_objective_ops.cpp
  void softmax_statistics(SoftmaxStatistics* statistics, const Tensor& f, double temperature) override;
  void softmax_forward(const Tensor& s, const Tensor& f, const SoftmaxStatistics* statistics,
                       double temperature) override;
  void softmax_backward(const Tensor& df, const Tensor& ds, const Tensor& s, const SoftmaxInner& inner,
                        double temperature) override;
  void softmax_channel_forward(const Tensor& s, const Tensor& f, double temperature) override;
  void softmax_channel_backward(const Tensor& df, const Tensor& ds, const Tensor& s,
                                double temperature) override;
  void scale(const Tensor& y, const Tensor& x, double factor) override;
  double softmax_entropy(const Tensor& f, double temperature) override;
  double softmax_channel_entropy(const Tensor& f, double temperature) override;
  int64_t gram_workspace_bytes(Shape shape, DType dtype) override;
  void gram_forward(double* a, const Tensor& s, void* workspace) override;
  void gram_difference(double* loss, double* inner, void* difference, const double* a, const double* target,
                       int d, DType dtype) override;
  void gram_backward(const Tensor& ds, const Tensor& s, const void* difference, const double* offset,
                     double factor, bool accumulate, void* workspace) override;
  int64_t moments_workspace_bytes(Shape shape, DType dtype) override;
  void moments_forward(double* gram, double* mean, const Tensor& s, void* workspace) override;
  int64_t wasserstein_workspace_bytes(int d) override;
  void wasserstein_forward(const std::vector<WassersteinProblem>& problems, DType dtype) override;
  void content_loss_forward(double* loss, double* inner, const Tensor& s, const Tensor& target) override;
  void content_loss_backward(const Tensor& ds, const Tensor& s, const Tensor& target, double factor,
                             bool accumulate) override;
  void total_variation(double* loss, const Tensor& dx, const Tensor& x, double factor) override;
  void total_variation_nine_point(double* loss, const Tensor& dx, const Tensor& x, double factor) override;
  void vector_norms(VectorNorms* norms, const Tensor& x) override;
  void adam_step(const Tensor& x, const Tensor& m, const Tensor& v, const Tensor& g,
                 const AdamParams& params) override;
  void lerp(const Tensor& y, const Tensor& x, double weight) override;
  int64_t lbfgs_workspace_bytes(int history, Shape shape, DType dtype) override;
  void lbfgs_measure(GradientReport* report, const Tensor& gradient, const LbfgsMemory& memory,
                     const LbfgsMeasureParams& params) override;
  void lbfgs_step(const LbfgsMemory& memory, const Tensor& gradient, const LbfgsStepParams& params) override;
  void lbfgs_move(const LbfgsMemory& memory, double step) override;

  void mark() override;
  std::vector<double> take_marks() override;
  void matrix_product(const Tensor& y, const Tensor& a, const Tensor& b) override;

 private:
  CpuMemory memory_;
  ThreadPool pool_;
  Stream stream_;
  std::vector<std::chrono::steady_clock::time_point> marks_;
};

/// call(T()) with the C++ type of `dtype`: half precision does not exist on the CPU.
template <typename Call>
auto dispatch(DType dtype, Call&& call) {
  assert(dtype == DType::kFloat64 || dtype == DType::kFloat32);
  return dtype == DType::kFloat64 ? call(double()) : call(float());
}

}  // namespace swag
