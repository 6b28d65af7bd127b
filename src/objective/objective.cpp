#include "src/objective/objective.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "src/support/error.h"

namespace swag {
namespace {

// Scalars of a tap in the backend's memory; after those of all taps come the sum of the total variation and
// the optimiser's report.
enum Scalar { kContentSum, kStyleSum, kContentInner, kStyleInner, kScalars };
constexpr int64_t kReportDoubles = sizeof(GradientReport) / sizeof(double);

}  // namespace

Objective::Objective(Backend& backend, const Graph& graph, DType dtype, const ObjectiveOptions& options)
    : backend_(&backend), dtype_(dtype), options_(options), taps_(resolve_taps(graph, options)) {
  for (const Tap& tap : taps_) {
    states_.push_back({nullptr, ContentLoss(backend), {}, -1});
    if (tap.style < 0) continue;
    const int channels = graph.nodes[tap.node].channels;
    if (options.style_loss == StyleLossKind::kWasserstein && channels > kMostWassersteinChannels) {
      throw Error(Status::kUsage, "--style-loss wasserstein takes layers of " +
                                      std::to_string(kMostWassersteinChannels) + " channels at most, " +
                                      tap.name + " has " + std::to_string(channels) +
                                      "; name others with --style-layers");
    }
    states_.back().style = make_style_loss(options.style_loss, options.loss, backend, dtype);
    ++style_taps_;
    style_weight_sum_ += tap.style_weight;
  }
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
  const bool smooths = taps_[t].smoothing.mode != Smoothing::kNone;
  const Buffer memory(*backend_, smooths ? f.count() * size_of(dtype_) : 0);
  const Buffer statistics(*backend_, sizeof(SoftmaxStatistics));
  const Tensor s = smooth_forward(*backend_, taps_[t].smoothing, f, memory.data(),
                                  static_cast<SoftmaxStatistics*>(statistics.data()));
  states_[t].style->add_target(s, weight);
}

int64_t Objective::style_target_bytes(const std::vector<Shape>& shapes) const {
  int64_t kept = 0, preparation = 0;
  for (size_t t = 0; t < taps_.size(); ++t) {
    if (taps_[t].style < 0) continue;
    kept += states_[t].style->target_bytes(shapes[t].c);
    preparation = std::max(preparation, states_[t].style->preparation_bytes(shapes[t].c));
  }
  return kept + preparation;
}

void Objective::set_content(int t, const Tensor& f) {
  if (!taps_[t].content) return;
  OwnedTensor kept;
  if (taps_[t].smoothing.mode == Smoothing::kNone) {
    kept = copy_of(*backend_, f);
  } else {
    kept = OwnedTensor(*backend_, dtype_, f.shape);
    const Buffer statistics(*backend_, sizeof(SoftmaxStatistics));
    smooth_forward(*backend_, taps_[t].smoothing, f, kept.tensor.data,
                   static_cast<SoftmaxStatistics*>(statistics.data()));
  }
  states_[t].content.set_target(std::move(kept), options_.loss);
}

// ---------------------------------------------------------------- one evaluation

void Objective::plan(ArenaPlan& plan, const std::vector<Shape>& shapes) {
  int64_t smooth_bytes = 0, workspace = 1;
  for (size_t t = 0; t < taps_.size(); ++t) {
    TapState& state = states_[t];
    state.shape = shapes[t];
    if (taps_[t].smoothing.mode != Smoothing::kNone) {
      smooth_bytes = std::max(smooth_bytes, shapes[t].count() * size_of(dtype_));
    }
    if (taps_[t].style >= 0) {
      state.style->plan(plan, shapes[t]);
      workspace = std::max(workspace, state.style->workspace_bytes(shapes[t]));
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
  void* memory = smooth_scratch_ >= 0 ? arena_->at(smooth_scratch_) : nullptr;
  const Tensor s = smooth_forward(*backend_, taps_[t].smoothing, f, memory,
                                  arena_->at<SoftmaxStatistics>(state.statistics));
  if (taps_[t].style >= 0) {
    state.style->forward(s, scalars(t) + kStyleSum, scalars(t) + kStyleInner, *arena_,
                         arena_->at(workspace_));
  }
  if (taps_[t].content) state.content.forward(s, scalars(t) + kContentSum, scalars(t) + kContentInner);
}

void Objective::finish_forward() {
  std::vector<WassersteinProblem> problems;
  for (size_t i = 0; i < taps_.size(); ++i) {
    const int t = static_cast<int>(i);
    if (taps_[t].style < 0) continue;
    states_[t].style->defer(problems, scalars(t) + kStyleSum, scalars(t) + kStyleInner, *arena_);
  }
  if (!problems.empty()) backend_->wasserstein_forward(problems, dtype_);
}

void Objective::seed(int t, const Tensor& f, const Tensor& df, bool accumulate) {
  const ProfileRange range(*backend_, taps_[t].name.c_str());
  const Tap& tap = taps_[t];
  const TapState& state = states_[t];
  const bool smoothed = tap.smoothing.mode != Smoothing::kNone;
  const bool apart = accumulate || size_of(df.dtype) != size_of(dtype_);
  // The smoothed map again: keeping it would cost a copy of every tap.
  Tensor s = f, ds = df;
  if (smoothed) {
    s = smooth_again(*backend_, tap.smoothing, f, arena_->at(smooth_scratch_),
                     arena_->at<SoftmaxStatistics>(state.statistics));
    ds = Tensor(apart ? arena_->at(seed_scratch_) : df.data, dtype_, f.shape);
  }
  bool written = accumulate && !smoothed;
  SoftmaxInner inner;  // <ds, S>, from what the losses have summed up
  if (tap.style >= 0) {
    inner.value[0] = scalars(t) + kStyleInner;
    inner.factor[0] = state.style->backward(ds, s, options_.style_weight * style_factor(t), written, *arena_,
                                            arena_->at(workspace_));
    written = true;
  }
  if (tap.content) {
    inner.value[1] = scalars(t) + kContentInner;
    inner.factor[1] = state.content.backward(ds, s, options_.content_weight * content_factor(t), written);
  }
  if (!smoothed) return;
  smooth_backward(*backend_, tap.smoothing, accumulate ? ds : df, ds, s, inner);
  if (accumulate) backend_->add_forward(df, df, ds);
}

void Objective::add_image_gradient(const Tensor& x, const Tensor& dx, int64_t visible_pixels) {
  tv_count_ = static_cast<double>(visible_pixels * x.shape.c);
  if (options_.tv_weight == 0) return;
  double* loss = arena_->at<double>(scalars_) + scalar_count() - 1;
  const double factor = options_.tv_weight / tv_count_;
  if (options_.tv_stencil == TvStencil::kNinePoint) {
    backend_->total_variation_nine_point(loss, dx, x, factor);
  } else {
    backend_->total_variation(loss, dx, x, factor);
  }
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
    const double* sums = all.data() + t * kScalars;
    if (tap.content) values.content += content_factor(static_cast<int>(t)) * sums[kContentSum];
    if (tap.style < 0) continue;
    const double share = style_factor(static_cast<int>(t)) * sums[kStyleSum];
    values.style += share;
    const double equal = shares() ? style_weight_sum_ / style_taps_ : 1.0;
    values.style_taps[tap.style] = tap.style_weight > 0 ? share / tap.style_weight * equal : 0.0;
  }
  if (options_.tv_weight > 0) values.tv = all[scalar_count() - 1] / tv_count_;
  values.total = options_.content_weight * values.content + options_.style_weight * values.style +
                 options_.tv_weight * values.tv;
  return values;
}

// ---------------------------------------------------------------- weights

double Objective::k(int t) const {
  return taps_[t].smoothing.mode == Smoothing::kSoftmax ? 1.0 / static_cast<double>(states_[t].shape.count())
                                                        : 1.0;
}

double Objective::style_factor(int t) const {
  const double weight = taps_[t].style_weight;
  return states_[t].style->factor(options_.loss, shares() ? weight / style_weight_sum_ : weight, k(t));
}

double Objective::content_factor(int t) const {
  return states_[t].content.factor(options_.loss, taps_[t].content_weight, k(t));
}

double* Objective::scalars(int t) const { return arena_->at<double>(scalars_) + t * kScalars; }

int64_t Objective::scalar_count() const { return static_cast<int64_t>(taps_.size()) * kScalars + 1; }

}  // namespace swag
