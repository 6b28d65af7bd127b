// Every op of a backend on maps of a few values, with the answers beside them: that a backend hands each
// tensor, size and scalar to the right place of the right kernel. What the kernels do in general is their own
// tests' business.
#pragma once
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "kernels/mask.h"
#include "src/backend.h"
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

  const OwnedTensor scale = tensor_of<T>(backend, pooled, {2, 10}),
                    shift = tensor_of<T>(backend, pooled, {1, 0});
  backend.batch_norm_forward(y.tensor, x.tensor, scale.tensor.data, shift.tensor.data);
  CHECK(values_of<T>(backend, y) == std::vector<T>{3, -20, 7, -40, -9, 60, 15, -80});
  backend.batch_norm_backward(y.tensor, x.tensor, scale.tensor.data);
  CHECK(values_of<T>(backend, y) == std::vector<T>{2, -20, 6, -40, -10, 60, 14, -80});

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
      scratch_memory(backend, 8);
  auto* const statistics = static_cast<SoftmaxStatistics*>(statistics_memory.data());
  auto* const loss = static_cast<double*>(loss_memory.data());
  auto* const scratch = static_cast<double*>(scratch_memory.data());
  const auto scalar = [&](const double* source) {
    double value = 0;
    backend.download(&value, source, sizeof value);
    return value;
  };

  backend.softmax_statistics(statistics, flat.tensor, 2);
  backend.softmax_forward(s.tensor, flat.tensor, statistics, 2);
  CHECK(values_of<T>(backend, s) == std::vector<T>{1, 1, 1, 1});
  backend.softmax_backward(ds.tensor, x.tensor, s.tensor, scratch, 2);
  CHECK(scalar(scratch) == 10);
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
  backend.gram_difference(loss, difference.tensor.data, expected.tensor.as<double>(),
                          target.tensor.as<double>(), 2, dtype);
  CHECK(scalar(loss) == 1);
  backend.gram_backward(ds.tensor, x.tensor, difference.tensor.data, 2, false, workspace.data());
  CHECK(values_of<T>(backend, ds) == std::vector<T>{2, 0, 6, 0});

  backend.content_loss_forward(loss, x.tensor, flat.tensor);
  CHECK(scalar(loss) == 6);
  backend.content_loss_backward(ds.tensor, x.tensor, flat.tensor, 1, true);
  CHECK(values_of<T>(backend, ds) == std::vector<T>{0, -1, 6, 1});
  backend.zero(ds.tensor.data, ds.buffer.bytes());
  backend.total_variation(loss, ds.tensor, x.tensor, 0.5);
  CHECK(scalar(loss) == 8);
  CHECK(values_of<T>(backend, ds) == std::vector<T>{-2, -2, 2, 2});
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
    backend.conv2d_pack(packed.data(), weight.tensor.data, params.layer, params.algorithm, direction, dtype);
    if (direction == Conv2dDirection::kForward) {
      const ForwardEpilogue epilogue{bias.tensor.data, nullptr, true, nullptr};
      backend.conv2d_forward(y.tensor, x.tensor, packed.data(), epilogue, params, workspace.data());
      CHECK(values_of<T>(backend, y) == std::vector<T>{4, 0});
    } else {
      backend.conv2d_backward_data(y.tensor, x.tensor, packed.data(), {}, params, workspace.data());
      CHECK(values_of<T>(backend, y) == std::vector<T>{3, -6});
    }
  }

  CHECK(backend.multi_dot({&x.tensor}, {&x.tensor, &y.tensor}) == std::vector<double>{5, 15});
  backend.linear_combination(y.tensor, {2, -1}, {&x.tensor, &y.tensor});
  CHECK(values_of<T>(backend, y) == std::vector<T>{-1, 2});
  const VectorNorms norms = backend.vector_norms(x.tensor);
  CHECK(norms.sum_abs == 3);
  CHECK(norms.max_abs == 2);

  const OwnedTensor m = tensor_of<T>(backend, shape, {0, 0}), v = tensor_of<T>(backend, shape, {0, 0});
  backend.adam_step(y.tensor, m.tensor, v.tensor, x.tensor, AdamParams{});
  const std::vector<double> stepped{-1.02, 2.02};  // the first step is the learning rate against the sign
  CHECK(worst_element(values_of<T>(backend, y), stepped) <= 1e-6);
}

}  // namespace swag::test
