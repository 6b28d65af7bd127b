#include "kernels/ladder/verify.h"

#include <cstring>
#include <limits>

#include "kernels/cuda/device_array.cuh"
#include "tests/helpers.h"

namespace swag::ladder {
namespace {

using test::random_vector;

/// A float with 10 bits behind the point: the nearest, ties away from zero, as cvt.rna.tf32 has it, or
/// without the bits behind.
double in_tf32(float value, Operands operands) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (operands == Operands::kRoundedToTf32) bits += 0x1000u;
  bits &= 0xffffe000u;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

template <typename T>
std::vector<T> on_cpu(const std::vector<T>& x, const std::vector<T>& weight, const T* bias, bool relu,
                      const Conv2dParams& params) {
  const auto direction = Conv2dDirection::kForward;
  test::GuardedBuffer<T> packed(cpu::conv2d_packed_count<T>(params.layer, params.algorithm, direction));
  cpu::conv2d_pack(packed.data(), weight.data(), params.layer, params.algorithm, direction, Stream{});
  test::GuardedBuffer<char> workspace(cpu::conv2d_workspace_bytes<T>(params, direction, Stream{}));
  std::vector<T> y(static_cast<size_t>(params.h_out() * params.w_out() * params.y_pitch));
  Conv2dForwardEpilogue<T> epilogue;
  epilogue.bias = bias;
  epilogue.relu = relu;
  cpu::conv2d_forward(y.data(), x.data(), packed.data(), epilogue, params, workspace.data(), Stream{});
  return y;
}

}  // namespace

struct Conv2dProblem::Data {
  Conv2dParams params;
  bool with_epilogue;
  std::vector<float> x, weight, bias;
  std::vector<float> expected;
  DeviceArray<float> device_x, device_weight, device_bias, y;

  Data(const test::Conv2dCase& shape, bool with_epilogue)
      : params(shape.params()),
        with_epilogue(with_epilogue),
        x(random_vector<float>(params.h * params.w * params.x_pitch, 1)),
        weight(random_vector<float>(
            int64_t{params.layer.c_out} * params.layer.kh * params.layer.kw * params.layer.c_in, 2)),
        bias(random_vector<float>(params.layer.c_out, 3)),
        device_x(x),
        device_weight(weight),
        device_bias(bias),
        y(static_cast<size_t>(params.h_out() * params.w_out() * params.y_pitch)) {
    expected = on_cpu(x, weight, with_epilogue ? bias.data() : nullptr, with_epilogue, params);
  }

  /// The channels of all pixels without what lies between them, or nothing where that was written.
  template <typename T>
  std::vector<T> channels_of(const std::vector<T>& values, bool poisoned) const {
    std::vector<T> channels;
    for (size_t i = 0; i < values.size(); ++i) {
      const bool is_channel = static_cast<int64_t>(i) % params.y_pitch < params.layer.c_out;
      if (is_channel) channels.push_back(values[i]);
      if (!is_channel && poisoned && !std::isnan(values[i])) return {};
    }
    return channels;
  }
};

Conv2dProblem::Conv2dProblem(const test::Conv2dCase& shape, bool with_epilogue)
    : data_(std::make_unique<Data>(shape, with_epilogue)) {}
Conv2dProblem::~Conv2dProblem() = default;

void Conv2dProblem::launch(const Conv2dStep& step) {
  Epilogue epilogue;
  if (data_->with_epilogue) {
    epilogue.bias = data_->device_bias.data();
    epilogue.relu = true;
  }
  step.run(data_->y.data(), data_->device_x.data(), data_->device_weight.data(), epilogue, data_->params,
           Stream{});
}

void Conv2dProblem::run(const Conv2dStep& step) {
  data_->y.poison();
  launch(step);
  CUDA_CHECK(cudaDeviceSynchronize());
}

double Conv2dProblem::error() const {
  return test::relative_l2(data_->channels_of(data_->y.values(), true),
                           data_->channels_of(data_->expected, false));
}

double Conv2dProblem::error_in_tf32(Operands operands) const {
  const Data& d = *data_;
  std::vector<double> x, weight;
  for (const float value : d.x) x.push_back(in_tf32(value, operands));
  for (const float value : d.weight) weight.push_back(in_tf32(value, operands));
  const auto bias = test::converted<double>(d.bias);
  const auto expected = on_cpu(x, weight, d.with_epilogue ? bias.data() : nullptr, d.with_epilogue, d.params);
  return test::relative_l2(d.channels_of(d.y.values(), true), d.channels_of(expected, false));
}

int64_t Conv2dProblem::products() const {
  const Conv2dLayer& l = data_->params.layer;
  return int64_t{data_->params.h_out()} * data_->params.w_out() * l.c_out * l.kh * l.kw * l.c_in;
}

struct SoftmaxProblem::Data {
  SoftmaxParams params;
  std::vector<float> f, expected;
  DeviceArray<float> device_f, s;
  DeviceArray<double> scratch;

  explicit Data(const SoftmaxParams& params)
      : params(params),
        f(random_vector<float>(params.m * params.d, 1, -3, 9)),
        expected(f.size()),
        device_f(f),
        s(f.size()),
        scratch(softmax_scratch_bytes() / sizeof(double)) {
    SoftmaxStatistics statistics;
    cpu::softmax_statistics(&statistics, f.data(), params, Stream{});
    cpu::softmax_forward(expected.data(), f.data(), &statistics, params, Stream{});
  }
};

SoftmaxProblem::SoftmaxProblem(const SoftmaxParams& params) : data_(std::make_unique<Data>(params)) {}
SoftmaxProblem::~SoftmaxProblem() = default;

void SoftmaxProblem::launch(const SoftmaxStep& step) {
  step.run(data_->s.data(), data_->device_f.data(), data_->scratch.data(), data_->params, Stream{});
}

void SoftmaxProblem::run(const SoftmaxStep& step) {
  data_->s.poison();
  launch(step);
  CUDA_CHECK(cudaDeviceSynchronize());
}

double SoftmaxProblem::error() const { return test::relative_l2(data_->s.values(), data_->expected); }

}  // namespace swag::ladder
