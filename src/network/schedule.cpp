#include "src/network/schedule.h"

#include <algorithm>

#include "kernels/mask.h"

namespace swag {
namespace {

/// The concatenation into whose map a node's value is written.
struct Part {
  int whole = -1;
  int64_t channel = 0;
};

/// Time runs over the forward steps 0 ... n-1 and then over their backward steps n ... 2n-1, in reverse
/// order.
class Scheduler {
 public:
  Scheduler(const PreparedNetwork& network, int h, int w, const std::vector<int>& taps, bool with_backward,
            ArenaPlan& plan);
  Schedule take() { return std::move(made_); }

 private:
  void find_parts();
  void find_pools_behind_relus();
  void plan_forward(bool with_backward);
  void plan_value(int node, int time);
  void plan_backward();
  void plan_step_backward(int step);
  void plan_seed(int node, int time);
  void plan_mask(int node, int time);
  void plan_identity(int from, int to, bool may_take, int time, int64_t channel = 0);
  void start_gradient(int node, int time);
  int backward_time(int step) const { return 2 * static_cast<int>(network_.steps().size()) - 1 - step; }
  int64_t bytes_of(int node) const { return made_.shapes[node].count() * size_of(network_.dtype(node)); }

  const PreparedNetwork& network_;
  const std::vector<int>& taps_;
  ArenaPlan& plan_;
  Schedule made_;
  // By node.
  std::vector<int> first_reader_;  // the first step that reads it, or -1
  std::vector<Part> parts_;
  std::vector<bool> seeded_, masked_;
  std::vector<bool> absorbed_;  // ReLUs whose signs are a max-pool's positions
};

Scheduler::Scheduler(const PreparedNetwork& network, int h, int w, const std::vector<int>& taps,
                     bool with_backward, ArenaPlan& plan)
    : network_(network), taps_(taps), plan_(plan) {
  made_.shapes = network.graph().shapes(h, w, network.last());
  const size_t nodes = made_.shapes.size();
  first_reader_.assign(nodes, -1);
  parts_.resize(nodes);
  made_.values.resize(nodes);
  made_.gradients.resize(nodes);
  made_.tap_index = made_.masks = made_.positions = std::vector<int>(nodes, -1);
  for (size_t i = 0; i < taps.size(); ++i) made_.tap_index[taps[i]] = static_cast<int>(i);
  const std::vector<Step>& steps = network.steps();
  for (int i = static_cast<int>(steps.size()) - 1; i >= 0; --i) {
    for (const int operand : operands_of(network, steps[i])) first_reader_[operand] = i;
  }
  find_parts();
  find_pools_behind_relus();
  plan_forward(with_backward);
  if (with_backward) plan_backward();
}

void Scheduler::find_parts() {
  std::vector<bool> apart(made_.shapes.size(), false);
  apart[0] = true;
  for (const int tap : taps_) apart[tap] = true;  // dense, as the losses want it
  for (const Step& step : network_.steps()) {
    if (step.op == Op::kConcat) apart[step.y] = true;
    if (step.op == Op::kConv2d && step.other >= 0) apart[step.y] = apart[step.other] = true;  // of one pitch
  }
  for (const Step& step : network_.steps()) {
    if (step.op != Op::kConcat) continue;
    for_each_part(network_, made_.shapes, step, [&](int node, int64_t channel) {
      if (!apart[node] && parts_[node].whole < 0) parts_[node] = {step.y, channel};
    });
  }
}

/// Where nobody but a max-pool reads a ReLU's output, its gradient comes from that pool alone.
void Scheduler::find_pools_behind_relus() {
  const std::vector<Step>& steps = network_.steps();
  std::vector<int> readers(made_.shapes.size(), 0);
  std::vector<bool> relus(made_.shapes.size(), false);
  for (const Step& step : steps) {
    for (const int operand : operands_of(network_, step)) ++readers[operand];
    relus[step.y] = step.relu;
  }
  made_.behind_relu.assign(made_.shapes.size(), false);
  absorbed_ = made_.behind_relu;
  for (const Step& step : steps) {
    const bool alone = relus[step.x] && readers[step.x] == 1 && made_.tap_index[step.x] < 0;
    const int kernel = network_.graph().nodes[step.y].pool.kernel;
    if (step.op != Op::kMaxPool || !alone || kernel * kernel > kNoPosition) continue;
    made_.behind_relu[step.y] = absorbed_[step.x] = true;
  }
}

/// The map of a concatenation begins to live with the first of its parts.
void Scheduler::plan_value(int node, int time) {
  const Part& part = parts_[node];
  const int whole = part.whole >= 0 ? part.whole : node;
  if (made_.values[whole].piece < 0)
    made_.values[whole] = {plan_.add(bytes_of(whole), time, time), 0, made_.shapes[whole].c};
  made_.values[node] = {made_.values[whole].piece, part.channel, made_.values[whole].pitch};
  plan_.extend(made_.values[node].piece, time);
}

void Scheduler::plan_forward(bool with_backward) {
  Backend& backend = network_.backend();
  int64_t workspace = 0;
  const int steps = static_cast<int>(network_.steps().size());
  for (int i = 0; i < steps; ++i) {
    const Step& step = network_.steps()[i];
    for (const int operand : operands_of(network_, step)) {
      if (operand > 0) plan_.extend(made_.values[operand].piece, i);
    }
    const Shape shape = made_.shapes[step.y];
    plan_value(step.y, i);
    if (step.op == Op::kConv2d) {
      for (Conv2dDirection direction : {Conv2dDirection::kForward, Conv2dDirection::kBackwardData}) {
        if (direction == Conv2dDirection::kBackwardData && !with_backward) continue;
        workspace = std::max(
            workspace, backend.conv2d_workspace_bytes(conv2d_params(network_, made_.shapes, step, direction),
                                                      direction, network_.dtype(step.y)));
      }
    }
    if (!with_backward) continue;
    if (step.relu && !absorbed_[step.y])
      made_.masks[step.y] = plan_.add(shape.pixels() * mask_words(shape.c) * 4, i, i);
    if (step.op == Op::kMaxPool) made_.positions[step.y] = plan_.add(shape.count(), i, backward_time(i));
  }
  made_.workspace = plan_.add_permanent(std::max<int64_t>(workspace, 1));
}

void Scheduler::plan_backward() {
  seeded_.assign(made_.shapes.size(), false);
  masked_.assign(made_.shapes.size(), false);
  for (int i = static_cast<int>(network_.steps().size()) - 1; i >= 0; --i) plan_step_backward(i);
}

void Scheduler::plan_step_backward(int index) {
  const Step& step = network_.steps()[index];
  const int time = backward_time(index);
  plan_seed(step.y, time);
  if (made_.gradients[step.y].piece < 0) return;  // no tap depends on it
  plan_mask(step.y, time);
  plan_.extend(made_.gradients[step.y].piece, time);

  if (step.op == Op::kConv2d) {
    // The last gradient to arrive at x may apply x's ReLU signs on its way, so a tap's own gradient goes
    // first.
    const bool last = first_reader_[step.x] == index && step.other != step.x;
    if (last) plan_seed(step.x, time);
    Action action{Act::kConv2d, index, step.x, step.y};
    action.accumulate = made_.gradients[step.x].piece >= 0;
    action.mask = last && made_.masks[step.x] >= 0;
    start_gradient(step.x, time);
    if (action.mask) {
      masked_[step.x] = true;
      plan_.extend(made_.masks[step.x], time);
    }
    made_.actions.push_back(action);
    if (step.other >= 0) plan_identity(step.y, step.other, true, time);
  } else if (step.op == Op::kMaxPool || step.op == Op::kAvgPool || step.op == Op::kPad) {
    Action action{Act::kWindow, index, step.x, step.y};
    action.accumulate = made_.gradients[step.x].piece >= 0;
    start_gradient(step.x, time);
    if (action.accumulate) action.scratch = plan_.add(bytes_of(step.x), time, time);
    made_.actions.push_back(action);
  } else if (step.op == Op::kConcat) {
    for_each_part(network_, made_.shapes, step,
                  [&](int node, int64_t channel) { plan_identity(step.y, node, true, time, channel); });
  } else {
    if (step.op == Op::kBatchNorm) made_.actions.push_back({Act::kBatchNorm, index, step.y, step.y});
    plan_identity(step.y, step.x, true, time);
    const bool taken = made_.gradients[step.x].piece == made_.gradients[step.y].piece;
    if (step.op == Op::kAdd) plan_identity(step.y, step.other, !taken, time);
  }
}

/// A tap's own gradient, once: at the latest when its producer's backward comes.
void Scheduler::plan_seed(int node, int time) {
  if (made_.tap_index[node] < 0 || seeded_[node]) return;
  seeded_[node] = true;
  Action action{Act::kSeed, -1, node, node};
  action.accumulate = made_.gradients[node].piece >= 0;
  start_gradient(node, time);
  plan_.extend(made_.values[node].piece, time);
  made_.actions.push_back(action);
}

void Scheduler::plan_mask(int node, int time) {
  if (made_.masks[node] < 0 || masked_[node]) return;
  masked_[node] = true;
  plan_.extend(made_.masks[node], time);
  made_.actions.push_back({Act::kMask, -1, node, node});
}

/// The gradient of `from`, from `channel` on, goes to `to` unchanged: by handing over its memory where it may
/// and `to` has none yet. A tap's is dense, as the losses want it.
void Scheduler::plan_identity(int from, int to, bool may_take, int time, int64_t channel) {
  Place place = made_.gradients[from];
  place.channel += channel;
  const bool fits = to != 0 && (made_.tap_index[to] < 0 || place.pitch == made_.shapes[to].c);
  if (made_.gradients[to].piece < 0 && may_take && fits) {
    made_.gradients[to] = place;
    return;
  }
  Action action{made_.gradients[to].piece < 0 ? Act::kCopy : Act::kAdd, -1, to, from};
  action.channel = channel;
  start_gradient(to, time);
  made_.actions.push_back(action);
}

void Scheduler::start_gradient(int node, int time) {
  if (made_.gradients[node].piece < 0) {
    const int64_t bytes = bytes_of(node);
    made_.gradients[node] = {node == 0 ? plan_.add_permanent(bytes) : plan_.add(bytes, time, time), 0,
                             made_.shapes[node].c};
  }
  plan_.extend(made_.gradients[node].piece, time);
}

}  // namespace

Schedule make_schedule(const PreparedNetwork& network, int h, int w, const std::vector<int>& taps,
                       bool with_backward, ArenaPlan& plan) {
  return Scheduler(network, h, w, taps, with_backward, plan).take();
}

Conv2dParams conv2d_params(const PreparedNetwork& network, const std::vector<Shape>& shapes, const Step& step,
                           Conv2dDirection direction) {
  const int index = static_cast<int>(&step - network.steps().data());
  const PreparedNetwork::Parameters& parameters = network.parameters(index);
  Conv2dParams params;
  params.layer = network.graph().nodes[step.conv].conv;
  params.algorithm =
      direction == Conv2dDirection::kForward ? parameters.forward_algorithm : parameters.backward_algorithm;
  params.h = shapes[step.x].h;
  params.w = shapes[step.x].w;
  params.x_pitch = shapes[step.x].c;
  params.y_pitch = shapes[step.y].c;
  const bool forward = direction == Conv2dDirection::kForward;
  params.x_type = forward ? network.dtype(step.x) : network.gradient_dtype(step.x);
  params.y_type = forward ? network.dtype(step.y) : network.gradient_dtype(step.y);
  return params;
}

std::vector<int> operands_of(const PreparedNetwork& network, const Step& step) {
  if (step.op == Op::kConcat) return network.graph().nodes[step.y].inputs;
  if (step.other >= 0) return {step.x, step.other};
  return {step.x};
}

}  // namespace swag
