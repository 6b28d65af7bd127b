#include "src/objective/evaluation.h"

namespace swag {

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
  visit_features(network, targets.content, objective_.nodes(),
                 [&](int tap, const Tensor& f) { objective_.set_content(tap, f); });

  const Shape image = targets.content.shape;
  ArenaPlan plan;
  executor_ = std::make_unique<Executor>(network, image.h, image.w, objective_.nodes(), true, plan);
  std::vector<Shape> shapes;
  for (int node : objective_.nodes()) shapes.push_back(executor_->shape(node));
  objective_.plan(plan, shapes);
  arena_ = Arena(network.backend(), plan);
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
  // With one style image a tap's temperature is settled as soon as its map is there; several have to be kept.
  const bool several = targets.styles.size() > 1;
  if (several) {
    std::vector<std::vector<OwnedTensor>> maps(nodes.size());
    for (const Tensor& style : targets.styles) {
      visit_features(*network_, style, nodes, [&](int tap, const Tensor& f) {
        if (!objective_.auto_temperature(tap)) return;
        maps[tap].emplace_back(backend, f.dtype, f.shape);
        backend.copy(maps[tap].back().tensor.data, f.data, f.count() * size_of(f.dtype));
      });
    }
    for (size_t tap = 0; tap < nodes.size(); ++tap) {
      std::vector<Tensor> views;
      for (const OwnedTensor& map : maps[tap]) views.push_back(map.tensor);
      if (!views.empty()) settle(static_cast<int>(tap), views);
    }
  }
  for (size_t i = 0; i < targets.styles.size(); ++i) {
    visit_features(*network_, targets.styles[i], nodes, [&](int tap, const Tensor& f) {
      if (!several && objective_.auto_temperature(tap)) settle(tap, {f});
      objective_.add_style(tap, f, targets.blend[i]);
    });
  }
}

void Evaluation::run(const Tensor& x) {
  Backend& backend = network_->backend();
  {
    const ProfileRange range(backend, "forward");
    executor_->forward(x, [&](int tap, const Tensor& f) { objective_.accumulate(tap, f); });
  }
  if (record_signs_) signs_ = executor_->signs();
  if (!imposed_.empty()) executor_->impose_signs(imposed_);
  const ProfileRange range(backend, "backward");
  gradient_ = executor_->backward([&](int tap, const Tensor& f, const Tensor& df, bool accumulate) {
    objective_.seed(tap, f, df, accumulate);
  });
  objective_.add_image_gradient(x, gradient_);
}

}  // namespace swag
