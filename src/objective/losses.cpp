#include "src/objective/losses.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "src/support/error.h"

namespace swag {
namespace {

constexpr double kDenominatorFloor = 1e-30;

// Scalars of a tap in the backend's memory; after those of all taps come the sum of the total variation and
// the optimiser's report.
enum Scalar { kContentSum, kStyleSum, kContentInner, kStyleInner, kScalars };
constexpr int64_t kReportDoubles = sizeof(GradientReport) / sizeof(double);

std::vector<double> weights_or_ones(const std::vector<double>& weights,
                                    const std::vector<std::string>& layers, const char* option) {
  if (weights.empty()) return std::vector<double>(layers.size(), 1.0);
  if (weights.size() != layers.size()) {
    throw Error(Status::kUsage, std::string(option) + " has " + std::to_string(weights.size()) +
                                    " numbers for " + std::to_string(layers.size()) +
                                    " layers; give one per layer");
  }
  return weights;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

double total_of(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return sum;
}

}  // namespace

// ---------------------------------------------------------------- names and weights

Objective::Objective(Backend& backend, const Graph& graph, DType dtype, const ObjectiveOptions& options)
    : backend_(&backend), dtype_(dtype), options_(options) {
  const auto& style = options.style_layers.empty() ? graph.default_style_taps : options.style_layers;
  const auto& content = options.content_layers.empty() ? graph.default_content_taps : options.content_layers;
  const auto style_weights = weights_or_ones(options.style_layer_weights, style, "--style-layer-weights");
  const auto content_weights =
      weights_or_ones(options.content_layer_weights, content, "--content-layer-weights");
  style_weight_sum_ = total_of(style_weights);
  const double content_weight_sum = total_of(content_weights);
  if (!(style_weight_sum_ > 0))
    throw Error(Status::kUsage, "--style-layer-weights are all 0; one must be positive");
  if (!(content_weight_sum > 0))
    throw Error(Status::kUsage, "--content-layer-weights are all 0; one must be positive");

  const auto tap = [&](const std::string& name) -> Tap& {
    const int node = graph.tap_node(name);
    for (Tap& known : taps_) {
      if (known.node == node) return known;
    }
    taps_.push_back({});
    taps_.back().name = graph.nodes[node].tap;
    taps_.back().node = node;
    return taps_.back();
  };
  for (size_t i = 0; i < style.size(); ++i) {
    Tap& entry = tap(style[i]);
    if (entry.style >= 0) throw Error(Status::kUsage, "--style-layers names " + entry.name + " twice");
    entry.style = style_taps_++;
    entry.style_weight = style_weights[i];
  }
  for (size_t i = 0; i < content.size(); ++i) {
    Tap& entry = tap(content[i]);
    if (entry.content) throw Error(Status::kUsage, "--content-layers names " + entry.name + " twice");
    entry.content = true;
    entry.content_weight = content_weights[i] / content_weight_sum;
  }

  std::vector<std::string> smoothed;
  for (const std::string& name : options.smoothing_layers) {
    smoothed.push_back(graph.nodes[graph.tap_node(name)].tap);
    const bool used =
        std::any_of(taps_.begin(), taps_.end(), [&](const Tap& t) { return t.name == smoothed.back(); });
    if (!used)
      throw Error(Status::kUsage,
                  "--smoothing-layers names " + name + ", which is no style or content layer");
  }
  for (Tap& entry : taps_) {
    if (!smoothed.empty() && !contains(smoothed, entry.name)) continue;
    entry.smoothing.mode = options.smoothing;
    entry.smoothing.temperature = options.smoothing == Smoothing::kNone ? 1 : options.temperature;
  }
  states_.resize(taps_.size());
}

std::vector<int> Objective::nodes() const {
  std::vector<int> result;
  for (const Tap& tap : taps_) result.push_back(tap.node);
  return result;
}

int Objective::deepest() const {
  const std::vector<int> all = nodes();
  return *std::max_element(all.begin(), all.end());
}

// ---------------------------------------------------------------- targets

bool Objective::settle_temperature(int t, const std::vector<Tensor>& style_maps) {
  TapSmoothing& smoothing = taps_[t].smoothing;
  smoothing.temperature = find_temperature(*backend_, style_maps, smoothing.mode, options_.entropy);
  if (smoothing.temperature > 0) return true;
  smoothing.temperature = 1;
  return false;
}

void Objective::add_style(int t, const Tensor& f, double weight) {
  if (taps_[t].style < 0) return;
  TapState& state = states_[t];
  const int64_t entries = int64_t{f.shape.c} * f.shape.c;
  const Buffer memory(*backend_, f.count() * size_of(dtype_));
  const Buffer statistics(*backend_, sizeof(SoftmaxStatistics));
  const Buffer workspace(*backend_, backend_->gram_workspace_bytes(f.shape, dtype_));
  const Buffer a(*backend_, entries * 8);
  const Tensor s = smooth(t, f, memory.data(), static_cast<SoftmaxStatistics*>(statistics.data()));
  backend_->gram_forward(static_cast<double*>(a.data()), s, workspace.data());

  std::vector<double> sum(entries, 0.0), gram(entries);
  backend_->download(gram.data(), a.data(), a.bytes());
  if (state.target) {
    backend_->download(sum.data(), state.target.data(), state.target.bytes());
  } else {
    state.target = Buffer(*backend_, entries * 8);
  }
  double squares = 0;
  for (int64_t i = 0; i < entries; ++i) {
    sum[i] += weight * gram[i];
    squares += sum[i] * sum[i];
  }
  backend_->upload(state.target.data(), sum.data(), state.target.bytes());
  state.target_mean_square = std::max(squares / static_cast<double>(entries), kDenominatorFloor);
}

void Objective::set_content(int t, const Tensor& f) {
  if (!taps_[t].content) return;
  TapState& state = states_[t];
  state.content = OwnedTensor(*backend_, dtype_, f.shape);
  const Buffer statistics(*backend_, sizeof(SoftmaxStatistics));
  const Tensor s =
      smooth(t, f, state.content.tensor.data, static_cast<SoftmaxStatistics*>(statistics.data()));
  const int64_t bytes = s.count() * size_of(dtype_);
  if (s.data != state.content.tensor.data) backend_->copy(state.content.tensor.data, s.data, bytes);
  if (options_.loss != LossMode::kBalanced) return;

  // Once per scale, on the host, in two passes: the variance must not lose its digits to the mean.
  const auto variance = [&](auto zero) {
    std::vector<decltype(zero)> values(s.count());
    backend_->download(values.data(), s.data, bytes);
    double mean = 0, sum = 0;
    for (const auto value : values) mean += value;
    mean /= static_cast<double>(values.size());
    for (const auto value : values) sum += (value - mean) * (value - mean);
    return sum / static_cast<double>(values.size());
  };
  const double value = dtype_ == DType::kFloat64 ? variance(double{}) : variance(float{});
  state.content_variance = std::max(value, kDenominatorFloor);
}

Tensor Objective::smooth(int t, const Tensor& f, void* memory, SoftmaxStatistics* statistics) {
  assert(f.dense());
  const TapSmoothing& smoothing = taps_[t].smoothing;
  if (smoothing.mode == Smoothing::kNone) return f;
  const Tensor s(memory, dtype_, f.shape);
  switch (smoothing.mode) {
    case Smoothing::kNone: break;
    case Smoothing::kSoftmax:
      backend_->softmax_statistics(statistics, f, smoothing.temperature);
      backend_->softmax_forward(s, f, statistics, smoothing.temperature);
      break;
    case Smoothing::kChannel: backend_->softmax_channel_forward(s, f, smoothing.temperature); break;
    case Smoothing::kScale: backend_->scale(s, f, 1 / smoothing.temperature); break;
  }
  return s;
}

// ---------------------------------------------------------------- one evaluation

void Objective::plan(ArenaPlan& plan, const std::vector<Shape>& shapes) {
  int64_t smooth_bytes = 0, workspace = 1;
  for (size_t t = 0; t < taps_.size(); ++t) {
    TapState& state = states_[t];
    state.shape = shapes[t];
    const int64_t d = shapes[t].c;
    if (taps_[t].smoothing.mode != Smoothing::kNone) {
      smooth_bytes = std::max(smooth_bytes, shapes[t].count() * size_of(dtype_));
    }
    if (taps_[t].style >= 0) {
      state.gram = plan.add_permanent(d * d * 8);
      state.difference = plan.add_permanent(d * d * size_of(dtype_));
      workspace = std::max(workspace, backend_->gram_workspace_bytes(shapes[t], dtype_));
    }
    state.statistics = plan.add_permanent(sizeof(SoftmaxStatistics));
  }
  scalars_ = plan.add_permanent((scalar_count() + kReportDoubles) * 8);
  if (smooth_bytes > 0) {
    smooth_scratch_ = plan.add_permanent(smooth_bytes);
    seed_scratch_ = plan.add_permanent(smooth_bytes);
  }
  workspace_ = plan.add_permanent(workspace);
}

void Objective::bind(const Arena& arena) {
  arena_ = &arena;
  backend_->zero(arena.at(scalars_), (scalar_count() + kReportDoubles) * 8);
}

void Objective::accumulate(int t, const Tensor& f) {
  const ProfileRange range(*backend_, taps_[t].name.c_str());
  const TapState& state = states_[t];
  double* scalars = arena_->at<double>(scalars_) + t * kScalars;
  void* memory = smooth_scratch_ >= 0 ? arena_->at(smooth_scratch_) : nullptr;
  const Tensor s = smooth(t, f, memory, arena_->at<SoftmaxStatistics>(state.statistics));
  if (taps_[t].style >= 0) {
    double* gram = arena_->at<double>(state.gram);
    backend_->gram_forward(gram, s, arena_->at(workspace_));
    backend_->gram_difference(scalars + kStyleSum, scalars + kStyleInner, arena_->at(state.difference), gram,
                              static_cast<const double*>(state.target.data()), f.shape.c, dtype_);
  }
  if (taps_[t].content) {
    backend_->content_loss_forward(scalars + kContentSum, scalars + kContentInner, s, state.content.tensor);
  }
}

int64_t Objective::scalar_count() const { return static_cast<int64_t>(taps_.size()) * kScalars + 1; }

double Objective::k(int t) const {
  return taps_[t].smoothing.mode == Smoothing::kSoftmax ? 1.0 / static_cast<double>(states_[t].shape.count())
                                                        : 1.0;
}

double Objective::style_factor(int t) const {
  const double d = states_[t].shape.c, k4 = std::pow(k(t), 4);
  switch (options_.loss) {
    case LossMode::kPaper: return taps_[t].style_weight * k4 / (4 * d * d);
    case LossMode::kAuthors: return taps_[t].style_weight * k4 / (d * d * d * d);
    case LossMode::kBalanced: break;
  }
  return taps_[t].style_weight / style_weight_sum_ / (d * d * states_[t].target_mean_square);
}

double Objective::content_factor(int t) const {
  const double count = static_cast<double>(states_[t].shape.count()), k2 = k(t) * k(t);
  switch (options_.loss) {
    case LossMode::kPaper: return taps_[t].content_weight * k2 / 2;
    case LossMode::kAuthors: return taps_[t].content_weight * k2 / count;
    case LossMode::kBalanced: break;
  }
  return taps_[t].content_weight / (count * states_[t].content_variance);
}

void Objective::seed(int t, const Tensor& f, const Tensor& df, bool accumulate) {
  const ProfileRange range(*backend_, taps_[t].name.c_str());
  const Tap& tap = taps_[t];
  const TapState& state = states_[t];
  const bool smoothed = tap.smoothing.mode != Smoothing::kNone;
  // The smoothed map again: keeping it would cost a copy of every tap.
  Tensor s = f, ds = df;
  if (smoothed) {
    const double temperature = tap.smoothing.temperature;
    s = Tensor(arena_->at(smooth_scratch_), dtype_, f.shape);
    if (accumulate) ds = Tensor(arena_->at(seed_scratch_), dtype_, f.shape);
    if (tap.smoothing.mode == Smoothing::kSoftmax) {
      backend_->softmax_forward(s, f, arena_->at<SoftmaxStatistics>(state.statistics), temperature);
    } else {
      s = smooth(t, f, s.data, nullptr);
    }
  }
  bool written = accumulate && !smoothed;
  const double* scalars = arena_->at<double>(scalars_) + t * kScalars;
  SoftmaxInner inner;  // <ds, S>, from what the losses have summed up
  if (tap.style >= 0) {
    const double factor = 4 * options_.style_weight * style_factor(t) / static_cast<double>(f.pixels());
    backend_->gram_backward(ds, s, arena_->at(state.difference), factor, written, arena_->at(workspace_));
    inner.value[0] = scalars + kStyleInner;
    inner.factor[0] = factor * static_cast<double>(f.pixels());
    written = true;
  }
  if (tap.content) {
    const double factor = 2 * options_.content_weight * content_factor(t);
    backend_->content_loss_backward(ds, s, state.content.tensor, factor, written);
    inner.value[1] = scalars + kContentInner;
    inner.factor[1] = factor;
  }
  if (!smoothed) return;
  switch (tap.smoothing.mode) {
    case Smoothing::kNone: break;
    case Smoothing::kSoftmax: backend_->softmax_backward(ds, ds, s, inner, tap.smoothing.temperature); break;
    case Smoothing::kChannel: backend_->softmax_channel_backward(ds, ds, s, tap.smoothing.temperature); break;
    case Smoothing::kScale: backend_->scale(ds, ds, 1 / tap.smoothing.temperature); break;
  }
  if (accumulate) backend_->add_forward(df, df, ds);
}

void Objective::add_image_gradient(const Tensor& x, const Tensor& dx) {
  image_ = x.shape;
  if (options_.tv_weight == 0) return;
  double* loss = arena_->at<double>(scalars_) + scalar_count() - 1;
  backend_->total_variation(loss, dx, x, options_.tv_weight / static_cast<double>(x.count()));
}

GradientReport* Objective::report() const {
  return reinterpret_cast<GradientReport*>(arena_->at<double>(scalars_) + scalar_count());
}

LossValues Objective::losses(GradientReport* report) const {
  std::vector<double> all(scalar_count() + kReportDoubles);
  backend_->download(all.data(), arena_->at(scalars_), static_cast<int64_t>(all.size()) * 8);
  if (report) std::memcpy(static_cast<void*>(report), all.data() + scalar_count(), sizeof *report);
  LossValues values;
  values.style_taps.resize(style_taps_);
  for (size_t t = 0; t < taps_.size(); ++t) {
    const Tap& tap = taps_[t];
    const double* scalars = all.data() + t * kScalars;
    if (tap.content) values.content += content_factor(static_cast<int>(t)) * scalars[kContentSum];
    if (tap.style < 0) continue;
    const double share = style_factor(static_cast<int>(t)) * scalars[kStyleSum];
    values.style += share;
    const double equal = options_.loss == LossMode::kBalanced ? style_weight_sum_ / style_taps_ : 1.0;
    values.style_taps[tap.style] = tap.style_weight > 0 ? share / tap.style_weight * equal : 0.0;
  }
  if (options_.tv_weight > 0) values.tv = all[scalar_count() - 1] / static_cast<double>(image_.count());
  values.total = options_.content_weight * values.content + options_.style_weight * values.style +
                 options_.tv_weight * values.tv;
  return values;
}

Objective::GramStatistics Objective::gram_statistics(int t) const {
  const TapState& state = states_[t];
  const int d = state.shape.c;
  const double m = static_cast<double>(state.shape.pixels());
  std::vector<double> a(int64_t{d} * d);
  backend_->download(a.data(), arena_->at(state.gram), static_cast<int64_t>(a.size()) * 8);
  GramStatistics result;
  result.max = a[0] * m;
  double squares = 0;
  for (double value : a) {
    result.max = std::max(result.max, value * m);
    squares += value * value;
  }
  result.norm = std::sqrt(squares) * m;
  for (int i = 0; i < d; ++i) result.trace += a[int64_t{i} * d + i] * m;
  return result;
}

}  // namespace swag
