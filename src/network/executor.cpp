#include "src/network/executor.h"

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
    : network_(&network), schedule_(make_schedule(network, h, w, taps, with_backward, plan)) {}

void Executor::bind(const Arena& arena) {
  arena_ = &arena;
  if (schedule_.gradients[0].piece >= 0) pixel_gradient_ = gradient(0);
}

Tensor Executor::tensor(const Place& place, int node, DType dtype) const {
  assert(place.piece >= 0);
  Tensor whole(arena_->at(place.piece), dtype, schedule_.shapes[node]);
  whole.pitch = place.pitch;
  return slice(whole, place.channel, schedule_.shapes[node].c);
}

Tensor Executor::value(int node) const {
  if (node == 0) return input_;
  Tensor result = tensor(schedule_.values[node], node, network_->dtype(node));
  result.scale = network_->scale(node);
  return result;
}

void Executor::forward(const Tensor& x, const Visit& visit) {
  assert(x.shape == schedule_.shapes[0] && x.dense() && x.dtype == network_->dtype(0));
  input_ = x;
  for (size_t i = 0; i < network_->steps().size(); ++i) {
    run_forward(static_cast<int>(i));
    const int node = network_->steps()[i].y;
    if (schedule_.tap_index[node] >= 0) visit(schedule_.tap_index[node], value(node));
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
  uint32_t* mask = schedule_.masks[step.y] >= 0 ? arena_->at<uint32_t>(schedule_.masks[step.y]) : nullptr;
  uint8_t* position =
      schedule_.positions[step.y] >= 0 ? arena_->at<uint8_t>(schedule_.positions[step.y]) : nullptr;
  const Node& node = network_->graph().nodes[step.y];
  const ProfileRange range(backend, name_of(step));
  switch (step.op) {
    case Op::kInput: break;
    case Op::kPad: backend.pad_replicate_forward(y, x); break;
    case Op::kConv2d: {
      ForwardEpilogue epilogue;
      epilogue.bias = parameters.bias.data();
      epilogue.residual = step.other >= 0 ? value(step.other).data : nullptr;
      epilogue.relu = step.relu;
      epilogue.mask = mask;
      backend.conv2d_forward(
          y, x, parameters.forward.data(), epilogue,
          with_pitches(conv2d_params(*network_, schedule_.shapes, step, Conv2dDirection::kForward), x, y),
          arena_->at(schedule_.workspace));
      break;
    }
    case Op::kBatchNorm:
      backend.batch_norm_forward(y, x, parameters.scale.data(), parameters.shift.data());
      break;
    case Op::kRelu: backend.relu_forward(y, mask, x); break;
    case Op::kAdd: backend.add_forward(y, x, value(step.other)); break;
    case Op::kConcat: run_concat(step); break;
    case Op::kMaxPool: {
      Pool2dParams params = with_pitches(pool_params(node, x.shape), x, y);
      params.behind_relu = schedule_.behind_relu[step.y];
      backend.max_pool2d_forward(y, position, x, params);
      break;
    }
    case Op::kAvgPool:
      backend.avg_pool2d_forward(y, x, with_pitches(pool_params(node, x.shape), x, y));
      break;
  }
}

/// Copies the parts that do not lie in their slices yet.
void Executor::run_concat(const Step& step) {
  for_each_part(*network_, schedule_.shapes, step, [&](int node, int64_t channel) {
    const Tensor part = value(node), place = slice(value(step.y), channel, schedule_.shapes[node].c);
    if (part.data != place.data) network_->backend().copy_channels(place, part);
  });
}

const Tensor& Executor::backward(const Seed& seed) {
  for (const Action& action : schedule_.actions) run_backward(action, seed);
  return pixel_gradient_;
}

void Executor::run_backward(const Action& action, const Seed& seed) {
  Backend& backend = network_->backend();
  const ProfileRange range(backend, action.step >= 0 ? name_of(network_->steps()[action.step]) : "gradient");
  const Tensor to = gradient(action.to), from = gradient(action.from);
  const uint32_t* mask =
      schedule_.masks[action.to] >= 0 ? arena_->at<uint32_t>(schedule_.masks[action.to]) : nullptr;
  switch (action.act) {
    case Act::kSeed: seed(schedule_.tap_index[action.to], value(action.to), to, action.accumulate); break;
    case Act::kMask: backend.relu_backward(to, to, mask); break;
    case Act::kConv2d: {
      const Step& step = network_->steps()[action.step];
      BackwardEpilogue epilogue;
      epilogue.addend = action.accumulate ? to.data : nullptr;
      epilogue.mask = action.mask ? mask : nullptr;
      backend.conv2d_backward_data(
          to, from, network_->parameters(action.step).backward.data(), epilogue,
          with_pitches(conv2d_params(*network_, schedule_.shapes, step, Conv2dDirection::kBackwardData), to,
                       from),
          arena_->at(schedule_.workspace));
      break;
    }
    case Act::kBatchNorm:
      backend.batch_norm_backward(to, from, network_->parameters(action.step).backward_scale.data());
      break;
    case Act::kWindow: {
      const Step& step = network_->steps()[action.step];
      const Tensor dx =
          action.accumulate ? tensor({action.scratch, 0, schedule_.shapes[step.x].c}, step.x, to.dtype) : to;
      const Pool2dParams params =
          with_pitches(pool_params(network_->graph().nodes[step.y], schedule_.shapes[step.x]), dx, from);
      if (step.op == Op::kPad) {
        backend.pad_replicate_backward(dx, from);
      } else if (step.op == Op::kMaxPool) {
        backend.max_pool2d_backward(dx, from, arena_->at<uint8_t>(schedule_.positions[step.y]), params);
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
    const Shape shape = schedule_.shapes[step.y];
    if (schedule_.masks[step.y] >= 0) {
      result.emplace_back(shape.pixels() * mask_words(shape.c) * 4);
      network_->backend().download(result.back().data(), arena_->at(schedule_.masks[step.y]),
                                   static_cast<int64_t>(result.back().size()));
    }
    if (schedule_.positions[step.y] >= 0) {
      result.emplace_back(shape.count());
      network_->backend().download(result.back().data(), arena_->at(schedule_.positions[step.y]),
                                   shape.count());
    }
  }
  return result;
}

void Executor::impose_signs(const std::vector<std::vector<uint8_t>>& signs) {
  size_t next = 0;
  for (const Step& step : network_->steps()) {
    for (int piece : {schedule_.masks[step.y], schedule_.positions[step.y]}) {
      if (piece < 0) continue;
      const std::vector<uint8_t>& bytes = signs.at(next++);
      network_->backend().upload(arena_->at(piece), bytes.data(), static_cast<int64_t>(bytes.size()));
    }
  }
  if (next != signs.size()) throw Error(Status::kInternal, "signs of another network");
}

}  // namespace swag
