#include "src/network/executor.h"

#include <algorithm>
#include <cassert>

#include "kernels/mask.h"
#include "src/support/error.h"

namespace swag {
namespace {

/// Channels [channel, channel + c) of a map.
Tensor slice(Tensor map, int64_t channel, int c) {
  map.data = static_cast<char*>(map.data) + channel * size_of(map.dtype);
  map.shape.c = c;
  return map;
}

/// For x and y on the image's and on the far side.
template <typename Params>
Params with_pitches(Params params, const Tensor& x, const Tensor& y) {
  params.x_pitch = x.pitch;
  params.y_pitch = y.pitch;
  return params;
}

}  // namespace

Executor::Executor(const PreparedNetwork& network, int h, int w, const std::vector<int>& taps,
                   bool with_backward, ArenaPlan& plan)
    : network_(&network), taps_(taps), shapes_(network.graph().shapes(h, w, network.last())) {
  const size_t nodes = shapes_.size();
  tap_index_.assign(nodes, -1);
  first_reader_.assign(nodes, -1);
  parts_.resize(nodes);
  values_.resize(nodes);
  gradients_.resize(nodes);
  masks_ = positions_ = std::vector<int>(nodes, -1);
  for (size_t i = 0; i < taps_.size(); ++i) tap_index_[taps_[i]] = static_cast<int>(i);
  const std::vector<Step>& steps = network.steps();
  for (int i = static_cast<int>(steps.size()) - 1; i >= 0; --i) {
    for (const int operand : operands(steps[i])) first_reader_[operand] = i;
  }
  find_parts();
  plan_forward(plan, with_backward);
  if (with_backward) plan_backward(plan);
}

std::vector<int> Executor::operands(const Step& step) const {
  if (step.op == Op::kConcat) return network_->graph().nodes[step.y].inputs;
  if (step.other >= 0) return {step.x, step.other};
  return {step.x};
}

/// call(node, channel) for the parts of a concatenation and the first of their channels in it.
template <typename Call>
void Executor::for_each_part(const Step& step, const Call& call) const {
  int64_t channel = 0;
  for (const int node : operands(step)) {
    call(node, channel);
    channel += shapes_[node].c;
  }
}

// ---------------------------------------------------------------- planning
// Time runs over the forward steps 0 ... n-1 and then over their backward steps n ... 2n-1, in reverse order.

void Executor::find_parts() {
  std::vector<bool> apart(shapes_.size(), false);
  apart[0] = true;
  for (const int tap : taps_) apart[tap] = true;  // dense, as the losses want it
  for (const Step& step : network_->steps()) {
    if (step.op == Op::kConcat) apart[step.y] = true;
    if (step.op == Op::kConv2d && step.other >= 0) apart[step.y] = apart[step.other] = true;  // of one pitch
  }
  for (const Step& step : network_->steps()) {
    if (step.op != Op::kConcat) continue;
    for_each_part(step, [&](int node, int64_t channel) {
      if (!apart[node] && parts_[node].whole < 0) parts_[node] = {step.y, channel};
    });
  }
}

/// The map of a concatenation begins to live with the first of its parts.
void Executor::plan_value(ArenaPlan& plan, int node, int time) {
  const Part& part = parts_[node];
  const int whole = part.whole >= 0 ? part.whole : node;
  if (values_[whole].piece < 0) values_[whole] = {plan.add(bytes_of(whole), time, time), 0, shapes_[whole].c};
  values_[node] = {values_[whole].piece, part.channel, values_[whole].pitch};
  plan.extend(values_[node].piece, time);
}

void Executor::plan_forward(ArenaPlan& plan, bool with_backward) {
  const DType dtype = network_->dtype();
  Backend& backend = network_->backend();
  int64_t workspace = 0;
  const int steps = static_cast<int>(network_->steps().size());
  for (int i = 0; i < steps; ++i) {
    const Step& step = network_->steps()[i];
    for (const int operand : operands(step)) {
      if (operand > 0) plan.extend(values_[operand].piece, i);
    }
    const Shape shape = shapes_[step.y];
    plan_value(plan, step.y, i);
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
  if (gradients_[step.y].piece < 0) return;  // no tap depends on it
  plan_mask(plan, step.y, time);
  plan.extend(gradients_[step.y].piece, time);

  if (step.op == Op::kConv2d) {
    // The last gradient to arrive at x may apply x's ReLU signs on its way, so a tap's own gradient goes
    // first.
    const bool last = first_reader_[step.x] == index && step.other != step.x;
    if (last) plan_seed(plan, step.x, time);
    Action action{Act::kConv2d, index, step.x, step.y};
    action.accumulate = gradients_[step.x].piece >= 0;
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
    action.accumulate = gradients_[step.x].piece >= 0;
    start_gradient(plan, step.x, time);
    if (action.accumulate) action.scratch = plan.add(bytes_of(step.x), time, time);
    actions_.push_back(action);
  } else if (step.op == Op::kConcat) {
    for_each_part(step,
                  [&](int node, int64_t channel) { plan_identity(plan, step.y, node, true, time, channel); });
  } else {
    if (step.op == Op::kBatchNorm) actions_.push_back({Act::kBatchNorm, index, step.y, step.y});
    plan_identity(plan, step.y, step.x, true, time);
    const bool taken = gradients_[step.x].piece == gradients_[step.y].piece;
    if (step.op == Op::kAdd) plan_identity(plan, step.y, step.other, !taken, time);
  }
}

/// A tap's own gradient, once: at the latest when its producer's backward comes.
void Executor::plan_seed(ArenaPlan& plan, int node, int time) {
  if (tap_index_[node] < 0 || seeded_[node]) return;
  seeded_[node] = true;
  Action action{Act::kSeed, -1, node, node};
  action.accumulate = gradients_[node].piece >= 0;
  start_gradient(plan, node, time);
  plan.extend(values_[node].piece, time);
  actions_.push_back(action);
}

void Executor::plan_mask(ArenaPlan& plan, int node, int time) {
  if (masks_[node] < 0 || masked_[node]) return;
  masked_[node] = true;
  plan.extend(masks_[node], time);
  actions_.push_back({Act::kMask, -1, node, node});
}

/// The gradient of `from`, from `channel` on, goes to `to` unchanged: by handing over its memory where it may
/// and `to` has none yet. A tap's is dense, as the losses want it.
void Executor::plan_identity(ArenaPlan& plan, int from, int to, bool may_take, int time, int64_t channel) {
  Place place = gradients_[from];
  place.channel += channel;
  const bool fits = to != 0 && (tap_index_[to] < 0 || place.pitch == shapes_[to].c);
  if (gradients_[to].piece < 0 && may_take && fits) {
    gradients_[to] = place;
    return;
  }
  Action action{gradients_[to].piece < 0 ? Act::kCopy : Act::kAdd, -1, to, from};
  action.channel = channel;
  start_gradient(plan, to, time);
  actions_.push_back(action);
}

void Executor::start_gradient(ArenaPlan& plan, int node, int time) {
  if (gradients_[node].piece < 0) {
    const int64_t bytes = bytes_of(node);
    gradients_[node] = {node == 0 ? plan.add_permanent(bytes) : plan.add(bytes, time, time), 0,
                        shapes_[node].c};
  }
  plan.extend(gradients_[node].piece, time);
}

void Executor::bind(const Arena& arena) {
  arena_ = &arena;
  if (gradients_[0].piece >= 0) pixel_gradient_ = gradient(0);
}

// ---------------------------------------------------------------- running

Tensor Executor::tensor(const Place& place, int node) const {
  assert(place.piece >= 0);
  Tensor whole(arena_->at(place.piece), network_->dtype(), shapes_[node]);
  whole.pitch = place.pitch;
  return slice(whole, place.channel, shapes_[node].c);
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
                             with_pitches(conv2d_params(step, Conv2dDirection::kForward), x, y),
                             arena_->at(workspace_));
      break;
    }
    case Op::kBatchNorm:
      backend.batch_norm_forward(y, x, parameters.scale.data(), parameters.shift.data());
      break;
    case Op::kRelu: backend.relu_forward(y, mask, x); break;
    case Op::kAdd: backend.add_forward(y, x, value(step.other)); break;
    case Op::kConcat: run_concat(step); break;
    case Op::kMaxPool:
      backend.max_pool2d_forward(y, position, x, with_pitches(pool_params(node, x.shape), x, y));
      break;
    case Op::kAvgPool:
      backend.avg_pool2d_forward(y, x, with_pitches(pool_params(node, x.shape), x, y));
      break;
  }
}

/// Copies the parts that do not lie in their slices yet.
void Executor::run_concat(const Step& step) {
  for_each_part(step, [&](int node, int64_t channel) {
    const Tensor part = value(node), place = slice(value(step.y), channel, shapes_[node].c);
    if (part.data != place.data) network_->backend().copy_channels(place, part);
  });
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
      backend.conv2d_backward_data(
          to, from, network_->parameters(action.step).backward.data(), epilogue,
          with_pitches(conv2d_params(step, Conv2dDirection::kBackwardData), to, from),
          arena_->at(workspace_));
      break;
    }
    case Act::kBatchNorm:
      backend.batch_norm_backward(to, from, network_->parameters(action.step).scale.data());
      break;
    case Act::kPool: {
      const Step& step = network_->steps()[action.step];
      const Tensor dx = action.accumulate ? tensor({action.scratch, 0, shapes_[step.x].c}, step.x) : to;
      const Pool2dParams params =
          with_pitches(pool_params(network_->graph().nodes[step.y], shapes_[step.x]), dx, from);
      if (step.op == Op::kMaxPool) {
        backend.max_pool2d_backward(dx, from, arena_->at<uint8_t>(positions_[step.y]), params);
      } else {
        backend.avg_pool2d_backward(dx, from, params);
      }
      if (action.accumulate) backend.add_forward(to, to, dx);
      break;
    }
    case Act::kAdd: backend.add_forward(to, to, slice(from, action.channel, to.shape.c)); break;
    case Act::kCopy: backend.copy_channels(to, slice(from, action.channel, to.shape.c)); break;
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
