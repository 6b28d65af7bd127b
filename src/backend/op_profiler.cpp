#include "src/backend/op_profiler.h"

#include <map>

#include "kernels/mask.h"

namespace swag {
namespace {

// ---------------------------------------------------------------- what ops cost at least

double map_bytes(const Tensor& map) { return static_cast<double>(map.count() * size_of(map.dtype)); }
double mask_bytes(const Tensor& map) {
  return static_cast<double>(map.pixels() * mask_words(map.shape.c) * int64_t{sizeof(uint32_t)});
}

std::string text_of(const Shape& shape) {
  return std::to_string(shape.h) + "x" + std::to_string(shape.w) + "x" + std::to_string(shape.c);
}
std::string pair_text(int h, int w) { return std::to_string(h) + "x" + std::to_string(w); }

OpWork bytes_work(const char* op, int64_t bytes, int64_t moved) {
  return {op, std::to_string(bytes) + " bytes", 0, static_cast<double>(moved)};
}

/// An op that reads and writes `maps` maps like `map`, and `extra` bytes.
OpWork map_work(const char* op, const Tensor& map, double maps, double extra = 0,
                const std::string& note = "") {
  return {op, text_of(map.shape) + note, 0, maps * map_bytes(map) + extra};
}

double picture_bytes(const Tensor& map) { return static_cast<double>(map.count()) * sizeof(float); }

OpWork resize_work(const Tensor& y, const Tensor& x, const ResizeWeights& weights) {
  return {"resize", text_of(x.shape) + " to " + text_of(y.shape),
          2.0 * weights.taps * static_cast<double>(y.count()), map_bytes(x) + map_bytes(y)};
}

/// x is the map on the image's side, in both directions.
OpWork conv2d_work(const char* op, const Tensor& x, const Tensor& y, const Conv2dParams& params,
                   double extra) {
  const Conv2dLayer& l = params.layer;
  const double weights = static_cast<double>(l.kh * l.kw) * l.c_in * l.c_out;
  return {op,
          text_of(x.shape) + " to " + text_of(y.shape) + ", " + pair_text(l.kh, l.kw) + ", stride " +
              pair_text(l.stride_h, l.stride_w) + ", pad " + pair_text(l.pad_h, l.pad_w),
          2 * weights * static_cast<double>(y.pixels()),
          map_bytes(x) + map_bytes(y) + weights * static_cast<double>(size_of(x.dtype)) + extra};
}

OpWork pool2d_work(const char* op, const Tensor& x, const Tensor& y, const Pool2dParams& params,
                   int64_t position_bytes) {
  return {op,
          text_of(x.shape) + " to " + text_of(y.shape) + ", " + pair_text(params.kh, params.kw) +
              ", stride " + pair_text(params.stride_h, params.stride_w),
          0, map_bytes(x) + map_bytes(y) + static_cast<double>(position_bytes)};
}

/// A Gram matrix is symmetric: half of the products are enough.
OpWork gram_forward_work(const char* op, const Tensor& s) {
  const double d = s.shape.c;
  return {op, text_of(s.shape), static_cast<double>(s.pixels()) * d * (d + 1),
          map_bytes(s) + d * d * sizeof(double)};
}
OpWork gram_difference_work(int d, DType dtype) {
  const double entries = static_cast<double>(d) * d;
  return {"gram_difference", pair_text(d, d), 0,
          entries * (2 * sizeof(double) + static_cast<double>(size_of(dtype)))};
}
OpWork gram_backward_work(const Tensor& ds, bool accumulate) {
  const double d = ds.shape.c;
  return {"gram_backward", text_of(ds.shape), 2 * static_cast<double>(ds.pixels()) * d * d,
          (accumulate ? 3 : 2) * map_bytes(ds) + d * d * static_cast<double>(size_of(ds.dtype))};
}
/// The products around the eigenvalues alone: how many those take depends on the backend.
OpWork wasserstein_forward_work(const std::vector<WassersteinProblem>& problems, DType dtype) {
  OpWork work = {"wasserstein_forward", "", 0, 0};
  for (const WassersteinProblem& problem : problems) {
    const double d = problem.d;
    work.shape += (work.shape.empty() ? "" : ", ") + std::to_string(problem.d);
    work.flops += 4 * d * d * d;
    work.bytes += d * d * (2 * sizeof(double) + static_cast<double>(size_of(dtype)));
  }
  return work;
}

std::string history_text(const HistoryRing& ring) { return ", history " + std::to_string(ring.size()); }

// ---------------------------------------------------------------- the backend

class ProfiledBackend final : public Backend {
 public:
  explicit ProfiledBackend(OpLog& log) : log_(log) {}

  std::string description() const override { return inner().description(); }
  bool computes_in(DType dtype) const override { return inner().computes_in(dtype); }
  int64_t available_bytes() const override { return inner().available_bytes(); }
  void* allocate(int64_t bytes) override { return inner().allocate(bytes); }
  void deallocate(void* data) noexcept override { inner().deallocate(data); }
  void upload(void* destination, const void* host, int64_t bytes) override {
    inner().upload(destination, host, bytes);
  }
  void download(void* host, const void* source, int64_t bytes) override {
    inner().download(host, source, bytes);
  }
  void copy(void* destination, const void* source, int64_t bytes) override {
    log_.run(bytes_work("copy", bytes, 2 * bytes), [&] { inner().copy(destination, source, bytes); });
  }
  void zero(void* destination, int64_t bytes) override {
    log_.run(bytes_work("zero", bytes, bytes), [&] { inner().zero(destination, bytes); });
  }
  Conv2dAlgorithm conv2d_choose(const Conv2dLayer& layer, Conv2dDirection direction, DType dtype) override {
    return inner().conv2d_choose(layer, direction, dtype);
  }
  int64_t conv2d_packed_bytes(const Conv2dLayer& layer, Conv2dAlgorithm algorithm, Conv2dDirection direction,
                              DType dtype) override {
    return inner().conv2d_packed_bytes(layer, algorithm, direction, dtype);
  }
  void conv2d_pack(void* packed, const void* weight, const Conv2dLayer& layer, Conv2dAlgorithm algorithm,
                   Conv2dDirection direction, DType dtype, double factor) override {
    inner().conv2d_pack(packed, weight, layer, algorithm, direction, dtype, factor);
  }
  int64_t conv2d_workspace_bytes(const Conv2dParams& params, Conv2dDirection direction,
                                 DType dtype) override {
    return inner().conv2d_workspace_bytes(params, direction, dtype);
  }
  void conv2d_forward(const Tensor& y, const Tensor& x, const void* packed, const ForwardEpilogue& epilogue,
                      const Conv2dParams& params, void* workspace) override {
    log_.run(conv2d_work("conv2d_forward", x, y, params,
                         (epilogue.residual ? map_bytes(y) : 0) + (epilogue.mask ? mask_bytes(y) : 0)),
             [&] { inner().conv2d_forward(y, x, packed, epilogue, params, workspace); });
  }
  void conv2d_backward_data(const Tensor& dx, const Tensor& dy, const void* packed,
                            const BackwardEpilogue& epilogue, const Conv2dParams& params,
                            void* workspace) override {
    log_.run(conv2d_work("conv2d_backward_data", dx, dy, params,
                         (epilogue.addend ? map_bytes(dx) : 0) + (epilogue.mask ? mask_bytes(dx) : 0)),
             [&] { inner().conv2d_backward_data(dx, dy, packed, epilogue, params, workspace); });
  }
  void batch_norm_forward(const Tensor& y, const Tensor& x, const void* scale, const void* shift) override {
    log_.run(map_work("batch_norm_forward", y, 2), [&] { inner().batch_norm_forward(y, x, scale, shift); });
  }
  void batch_norm_backward(const Tensor& dx, const Tensor& dy, const void* scale) override {
    log_.run(map_work("batch_norm_backward", dx, 2), [&] { inner().batch_norm_backward(dx, dy, scale); });
  }
  void relu_forward(const Tensor& y, uint32_t* mask, const Tensor& x) override {
    log_.run(map_work("relu_forward", y, 2, mask ? mask_bytes(y) : 0),
             [&] { inner().relu_forward(y, mask, x); });
  }
  void relu_backward(const Tensor& dx, const Tensor& dy, const uint32_t* mask) override {
    log_.run(map_work("relu_backward", dx, 2, mask_bytes(dx)), [&] { inner().relu_backward(dx, dy, mask); });
  }
  void add_forward(const Tensor& y, const Tensor& a, const Tensor& b) override {
    log_.run(map_work("add_forward", y, 3), [&] { inner().add_forward(y, a, b); });
  }
  void copy_channels(const Tensor& y, const Tensor& x) override {
    log_.run(map_work("copy_channels", y, 2), [&] { inner().copy_channels(y, x); });
  }
  void pad_replicate_forward(const Tensor& y, const Tensor& x) override {
    log_.run(map_work("pad_replicate_forward", y, 2), [&] { inner().pad_replicate_forward(y, x); });
  }
  void pad_replicate_backward(const Tensor& dx, const Tensor& dy) override {
    log_.run(map_work("pad_replicate_backward", dy, 2), [&] { inner().pad_replicate_backward(dx, dy); });
  }
  void normalize(const Tensor& y, const float* rgb) override {
    log_.run(map_work("normalize", y, 1, picture_bytes(y)), [&] { inner().normalize(y, rgb); });
  }
  void denormalize(float* rgb, const Tensor& x) override {
    log_.run(map_work("denormalize", x, 1, picture_bytes(x)), [&] { inner().denormalize(rgb, x); });
  }
  void resize(const Tensor& y, const Tensor& x, const ResizeWeights& weights,
              const ResizeParams& params) override {
    log_.run(resize_work(y, x, weights), [&] { inner().resize(y, x, weights, params); });
  }
  void max_pool2d_forward(const Tensor& y, uint8_t* position, const Tensor& x,
                          const Pool2dParams& params) override {
    log_.run(pool2d_work("max_pool2d_forward", x, y, params, position ? y.count() : 0),
             [&] { inner().max_pool2d_forward(y, position, x, params); });
  }
  void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const uint8_t* position,
                           const Pool2dParams& params) override {
    log_.run(pool2d_work("max_pool2d_backward", dx, dy, params, dy.count()),
             [&] { inner().max_pool2d_backward(dx, dy, position, params); });
  }
  void avg_pool2d_forward(const Tensor& y, const Tensor& x, const Pool2dParams& params) override {
    log_.run(pool2d_work("avg_pool2d_forward", x, y, params, 0),
             [&] { inner().avg_pool2d_forward(y, x, params); });
  }
  void avg_pool2d_backward(const Tensor& dx, const Tensor& dy, const Pool2dParams& params) override {
    log_.run(pool2d_work("avg_pool2d_backward", dx, dy, params, 0),
             [&] { inner().avg_pool2d_backward(dx, dy, params); });
  }
  void gather_positions(const Tensor& y, const Tensor& x, const int32_t* positions) override {
    log_.run(map_work("gather_positions", y, 2), [&] { inner().gather_positions(y, x, positions); });
  }
  void scatter_positions(const Tensor& dx, const Tensor& dy, const int32_t* positions) override {
    log_.run(map_work("scatter_positions", dy, 3), [&] { inner().scatter_positions(dx, dy, positions); });
  }
  void softmax_statistics(SoftmaxStatistics* statistics, const Tensor& f, double temperature) override {
    log_.run(map_work("softmax_statistics", f, 1),
             [&] { inner().softmax_statistics(statistics, f, temperature); });
  }
  void softmax_forward(const Tensor& s, const Tensor& f, const SoftmaxStatistics* statistics,
                       double temperature) override {
    log_.run(map_work("softmax_forward", s, 2),
             [&] { inner().softmax_forward(s, f, statistics, temperature); });
  }
  void softmax_backward(const Tensor& df, const Tensor& ds, const Tensor& s,
                        const SoftmaxInner& inner_product, double temperature) override {
    log_.run(map_work("softmax_backward", df, 3),
             [&] { inner().softmax_backward(df, ds, s, inner_product, temperature); });
  }
  void softmax_channel_forward(const Tensor& s, const Tensor& f, double temperature) override {
    log_.run(map_work("softmax_channel_forward", s, 2),
             [&] { inner().softmax_channel_forward(s, f, temperature); });
  }
  void softmax_channel_backward(const Tensor& df, const Tensor& ds, const Tensor& s,
                                double temperature) override {
    log_.run(map_work("softmax_channel_backward", df, 3),
             [&] { inner().softmax_channel_backward(df, ds, s, temperature); });
  }
  void scale(const Tensor& y, const Tensor& x, double factor) override {
    log_.run(map_work("scale", y, 2), [&] { inner().scale(y, x, factor); });
  }
  double softmax_entropy(const Tensor& f, double temperature) override {
    return log_.run(map_work("softmax_entropy", f, 1),
                    [&] { return inner().softmax_entropy(f, temperature); });
  }
  double softmax_channel_entropy(const Tensor& f, double temperature) override {
    return log_.run(map_work("softmax_channel_entropy", f, 1),
                    [&] { return inner().softmax_channel_entropy(f, temperature); });
  }
  int64_t gram_workspace_bytes(Shape shape, DType dtype) override {
    return inner().gram_workspace_bytes(shape, dtype);
  }
  void gram_forward(double* a, const Tensor& s, void* workspace) override {
    log_.run(gram_forward_work("gram_forward", s), [&] { inner().gram_forward(a, s, workspace); });
  }
  void gram_difference(double* loss, double* inner_product, void* difference, const double* a,
                       const double* target, int d, DType dtype) override {
    log_.run(gram_difference_work(d, dtype),
             [&] { inner().gram_difference(loss, inner_product, difference, a, target, d, dtype); });
  }
  void gram_backward(const Tensor& ds, const Tensor& s, const void* difference, const double* offset,
                     double factor, bool accumulate, void* workspace) override {
    log_.run(gram_backward_work(ds, accumulate),
             [&] { inner().gram_backward(ds, s, difference, offset, factor, accumulate, workspace); });
  }
  int64_t moments_workspace_bytes(Shape shape, DType dtype) override {
    return inner().moments_workspace_bytes(shape, dtype);
  }
  void moments_forward(double* gram, double* mean, const Tensor& s, void* workspace) override {
    log_.run(gram_forward_work("moments_forward", s),
             [&] { inner().moments_forward(gram, mean, s, workspace); });
  }
  int64_t wasserstein_workspace_bytes(int d) override { return inner().wasserstein_workspace_bytes(d); }
  void wasserstein_forward(const std::vector<WassersteinProblem>& problems, DType dtype) override {
    log_.run(wasserstein_forward_work(problems, dtype),
             [&] { inner().wasserstein_forward(problems, dtype); });
  }
  void content_loss_forward(double* loss, double* inner_product, const Tensor& s,
                            const Tensor& target) override {
    log_.run(map_work("content_loss_forward", s, 2),
             [&] { inner().content_loss_forward(loss, inner_product, s, target); });
  }
  void content_loss_backward(const Tensor& ds, const Tensor& s, const Tensor& target, double factor,
                             bool accumulate) override {
    log_.run(map_work("content_loss_backward", ds, accumulate ? 4 : 3),
             [&] { inner().content_loss_backward(ds, s, target, factor, accumulate); });
  }
  void total_variation(double* loss, const Tensor& dx, const Tensor& x, double factor) override {
    log_.run(map_work("total_variation", dx, 3), [&] { inner().total_variation(loss, dx, x, factor); });
  }
  void total_variation_nine_point(double* loss, const Tensor& dx, const Tensor& x, double factor) override {
    log_.run(map_work("total_variation_nine_point", dx, 3),
             [&] { inner().total_variation_nine_point(loss, dx, x, factor); });
  }
  void vector_norms(VectorNorms* norms, const Tensor& x) override {
    log_.run(map_work("vector_norms", x, 1), [&] { inner().vector_norms(norms, x); });
  }
  void adam_step(const Tensor& x, const Tensor& m, const Tensor& v, const Tensor& g,
                 const AdamParams& params) override {
    log_.run(map_work("adam_step", x, 7), [&] { inner().adam_step(x, m, v, g, params); });
  }
  void lerp(const Tensor& y, const Tensor& x, double weight) override {
    log_.run(map_work("lerp", y, 3), [&] { inner().lerp(y, x, weight); });
  }
  int64_t lbfgs_workspace_bytes(int history, Shape shape, DType dtype) override {
    return inner().lbfgs_workspace_bytes(history, shape, dtype);
  }
  void lbfgs_measure(GradientReport* report, const Tensor& gradient, const LbfgsMemory& memory,
                     const LbfgsMeasureParams& params) override {
    log_.run(map_work("lbfgs_measure", gradient, 3 + 2 * params.ring.size(), 0, history_text(params.ring)),
             [&] { inner().lbfgs_measure(report, gradient, memory, params); });
  }
  void lbfgs_step(const LbfgsMemory& memory, const Tensor& gradient, const LbfgsStepParams& params) override {
    log_.run(map_work("lbfgs_step", gradient, 6 + 2 * params.ring.size() + (params.keeps_pair ? 2 : 0), 0,
                      history_text(params.ring)),
             [&] { inner().lbfgs_step(memory, gradient, params); });
  }
  void lbfgs_move(const LbfgsMemory& memory, double step) override {
    log_.run(map_work("lbfgs_move", memory.x, 3), [&] { inner().lbfgs_move(memory, step); });
  }
  void range_push(const char* name) override { inner().range_push(name); }
  void range_pop() override { inner().range_pop(); }
  void mark() override { inner().mark(); }
  std::vector<double> take_marks() override { return inner().take_marks(); }
  void matrix_product(const Tensor& y, const Tensor& a, const Tensor& b) override {
    inner().matrix_product(y, a, b);
  }

 private:
  Backend& inner() const { return log_.inner(); }

  OpLog& log_;
};

}  // namespace

void OpLog::begin(const OpWork& work) {
  if (observer_) observer_(work, true);
  inner_.mark();
}

void OpLog::end(const OpWork& work) {
  inner_.mark();
  if (observer_) observer_(work, false);
  ran_.push_back(work);
}

std::vector<OpTime> OpLog::take() {
  const std::vector<double> marks = inner_.take_marks();
  std::vector<OpTime> times;
  std::map<std::string, size_t> index;  // by name
  for (size_t i = 0; i < ran_.size(); ++i) {
    const auto [known, is_new] = index.emplace(ran_[i].name(), times.size());
    if (is_new) times.push_back({ran_[i], {}});
    times[known->second].milliseconds.push_back(marks[2 * i + 1] - marks[2 * i]);
  }
  ran_.clear();
  return times;
}

std::unique_ptr<Backend> make_profiled_backend(OpLog& log) { return std::make_unique<ProfiledBackend>(log); }

}  // namespace swag
