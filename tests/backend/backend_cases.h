// Every op of a backend on maps of a few values, with the answers beside them: that a backend hands each
// tensor, size and scalar to the right place of the right kernel. What the kernels do in general is their own
// tests' business.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/mask.h"
#include "src/backend/backend.h"
#include "src/backend/wasserstein_target.h"
#include "src/support/error.h"
#include "tests/helpers.h"

namespace swag::test {

template <typename T>
OwnedTensor tensor_of(Backend& backend, Shape shape, const std::vector<T>& values) {
  OwnedTensor owned(backend, DTypeOf<T>::value, shape);
  backend.upload(owned.tensor.data, values.data(), owned.buffer.bytes());
  return owned;
}

template <typename T>
std::vector<T> values_of(Backend& backend, const OwnedTensor& owned) {
  std::vector<T> values(static_cast<size_t>(owned.tensor.count()));
  backend.download(values.data(), owned.tensor.data, owned.buffer.bytes());
  return values;
}

/// Copies in all directions, clearing, and nothing to copy.
inline void check_memory(Backend& backend) {
  const std::vector<int> host{1, 2, 3, 4};
  std::vector<int> back(4);
  const Buffer first(backend, 16), second(backend, 16);
  for (const Buffer* buffer : {&first, &second}) {
    CHECK(reinterpret_cast<uintptr_t>(buffer->data()) % 64 == 0);
  }
  backend.upload(first.data(), host.data(), 16);
  backend.copy(second.data(), first.data(), 16);
  backend.zero(second.data(), 8);
  backend.download(back.data(), second.data(), 16);
  CHECK(back == std::vector<int>{0, 0, 3, 4});
  backend.upload(first.data(), host.data(), 0);
  backend.download(back.data(), first.data(), 0);
  backend.copy(second.data(), first.data(), 0);
  backend.zero(first.data(), 0);
  backend.download(back.data(), second.data(), 16);
  CHECK(back == std::vector<int>{0, 0, 3, 4});
}

/// More memory than any machine has.
inline void check_impossible_memory(Backend& backend) {
  try {
    backend.allocate(int64_t{1} << 50);
    FAIL("allocated a pebibyte");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kMemory);
    CHECK(std::string(error.what()).find("1073741824 MiB") != std::string::npos);
  }
}

/// The ops of a network.
template <typename T>
void check_network_ops(Backend& backend) {
  const Shape shape{2, 2, 2}, pooled{1, 1, 2};
  const OwnedTensor x = tensor_of<T>(backend, shape, {1, -2, 3, -4, -5, 6, 7, -8});
  const OwnedTensor y(backend, DTypeOf<T>::value, shape), half(backend, DTypeOf<T>::value, pooled);
  const Buffer mask(backend, 4 * mask_words(2) * 4), position(backend, 2);
  auto* const bits = static_cast<uint32_t*>(mask.data());
  auto* const places = static_cast<uint8_t*>(position.data());

  backend.relu_forward(y.tensor, bits, x.tensor);
  CHECK(values_of<T>(backend, y) == std::vector<T>{1, 0, 3, 0, 0, 6, 7, 0});
  backend.relu_backward(y.tensor, x.tensor, bits);
  CHECK(values_of<T>(backend, y) == std::vector<T>{1, 0, 3, 0, 0, 6, 7, 0});
  backend.add_forward(y.tensor, y.tensor, x.tensor);
  CHECK(values_of<T>(backend, y) == std::vector<T>{2, -2, 6, -4, -5, 12, 14, -8});

  Tensor second = y.tensor;  // channel of two
  second.data = second.as<T>() + 1;
  second.shape.c = 1;
  backend.copy_channels(second, tensor_of<T>(backend, {2, 2, 1}, {1, 2, 3, 4}).tensor);
  CHECK(values_of<T>(backend, y) == std::vector<T>{2, 1, 6, 2, -5, 3, 14, 4});
  const OwnedTensor seconds(backend, DTypeOf<T>::value, {2, 2, 1});
  backend.copy_channels(seconds.tensor, second);
  CHECK(values_of<T>(backend, seconds) == std::vector<T>{1, 2, 3, 4});

  const OwnedTensor scale = tensor_of<T>(backend, pooled, {2, 10}),
                    shift = tensor_of<T>(backend, pooled, {1, 0});
  backend.batch_norm_forward(y.tensor, x.tensor, scale.tensor.data, shift.tensor.data);
  CHECK(values_of<T>(backend, y) == std::vector<T>{3, -20, 7, -40, -9, 60, 15, -80});
  backend.batch_norm_backward(y.tensor, x.tensor, scale.tensor.data);
  CHECK(values_of<T>(backend, y) == std::vector<T>{2, -20, 6, -40, -10, 60, 14, -80});

  const OwnedTensor wide(backend, DTypeOf<T>::value, {3, 4, 1}),
      narrow = tensor_of<T>(backend, {1, 2, 1}, {1, 2});
  backend.pad_replicate_forward(wide.tensor, narrow.tensor);
  CHECK(values_of<T>(backend, wide) == std::vector<T>{1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2});
  backend.pad_replicate_backward(narrow.tensor, wide.tensor);
  CHECK(values_of<T>(backend, narrow) == std::vector<T>{6, 12});

  Pool2dParams pool;
  pool.h = pool.w = pool.c = 2;
  pool.x_pitch = pool.y_pitch = 2;
  backend.max_pool2d_forward(half.tensor, places, x.tensor, pool);
  CHECK(values_of<T>(backend, half) == std::vector<T>{7, 6});
  backend.max_pool2d_backward(y.tensor, half.tensor, places, pool);
  CHECK(values_of<T>(backend, y) == std::vector<T>{0, 0, 0, 0, 0, 6, 7, 0});
  backend.avg_pool2d_forward(half.tensor, x.tensor, pool);
  CHECK(values_of<T>(backend, half) == std::vector<T>{1.5, -2});
  backend.avg_pool2d_backward(y.tensor, half.tensor, pool);
  CHECK(values_of<T>(backend, y) == std::vector<T>{0.375, -0.5, 0.375, -0.5, 0.375, -0.5, 0.375, -0.5});
}

/// Smoothings and losses.
template <typename T>
void check_loss_ops(Backend& backend) {
  const Shape shape{2, 1, 2};
  const DType dtype = DTypeOf<T>::value;
  const OwnedTensor flat = tensor_of<T>(backend, shape, {3, 3, 3, 3}),
                    x = tensor_of<T>(backend, shape, {1, 2, 3, 4});
  const OwnedTensor s(backend, dtype, shape), ds(backend, dtype, shape);
  const Buffer statistics_memory(backend, sizeof(SoftmaxStatistics)), loss_memory(backend, 8),
      inner_memory(backend, 8);
  auto* const statistics = static_cast<SoftmaxStatistics*>(statistics_memory.data());
  auto* const loss = static_cast<double*>(loss_memory.data());
  auto* const inner = static_cast<double*>(inner_memory.data());
  const auto scalar = [&](const double* source) {
    double value = 0;
    backend.download(&value, source, sizeof value);
    return value;
  };

  backend.softmax_statistics(statistics, flat.tensor, 2);
  backend.softmax_forward(s.tensor, flat.tensor, statistics, 2);
  CHECK(values_of<T>(backend, s) == std::vector<T>{1, 1, 1, 1});
  const double product = 5;  // half of <x, s>
  backend.upload(inner, &product, sizeof product);
  backend.softmax_backward(ds.tensor, x.tensor, s.tensor, {{inner, nullptr}, {2, 0}}, 2);
  CHECK(values_of<T>(backend, ds) == std::vector<T>{-0.75, -0.25, 0.25, 0.75});
  backend.softmax_channel_forward(s.tensor, flat.tensor, 2);
  CHECK(values_of<T>(backend, s) == std::vector<T>{0.5, 0.5, 0.5, 0.5});
  backend.softmax_channel_backward(ds.tensor, x.tensor, s.tensor, 0.5);
  CHECK(values_of<T>(backend, ds) == std::vector<T>{-0.5, 0.5, -0.5, 0.5});
  backend.scale(s.tensor, x.tensor, 2);
  CHECK(values_of<T>(backend, s) == std::vector<T>{2, 4, 6, 8});
  CHECK(backend.softmax_entropy(flat.tensor, 1) == doctest::Approx(1));
  CHECK(backend.softmax_channel_entropy(flat.tensor, 1) == doctest::Approx(1));

  const Buffer workspace(backend, backend.gram_workspace_bytes(shape, dtype));
  const OwnedTensor difference(backend, dtype, {1, 2, 2});
  const std::vector<double> gram{5, 7, 7, 10};
  const OwnedTensor expected = tensor_of<double>(backend, {1, 2, 2}, gram),
                    target = tensor_of<double>(backend, {1, 2, 2}, {4, 7, 7, 10}),
                    a(backend, DType::kFloat64, {1, 2, 2});
  backend.gram_forward(a.tensor.as<double>(), x.tensor, workspace.data());
  CHECK(worst_element(values_of<double>(backend, a), gram) <= 1e-7);
  backend.gram_difference(loss, inner, difference.tensor.data, expected.tensor.as<double>(),
                          target.tensor.as<double>(), 2, dtype);
  CHECK(scalar(loss) == 1);
  CHECK(scalar(inner) == 5);
  backend.gram_backward(ds.tensor, x.tensor, difference.tensor.data, nullptr, 2, false, workspace.data());
  CHECK(values_of<T>(backend, ds) == std::vector<T>{2, 0, 6, 0});

  backend.content_loss_forward(loss, inner, x.tensor, flat.tensor);
  CHECK(scalar(loss) == 6);
  CHECK(scalar(inner) == -2 - 2 + 4);
  backend.content_loss_backward(ds.tensor, x.tensor, flat.tensor, 1, true);
  CHECK(values_of<T>(backend, ds) == std::vector<T>{0, -1, 6, 1});
  const OwnedTensor some(backend, dtype, {1, 1, 2});
  const Buffer positions = uploaded(backend, std::vector<int32_t>{1});
  const auto* second = static_cast<const int32_t*>(positions.data());
  backend.gather_positions(some.tensor, x.tensor, second);
  CHECK(values_of<T>(backend, some) == std::vector<T>{3, 4});
  backend.scatter_positions(ds.tensor, some.tensor, second);
  CHECK(values_of<T>(backend, ds) == std::vector<T>{0, -1, 9, 5});
  backend.zero(ds.tensor.data, ds.buffer.bytes());
  backend.total_variation(loss, ds.tensor, x.tensor, 0.5);
  CHECK(scalar(loss) == 8);
  CHECK(values_of<T>(backend, ds) == std::vector<T>{-2, -2, 2, 2});

  // Two pixels that differ by 1 / deviation: 1 straight pair of 1 in every channel, and 2 along each of the
  // diagonals above and below, which count 1/6 * 2 / (2 * 3).
  const std::vector<T> values{
      0, 0, 0, static_cast<T>(1 / 0.229), static_cast<T>(1 / 0.224), static_cast<T>(1 / 0.225)};
  const OwnedTensor pixels = tensor_of<T>(backend, {1, 2, 3}, values), dpixels(backend, dtype, {1, 2, 3});
  backend.zero(dpixels.tensor.data, dpixels.buffer.bytes());
  backend.total_variation_nine_point(loss, dpixels.tensor, pixels.tensor, 1);
  CHECK(scalar(loss) == doctest::Approx(3 * (2.0 / 3 + 4.0 / 18)).epsilon(1e-6));
  CHECK(values_of<T>(backend, dpixels)[3] == doctest::Approx(2 * 0.229 * (2.0 / 3 + 4.0 / 18)).epsilon(1e-6));
}

/// The Wasserstein loss of covariance (1, 1)^T (1, 1) and means (2, 3), against variances 4 and 1 and means
/// 0.
template <typename T>
void check_wasserstein_ops(Backend& backend) {
  const Shape shape{2, 1, 2};
  const DType dtype = DTypeOf<T>::value;
  const std::vector<T> values = {1, 2, 3, 4};
  const OwnedTensor s = tensor_of<T>(backend, shape, values), ds(backend, dtype, shape),
                    difference(backend, dtype, {1, 2, 2});
  const Buffer moments(backend, backend.moments_workspace_bytes(shape, dtype)),
      gram_workspace(backend, backend.gram_workspace_bytes(shape, dtype)),
      workspace(backend, backend.wasserstein_workspace_bytes(2)), gram(backend, 4 * 8), mean(backend, 2 * 8),
      offset(backend, 2 * 8), loss(backend, 8), inner(backend, 8),
      target = uploaded(backend, wasserstein_target({4, 0, 0, 1}, {0, 0}));
  const auto doubles = [&](const Buffer& buffer) {
    std::vector<double> host(static_cast<size_t>(buffer.bytes()) / 8);
    backend.download(host.data(), buffer.data(), buffer.bytes());
    return host;
  };
  const auto pointer = [](const Buffer& buffer) { return static_cast<double*>(buffer.data()); };
  backend.moments_forward(pointer(gram), pointer(mean), s.tensor, moments.data());
  CHECK(worst_element(doubles(gram), std::vector<double>{5, 7, 7, 10}) <= 1e-7);
  CHECK(worst_element(doubles(mean), std::vector<double>{2, 3}) <= 1e-7);
  const WassersteinProblem problem = {pointer(loss),   pointer(inner),   difference.tensor.data,
                                      pointer(offset), pointer(gram),    pointer(mean),
                                      pointer(target), workspace.data(), 2};
  backend.wasserstein_forward({problem}, dtype);
  CHECK(doubles(loss)[0] == doctest::Approx(4 + 9 + 2 + 5 - 2 * std::sqrt(5.0)).epsilon(1e-3));
  backend.gram_backward(ds.tensor, s.tensor, difference.tensor.data, pointer(offset), 1, false,
                        gram_workspace.data());
  const std::vector<T> gradient = values_of<T>(backend, ds);
  double product = 0;  // m / 2 <dW / dS, S>
  for (size_t i = 0; i < 4; ++i) product += static_cast<double>(gradient[i]) * static_cast<double>(values[i]);
  CHECK(product == doctest::Approx(2 * doubles(inner)[0]).epsilon(1e-4));
}

/// A convolution and the optimisers' vector algebra.
template <typename T>
void check_convolution_and_optimiser_ops(Backend& backend) {
  const DType dtype = DTypeOf<T>::value;
  const Shape shape{1, 2, 1};
  const OwnedTensor x = tensor_of<T>(backend, shape, {1, -2}), y(backend, dtype, shape);
  const OwnedTensor weight = tensor_of<T>(backend, {1, 1, 1}, {3}),
                    bias = tensor_of<T>(backend, {1, 1, 1}, {1});

  Conv2dParams params;
  params.layer.c_in = params.layer.c_out = 1;
  params.h = 1, params.w = 2, params.x_pitch = params.y_pitch = 1;
  for (const Conv2dDirection direction : {Conv2dDirection::kForward, Conv2dDirection::kBackwardData}) {
    params.algorithm = backend.conv2d_choose(params.layer, direction, dtype);
    const Buffer packed(backend,
                        backend.conv2d_packed_bytes(params.layer, params.algorithm, direction, dtype));
    const Buffer workspace(backend, backend.conv2d_workspace_bytes(params, direction, dtype));
    backend.conv2d_pack(packed.data(), weight.tensor.data, params.layer, params.algorithm, direction, dtype,
                        1);
    if (direction == Conv2dDirection::kForward) {
      ForwardEpilogue epilogue;
      epilogue.bias = bias.tensor.data;
      epilogue.relu = true;
      backend.conv2d_forward(y.tensor, x.tensor, packed.data(), epilogue, params, workspace.data());
      CHECK(values_of<T>(backend, y) == std::vector<T>{4, 0});
    } else {
      backend.conv2d_backward_data(y.tensor, x.tensor, packed.data(), {}, params, workspace.data());
      CHECK(values_of<T>(backend, y) == std::vector<T>{3, -6});
    }
  }

  const Buffer norms_memory(backend, sizeof(VectorNorms));
  VectorNorms norms;
  backend.vector_norms(static_cast<VectorNorms*>(norms_memory.data()), x.tensor);
  backend.download(&norms, norms_memory.data(), sizeof norms);
  CHECK(norms.sum_abs == 3);
  CHECK(norms.max_abs == 2);

  const OwnedTensor m = tensor_of<T>(backend, shape, {0, 0}), v = tensor_of<T>(backend, shape, {0, 0});
  const OwnedTensor point = tensor_of<T>(backend, shape, {-1, 2});
  backend.adam_step(point.tensor, m.tensor, v.tensor, x.tensor, AdamParams{});
  const std::vector<double> stepped{-1.02, 2.02};  // the first step is the learning rate against the sign
  CHECK(worst_element(values_of<T>(backend, point), stepped) <= 1e-6);

  const OwnedTensor average = tensor_of<T>(backend, shape, {1, 2});
  backend.lerp(average.tensor, tensor_of<T>(backend, shape, {3, 2}).tensor, 0.5);
  CHECK(values_of<T>(backend, average) == std::vector<T>{2, 2});
}

/// Two steps of L-BFGS on f = x^2 + 2 y^2 from (5, 7).
template <typename T>
void check_lbfgs_ops(Backend& backend) {
  const Shape shape{1, 2, 1};
  constexpr int kStride = 4;
  const DType dtype = DTypeOf<T>::value;
  const OwnedTensor x = tensor_of<T>(backend, shape, {5, 7}), start = tensor_of<T>(backend, shape, {5, 7});
  const OwnedTensor d(backend, dtype, shape), g(backend, dtype, shape),
      history = tensor_of<T>(backend, {2, kStride, 1}, std::vector<T>(2 * kStride));
  const Buffer scalars(backend, lbfgs_scalars(1) * 8), report_memory(backend, sizeof(GradientReport));
  const Buffer workspace(backend, backend.lbfgs_workspace_bytes(1, shape, dtype));
  LbfgsMemory memory;
  memory.x = x.tensor, memory.start = start.tensor, memory.direction = d.tensor, memory.gradient = g.tensor;
  memory.history = Tensor(history.tensor.data, dtype, shape);
  memory.stride = kStride;
  memory.scalars = static_cast<double*>(scalars.data());
  memory.workspace = workspace.data();
  const auto measured = [&](const OwnedTensor& gradient, const LbfgsMeasureParams& params) {
    GradientReport report;
    backend.lbfgs_measure(static_cast<GradientReport*>(report_memory.data()), gradient.tensor, memory,
                          params);
    backend.download(&report, report_memory.data(), sizeof report);
    return report;
  };

  // g = (10, 28), d = -g.
  LbfgsMeasureParams measure;
  measure.ring = HistoryRing(1);
  measure.is_first = true;
  const OwnedTensor first = tensor_of<T>(backend, shape, {10, 28});
  GradientReport report = measured(first, measure);
  CHECK(report.norms.sum_abs == 38);
  CHECK(report.norms.max_abs == 28);
  CHECK(report.square == 884);
  CHECK(report.curvature == 0);
  CHECK(report.next_slope == -884);
  LbfgsStepParams step;
  step.ring = measure.ring;
  step.step = 0.5;
  backend.lbfgs_step(memory, first.tensor, step);
  CHECK(values_of<T>(backend, d) == std::vector<T>{-10, -28});
  CHECK(values_of<T>(backend, x) == std::vector<T>{0, -7});
  backend.lbfgs_move(memory, 0.25);
  CHECK(values_of<T>(backend, x) == std::vector<T>{2.5, 0});

  // There g' = (5, 0): s = (-2.5, -7), y = (-5, -28); <s, y> = 208.5, <y, y> = 809.
  const OwnedTensor second = tensor_of<T>(backend, shape, {5, 0});
  measure.is_first = false;
  measure.step = 0.25;
  measure.trial = 1;
  report = measured(second, measure);
  CHECK(report.slope == -50);
  CHECK(report.longest == 28);
  CHECK(report.curvature == 208.5);
  // alpha = 12.5 / 208.5, q = -g' - alpha y, r = scale q, beta = <y, r> / 208.5, d' = r + (alpha - beta) s.
  const double alpha = 12.5 / 208.5, scale = 208.5 / 809;
  const double r[] = {scale * (-5 + 5 * alpha), scale * 28 * alpha};
  const double share = alpha + (5 * r[0] + 28 * r[1]) / 208.5;
  const std::vector<double> next{r[0] - 2.5 * share, r[1] - 7 * share};
  CHECK(report.next_slope == doctest::Approx(5 * next[0]).epsilon(1e-12));
  step.trial = 1;
  step.keeps_pair = true;
  step.accepted = 0.25;
  step.step = 1;
  backend.lbfgs_step(memory, second.tensor, step);
  CHECK(worst_element(values_of<T>(backend, d), next) <= 1e-6);
  CHECK(values_of<T>(backend, g) == std::vector<T>{5, 0});
  CHECK(values_of<T>(backend, history) == std::vector<T>{-2.5, -7, 0, 0, -5, -28, 0, 0});
  CHECK(values_of<T>(backend, start) == std::vector<T>{2.5, 0});
  CHECK(worst_element(values_of<T>(backend, x), std::vector<double>{2.5 + next[0], next[1]}) <= 1e-6);
}

}  // namespace swag::test
