#include "src/objective/evaluation.h"

#include <algorithm>

#include "src/network/visible.h"

namespace swag {
namespace {

/// call(seen) with what the losses see of a tap's map.
template <typename Call>
void see(Backend& backend, const VisibleTaps& visible, int tap, const Tensor& f, const Call& call) {
  if (!visible.hides(tap)) return call(f);
  const Buffer memory(backend, visible.seen(tap, f.shape).count() * size_of(f.dtype));
  call(visible.gather(tap, f, memory.data()));
}

}  // namespace

void visit_features(const PreparedNetwork& network, const Tensor& x, const std::vector<int>& nodes,
                    const Executor::Visit& visit) {
  ArenaPlan plan;
  Executor executor(network, x.shape.h, x.shape.w, nodes, false, plan);
  const Arena arena(network.backend(), plan);
  executor.bind(arena);
  executor.forward(x, visit);
}

Evaluation::Evaluation(const PreparedNetwork& network, Objective objective, const Targets& targets,
                       const std::function<void(const std::string&)>& warn)
    : network_(&network), objective_(std::move(objective)) {
  prepare_styles(targets, warn);
  const Shape image = targets.content.shape;
  visible_ = visible_taps(targets.content_alpha, image);
  visible_pixels_ = image.pixels();
  if (!targets.content_alpha.empty()) {
    const size_t count = visible_positions(targets.content_alpha, image, image).size();
    if (count > 0) visible_pixels_ = static_cast<int64_t>(count);
  }
  visit_features(network, targets.content, objective_.nodes(), [&](int tap, const Tensor& f) {
    see(network.backend(), visible_, tap, f, [&](const Tensor& seen) { objective_.set_content(tap, seen); });
  });
  plan(image);
}

VisibleTaps Evaluation::visible_taps(const std::vector<float>& alpha, Shape picture) const {
  if (alpha.empty()) return {};
  const std::vector<Shape> all = network_->graph().shapes(picture.h, picture.w, network_->last());
  std::vector<Shape> maps;
  for (const int node : objective_.nodes()) maps.push_back(all[node]);
  return VisibleTaps(network_->backend(), alpha, picture, maps);
}

void Evaluation::plan(Shape image) {
  const std::vector<int> nodes = objective_.nodes();
  ArenaPlan plan;
  executor_ = std::make_unique<Executor>(*network_, image.h, image.w, nodes, true, plan);
  std::vector<Shape> shapes;
  int64_t gathered = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const int tap = static_cast<int>(i);
    shapes.push_back(visible_.seen(tap, executor_->shape(nodes[i])));
    if (visible_.hides(tap))
      gathered = std::max(gathered, shapes[i].count() * size_of(network_->dtype(nodes[i])));
  }
  objective_.plan(plan, shapes);
  if (gathered > 0) {
    seen_ = plan.add_permanent(gathered);
    dseen_ = plan.add_permanent(gathered);
  }
  arena_ = Arena(network_->backend(), plan);
  executor_->bind(arena_);
  objective_.bind(arena_);
}

void Evaluation::prepare_styles(const Targets& targets, const std::function<void(const std::string&)>& warn) {
  Backend& backend = network_->backend();
  const std::vector<int> nodes = objective_.nodes();
  const auto settle = [&](int tap, const std::vector<Tensor>& maps) {
    if (objective_.settle_temperature(tap, maps) || !warn) return;
    warn("the style's map at " + objective_.taps()[tap].name + " is flat: temperature 1");
  };
  // visit(tap, map) for what is seen of the maps of style image i.
  const auto visit_style = [&](size_t i, const Executor::Visit& visit) {
    const Tensor& style = targets.styles[i];
    const VisibleTaps visible =
        targets.style_alphas.empty() ? VisibleTaps() : visible_taps(targets.style_alphas[i], style.shape);
    visit_features(*network_, style, nodes, [&](int tap, const Tensor& f) {
      see(backend, visible, tap, f, [&](const Tensor& seen) { visit(tap, seen); });
    });
  };
  // With one style image a tap's temperature is settled as soon as its map is there; several have to be kept.
  const bool several = targets.styles.size() > 1;
  if (several) {
    std::vector<std::vector<OwnedTensor>> maps(nodes.size());
    for (size_t i = 0; i < targets.styles.size(); ++i) {
      visit_style(i, [&](int tap, const Tensor& f) {
        if (!objective_.auto_temperature(tap)) return;
        maps[tap].push_back(copy_of(backend, f));
      });
    }
    for (size_t tap = 0; tap < nodes.size(); ++tap) {
      std::vector<Tensor> views;
      for (const OwnedTensor& map : maps[tap]) views.push_back(map.tensor);
      if (!views.empty()) settle(static_cast<int>(tap), views);
    }
  }
  for (size_t i = 0; i < targets.styles.size(); ++i) {
    visit_style(i, [&](int tap, const Tensor& f) {
      if (!several && objective_.auto_temperature(tap)) settle(tap, {f});
      objective_.add_style(tap, f, targets.blend[i]);
    });
  }
}

void Evaluation::run(const Tensor& x) {
  const bool watched = record_signs_ || !imposed_.empty();
  if (may_record_ && !watched) {
    may_record_ = false;
    recording_ = network_->backend().record([&] { compute(x); });
    recorded_x_ = x.data;
  } else if (!recorded_x_) {
    may_record_ = true;
  }
  if (recording_ && !watched && x.data == recorded_x_) {
    recording_->replay();
  } else {
    compute(x);
  }
}

void Evaluation::compute(const Tensor& x) {
  Backend& backend = network_->backend();
  {
    const ProfileRange range(backend, "forward");
    executor_->forward(x, [&](int tap, const Tensor& f) {
      objective_.accumulate(tap, visible_.hides(tap) ? visible_.gather(tap, f, arena_.at(seen_)) : f);
    });
    objective_.finish_forward();
  }
  if (record_signs_) signs_ = executor_->signs();
  if (!imposed_.empty()) executor_->impose_signs(imposed_);
  const ProfileRange range(backend, "backward");
  gradient_ = executor_->backward(
      [&](int tap, const Tensor& f, const Tensor& df, bool accumulate) { seed(tap, f, df, accumulate); });
  objective_.add_image_gradient(x, gradient_, visible_pixels_);
}

void Evaluation::seed(int tap, const Tensor& f, const Tensor& df, bool accumulate) {
  if (!visible_.hides(tap)) return objective_.seed(tap, f, df, accumulate);
  const Tensor seen = visible_.gather(tap, f, arena_.at(seen_));
  const Tensor dseen(arena_.at(dseen_), df.dtype, seen.shape);
  objective_.seed(tap, seen, dseen, false);
  visible_.scatter(tap, df, dseen, accumulate);
}

}  // namespace swag
