#include "src/executor.h"

#include <algorithm>
#include <cassert>

#include "kernels/mask.h"
#include "src/error.h"

namespace swag {

Executor::Executor(const PreparedNetwork& network, int h, int w, const std::vector<int>& taps,
                   bool with_backward, ArenaPlan& plan)
    : network_(&network), taps_(taps), shapes_(network.graph().shapes(h, w, network.last())) {
  const size_t nodes = shapes_.size();
  tap_index_.assign(nodes, -1);
  first_reader_.assign(nodes, -1);
  values_ = gradients_ = masks_ = positions_ = std::vector<int>(nodes, -1);
  for (size_t i = 0; i < taps_.size(); ++i) tap_index_[taps_[i]] = static_cast<int>(i);
  const std::vector<Step>& steps = network.steps();
  for (int i = static_cast<int>(steps.size()) - 1; i >= 0; --i) {
    first_reader_[steps[i].x] = i;
    if (steps[i].other >= 0) first_reader_[steps[i].other] = i;
  }
  plan_forward(plan, with_backward);
  if (with_backward) plan_backward(plan);
}

// ---------------------------------------------------------------- planning
// Time runs over the forward steps 0 ... n-1 and then over their backward steps n ... 2n-1, in reverse order.

void Executor::plan_forward(ArenaPlan& plan, bool with_backward) {
  const DType dtype = network_->dtype();
  Backend& backend = network_->backend();
  int64_t workspace = 0;
  const int steps = static_cast<int>(network_->steps().size());
  for (int i = 0; i < steps; ++i) {
    const Step& step = network_->steps()[i];
    for (int operand : {step.x, step.other}) {
      if (operand > 0) plan.extend(values_[operand], i);
    }
    const Shape shape = shapes_[step.y];
    values_[step.y] = plan.add(shape.count() * size_of(dtype), i, i);
    if (step.op == Op::kConv2d) {
      for (Conv2dDirection direction : {Conv2dDirection::kForward, Conv2dDirection::kBackwardData}) {
        if (direction == Conv2dDirection::kBackwardData && !with_backward) continue;
        workspace = std::max(
            workspace, backend.conv2d_workspace_bytes(conv2d_params(step, direction), direction, dtype));
      }
    }
    if (!with_backward) continue;
    if (step.relu) masks_[step.y] = plan.add(shape.pixels() * mask_words(shape.c) * 4, i, i);
    if (step.op == Op::kMaxPool) positions_[step.y] = plan.add(shape.count(), i, backward_time(i));
  }
  workspace_ = plan.add_permanent(std::max<int64_t>(workspace, 1));
}

void Executor::plan_backward(ArenaPlan& plan) {
  seeded_.assign(shapes_.size(), false);
  masked_.assign(shapes_.size(), false);
  for (int i = static_cast<int>(network_->steps().size()) - 1; i >= 0; --i) plan_step_backward(plan, i);
}

void Executor::plan_step_backward(ArenaPlan& plan, int index) {
  const Step& step = network_->steps()[index];
  const int time = backward_time(index);
  plan_seed(plan, step.y, time);
  if (gradients_[step.y] < 0) return;  // no tap depends on it
  plan_mask(plan, step.y, time);
  plan.extend(gradients_[step.y], time);

  if (step.op == Op::kConv2d) {
    // The last gradient to arrive at x may apply x's ReLU signs on its way, so a tap's own gradient goes
    // first.
    const bool last = first_reader_[step.x] == index && step.other != step.x;
    if (last) plan_seed(plan, step.x, time);
    Action action{Act::kConv2d, index, step.x, step.y};
    action.accumulate = gradients_[step.x] >= 0;
    action.mask = last && masks_[step.x] >= 0;
    start_gradient(plan, step.x, time);
    if (action.mask) {
      masked_[step.x] = true;
      plan.extend(masks_[step.x], time);
    }
    actions_.push_back(action);
    if (step.other >= 0) plan_identity(plan, step.y, step.other, true, time);
  } else if (step.op == Op::kMaxPool || step.op == Op::kAvgPool) {
    Action action{Act::kPool, index, step.x, step.y};
    action.accumulate = gradients_[step.x] >= 0;
    start_gradient(plan, step.x, time);
    if (action.accumulate) {
      action.scratch = plan.add(shapes_[step.x].count() * size_of(network_->dtype()), time, time);
    }
    actions_.push_back(action);
  } else {
    if (step.op == Op::kBatchNorm) actions_.push_back({Act::kBatchNorm, index, step.y, step.y});
    plan_identity(plan, step.y, step.x, true, time);
    const bool taken = gradients_[step.x] == gradients_[step.y];
    if (step.op == Op::kAdd) plan_identity(plan, step.y, step.other, !taken, time);
  }
}

/// A tap's own gradient, once: at the latest when its producer's backward comes.
void Executor::plan_seed(ArenaPlan& plan, int node, int time) {
  if (tap_index_[node] < 0 || seeded_[node]) return;
  seeded_[node] = true;
  Action action{Act::kSeed, -1, node, node};
  action.accumulate = gradients_[node] >= 0;
  start_gradient(plan, node, time);
  plan.extend(values_[node], time);
  actions_.push_back(action);
}

void Executor::plan_mask(ArenaPlan& plan, int node, int time) {
  if (masks_[node] < 0 || masked_[node]) return;
  masked_[node] = true;
  plan.extend(masks_[node], time);
  actions_.push_back({Act::kMask, -1, node, node});
}

/// The gradient of `from` goes to `to` unchanged: by handing over its memory where it may and `to` has none
/// yet.
void Executor::plan_identity(ArenaPlan& plan, int from, int to, bool may_take, int time) {
  if (gradients_[to] < 0 && may_take && to != 0) {
    gradients_[to] = gradients_[from];
    return;
  }
  const Act act = gradients_[to] < 0 ? Act::kCopy : Act::kAdd;
  start_gradient(plan, to, time);
  actions_.push_back({act, -1, to, from});
}

void Executor::start_gradient(ArenaPlan& plan, int node, int time) {
  if (gradients_[node] < 0) {
    const int64_t bytes = shapes_[node].count() * size_of(network_->dtype());
    gradients_[node] = node == 0 ? plan.add_permanent(bytes) : plan.add(bytes, time, time);
  }
  plan.extend(gradients_[node], time);
}

void Executor::bind(const Arena& arena) {
  arena_ = &arena;
  if (gradients_[0] >= 0) pixel_gradient_ = gradient(0);
}

// ---------------------------------------------------------------- running

Tensor Executor::tensor(int piece, int node) const {
  assert(piece >= 0);
  return Tensor(arena_->at(piece), network_->dtype(), shapes_[node]);
}

Conv2dParams Executor::conv2d_params(const Step& step, Conv2dDirection direction) const {
  const int index = static_cast<int>(&step - network_->steps().data());
  const PreparedNetwork::Parameters& parameters = network_->parameters(index);
  Conv2dParams params;
  params.layer = network_->graph().nodes[step.conv].conv;
  params.algorithm =
      direction == Conv2dDirection::kForward ? parameters.forward_algorithm : parameters.backward_algorithm;
  params.h = shapes_[step.x].h;
  params.w = shapes_[step.x].w;
  params.x_pitch = shapes_[step.x].c;
  params.y_pitch = shapes_[step.y].c;
  return params;
}

void Executor::forward(const Tensor& x, const Visit& visit) {
  assert(x.shape == shapes_[0] && x.dense() && x.dtype == network_->dtype());
  input_ = x;
  for (size_t i = 0; i < network_->steps().size(); ++i) {
    run_forward(static_cast<int>(i));
    const int node = network_->steps()[i].y;
    if (tap_index_[node] >= 0) visit(tap_index_[node], value(node));
  }
}

/// For profilers: "layer3.5.conv2".
const char* Executor::name_of(const Step& step) const {
  const std::string& parameters =
      network_->graph().nodes[step.op == Op::kConv2d ? step.conv : step.y].parameters;
  return parameters.empty() ? op_name(step.op) : parameters.c_str();
}

void Executor::run_forward(int index) {
  const Step& step = network_->steps()[index];
  const PreparedNetwork::Parameters& parameters = network_->parameters(index);
  Backend& backend = network_->backend();
  const Tensor x = value(step.x), y = value(step.y);
  uint32_t* mask = masks_[step.y] >= 0 ? arena_->at<uint32_t>(masks_[step.y]) : nullptr;
  uint8_t* position = positions_[step.y] >= 0 ? arena_->at<uint8_t>(positions_[step.y]) : nullptr;
  const Node& node = network_->graph().nodes[step.y];
  const ProfileRange range(backend, name_of(step));
  switch (step.op) {
    case Op::kInput: break;
    case Op::kConv2d: {
      ForwardEpilogue epilogue;
      epilogue.bias = parameters.bias.data();
      epilogue.residual = step.other >= 0 ? value(step.other).data : nullptr;
      epilogue.relu = step.relu;
      epilogue.mask = mask;
      backend.conv2d_forward(y, x, parameters.forward.data(), epilogue,
                             conv2d_params(step, Conv2dDirection::kForward), arena_->at(workspace_));
      break;
    }
    case Op::kBatchNorm:
      backend.batch_norm_forward(y, x, parameters.scale.data(), parameters.shift.data());
      break;
    case Op::kRelu: backend.relu_forward(y, mask, x); break;
    case Op::kAdd: backend.add_forward(y, x, value(step.other)); break;
    case Op::kMaxPool: backend.max_pool2d_forward(y, position, x, pool_params(node, x.shape)); break;
    case Op::kAvgPool: backend.avg_pool2d_forward(y, x, pool_params(node, x.shape)); break;
  }
}

const Tensor& Executor::backward(const Seed& seed) {
  for (const Action& action : actions_) run_backward(action, seed);
  return pixel_gradient_;
}

void Executor::run_backward(const Action& action, const Seed& seed) {
  Backend& backend = network_->backend();
  const ProfileRange range(backend, action.step >= 0 ? name_of(network_->steps()[action.step]) : "gradient");
  const Tensor to = gradient(action.to), from = gradient(action.from);
  const uint32_t* mask = masks_[action.to] >= 0 ? arena_->at<uint32_t>(masks_[action.to]) : nullptr;
  switch (action.act) {
    case Act::kSeed: seed(tap_index_[action.to], value(action.to), to, action.accumulate); break;
    case Act::kMask: backend.relu_backward(to, to, mask); break;
    case Act::kConv2d: {
      const Step& step = network_->steps()[action.step];
      BackwardEpilogue epilogue;
      epilogue.addend = action.accumulate ? to.data : nullptr;
      epilogue.mask = action.mask ? mask : nullptr;
      backend.conv2d_backward_data(to, from, network_->parameters(action.step).backward.data(), epilogue,
                                   conv2d_params(step, Conv2dDirection::kBackwardData),
                                   arena_->at(workspace_));
      break;
    }
    case Act::kBatchNorm:
      backend.batch_norm_backward(to, from, network_->parameters(action.step).scale.data());
      break;
    case Act::kPool: {
      const Step& step = network_->steps()[action.step];
      const Pool2dParams params = pool_params(network_->graph().nodes[step.y], shapes_[step.x]);
      const Tensor dx = action.accumulate ? tensor(action.scratch, step.x) : to;
      if (step.op == Op::kMaxPool) {
        backend.max_pool2d_backward(dx, from, arena_->at<uint8_t>(positions_[step.y]), params);
      } else {
        backend.avg_pool2d_backward(dx, from, params);
      }
      if (action.accumulate) backend.add_forward(to, to, dx);
      break;
    }
    case Act::kAdd: backend.add_forward(to, to, from); break;
    case Act::kCopy: backend.copy(to.data, from.data, to.count() * size_of(to.dtype)); break;
  }
}

// ---------------------------------------------------------------- signs

std::vector<std::vector<uint8_t>> Executor::signs() const {
  std::vector<std::vector<uint8_t>> result;
  for (const Step& step : network_->steps()) {
    const Shape shape = shapes_[step.y];
    if (masks_[step.y] >= 0) {
      result.emplace_back(shape.pixels() * mask_words(shape.c) * 4);
      network_->backend().download(result.back().data(), arena_->at(masks_[step.y]),
                                   static_cast<int64_t>(result.back().size()));
    }
    if (positions_[step.y] >= 0) {
      result.emplace_back(shape.count());
      network_->backend().download(result.back().data(), arena_->at(positions_[step.y]), shape.count());
    }
  }
  return result;
}

void Executor::impose_signs(const std::vector<std::vector<uint8_t>>& signs) {
  size_t next = 0;
  for (const Step& step : network_->steps()) {
    for (int piece : {masks_[step.y], positions_[step.y]}) {
      if (piece < 0) continue;
      const std::vector<uint8_t>& bytes = signs.at(next++);
      network_->backend().upload(arena_->at(piece), bytes.data(), static_cast<int64_t>(bytes.size()));
    }
  }
  if (next != signs.size()) throw Error(Status::kInternal, "signs of another network");
}

}  // namespace swag
