// What the CUDA backend's ops make of maps that are stored for tensor cores: in TF32, float16, bfloat16.
#include <doctest/doctest.h>

#include <functional>
#include <map>

#include "src/run/pixels.h"
#include "tests/cuda/device_backend.h"
#include "tests/helpers.h"
#include "tests/small_floats.h"

namespace swag {
namespace {

using Values = std::vector<float>;

/// A tensor that is stored as `dtype`, which holds the values.
OwnedTensor stored(Backend& backend, DType dtype, Shape shape, const Values& values, double scale = 1) {
  OwnedTensor result(backend, dtype, shape);
  result.tensor.scale = scale;
  std::vector<uint16_t> bits;
  for (const float value : values) bits.push_back(test::small_bits(value, dtype));
  const bool small = size_of(dtype) == 2;
  backend.upload(result.tensor.data, small ? static_cast<const void*>(bits.data()) : values.data(),
                 result.buffer.bytes());
  return result;
}

/// Random numbers that every type holds.
Values plain_noise(int64_t count, uint64_t seed) {
  return test::rounded(test::rounded(test::random_vector<float>(count, seed, -1, 1), DType::kFloat16),
                       DType::kBFloat16);
}

/// What an op makes of inputs that are stored as `from` in a map that is stored as `to` and held noise
/// before.
template <typename Op>
std::vector<double> left_in(Backend& backend, DType from, DType to, Shape shape, const Op& op) {
  const OwnedTensor y = stored(backend, to, shape, plain_noise(shape.count(), 9));
  op(from, y.tensor);
  return download_values(backend, y.tensor);
}

/// Ops that write a map, of inputs stored as a type.
using Ops = std::map<std::string, std::function<void(DType, const Tensor&)>>;

/// Every op leaves in a `to` what it leaves in floats, rounded. `from`: what its inputs are stored as.
void check_rounding(Backend& backend, DType from, DType to, Shape shape, const Ops& ops) {
  for (const auto& named : ops) {
    const std::string& name = named.first;
    CAPTURE(name);
    const std::vector<double> exact = left_in(backend, DType::kFloat32, DType::kFloat32, shape, named.second);
    std::vector<double> expected = exact;
    for (double& value : expected) value = static_cast<double>(test::rounded(static_cast<float>(value), to));
    const std::vector<double> found = left_in(backend, from, to, shape, named.second);
    if (name == "scatter_positions" && to == DType::kTf32) {  // writes some positions alone
      for (size_t i = 0; i < found.size(); ++i) {
        const size_t pixel = i / static_cast<size_t>(shape.c);
        const bool written = pixel == 0 || pixel == 3 || pixel == 11 || pixel >= 40;
        if (!written) expected[i] = exact[i];
      }
    }
    CHECK(found == expected);
    CHECK(found != exact);
  }
}

}  // namespace

TEST_CASE("every op of the CUDA backend that computes a map for tensor cores rounds it, once") {
  REQUIRE_BACKEND(backend);
  if (!backend->computes_in(DType::kTf32)) return;
  for (const int c : {8, 37}) {
    CAPTURE(c);
    const Shape shape{6, 7, c}, some{1, 5, c}, pooled{3, 4, c};
    const auto noise = [&](DType type, Shape of, uint64_t seed) {
      return stored(*backend, type, of, plain_noise(of.count(), seed));
    };
    const OwnedTensor scale = noise(DType::kFloat32, {1, 1, c}, 5),
                      shift = noise(DType::kFloat32, {1, 1, c}, 6),
                      square = noise(DType::kFloat32, {1, c, c}, 7);
    const Buffer positions = uploaded(*backend, std::vector<int32_t>{0, 3, 11, 40, 41});
    const Buffer sum = uploaded(*backend, std::vector<double>{0.25});
    Pool2dParams pool;
    pool.h = 6, pool.w = 7, pool.c = c;
    pool.x_pitch = pool.y_pitch = c;
    pool.kh = pool.kw = 3;  // windows overlap
    pool.pad_h = pool.pad_w = 1;
    Pool2dParams same = pool;  // whose output has the shape of the others
    same.stride_h = same.stride_w = 1;
    SoftmaxInner inner;
    inner.value[0] = static_cast<const double*>(sum.data());
    inner.factor[0] = 0.7;
    REQUIRE((pool.h_out() == pooled.h && pool.w_out() == pooled.w));
    std::vector<uint8_t> where;  // two windows side by side have their maximum in common
    for (int64_t i = 0; i < pooled.count(); ++i) where.push_back(i / c % 2 == 0 ? 8 : 6);
    const Buffer maxima = uploaded(*backend, where);
    const auto a = [&](DType type) { return noise(type, shape, 1); };
    const auto b = [&](DType type) { return noise(type, shape, 2); };
    const Ops values = {
        {"batch_norm_forward",
         [&](DType type, const Tensor& y) {
           backend->batch_norm_forward(y, a(type).tensor, scale.tensor.data, shift.tensor.data);
         }},
        {"add_forward",
         [&](DType type, const Tensor& y) { backend->add_forward(y, a(type).tensor, b(type).tensor); }},
        {"avg_pool2d_forward",
         [&](DType type, const Tensor& y) { backend->avg_pool2d_forward(y, a(type).tensor, same); }}};
    const Ops gradients = {{"batch_norm_backward",
                            [&](DType type, const Tensor& y) {
                              backend->batch_norm_backward(y, a(type).tensor, scale.tensor.data);
                            }},
                           {"max_pool2d_backward",
                            [&](DType type, const Tensor& y) {
                              backend->max_pool2d_backward(y, noise(type, pooled, 8).tensor,
                                                           static_cast<const uint8_t*>(maxima.data()), pool);
                            }},
                           {"avg_pool2d_backward",
                            [&](DType type, const Tensor& y) {
                              backend->avg_pool2d_backward(y, noise(type, pooled, 8).tensor, pool);
                            }},
                           {"scatter_positions",
                            [&](DType type, const Tensor& y) {
                              backend->scatter_positions(y, noise(type, some, 4).tensor,
                                                         static_cast<const int32_t*>(positions.data()));
                            }},
                           {"add_forward of a sum in float", [&](DType, const Tensor& y) {
                              backend->add_forward(y, y, b(DType::kFloat32).tensor);
                            }}};
    const Ops of_floats = {
        {"softmax_backward",
         [&](DType type, const Tensor& y) {
           backend->softmax_backward(y, a(type).tensor, b(type).tensor, inner, 0.5);
         }},
        {"softmax_channel_backward",
         [&](DType type, const Tensor& y) {
           backend->softmax_channel_backward(y, a(type).tensor, b(type).tensor, 0.5);
         }},
        {"scale", [&](DType type, const Tensor& y) { backend->scale(y, a(type).tensor, 0.3); }}};
    const Ops of_gram = {{"gram_backward", [&](DType type, const Tensor& y) {
                            backend->gram_backward(y, a(type).tensor, square.tensor.data, nullptr, 0.1, true,
                                                   nullptr);
                          }}};
    const Ops of_content = {{"content_loss_backward", [&](DType type, const Tensor& y) {
                               backend->content_loss_backward(y, a(type).tensor, b(type).tensor, 0.1, true);
                             }}};
    for (const Ops& ops : {values, gradients, of_floats, of_gram, of_content}) {
      check_rounding(*backend, DType::kFloat32, DType::kTf32, shape, ops);
    }
    check_rounding(*backend, DType::kFloat16, DType::kFloat16, shape, values);
    check_rounding(*backend, DType::kBFloat16, DType::kBFloat16, shape, gradients);
    check_rounding(*backend, DType::kFloat32, DType::kBFloat16, shape, of_floats);
  }
}

TEST_CASE("what reads a map in float16 computes what it computes of the same values in floats") {
  REQUIRE_BACKEND(backend);
  if (!backend->computes_in(DType::kFloat16)) return;
  const double scale = 8;
  for (const int c : {8, 37}) {
    CAPTURE(c);
    const Shape shape{9, 7, c};
    const auto make = [&](uint64_t seed) {
      return test::rounded(test::random_vector<float>(shape.count(), seed, -1, 1), DType::kFloat16);
    };
    const auto widened = [&](Values values) {
      for (float& value : values) value *= static_cast<float>(scale);
      return stored(*backend, DType::kFloat32, shape, values);
    };
    const OwnedTensor wide = widened(make(1)), wide_target = widened(make(2)),
                      half = stored(*backend, DType::kFloat16, shape, make(1), scale),
                      half_target = stored(*backend, DType::kFloat16, shape, make(2), scale);
    CHECK(download_values(*backend, half.tensor) == download_values(*backend, wide.tensor));
    const Buffer statistics(*backend, sizeof(SoftmaxStatistics)), sums(*backend, 16),
        workspace(*backend, std::max(backend->gram_workspace_bytes(shape, DType::kFloat32),
                                     backend->moments_workspace_bytes(shape, DType::kFloat32))),
        gram(*backend, int64_t{c} * c * 8), mean(*backend, c * 8);
    const OwnedTensor s(*backend, DType::kFloat32, shape);
    auto* const statistic = static_cast<SoftmaxStatistics*>(statistics.data());
    auto* const loss = static_cast<double*>(sums.data());
    const auto entries = [&](const Buffer& buffer) {
      std::vector<double> values(static_cast<size_t>(buffer.bytes() / 8));
      backend->download(values.data(), buffer.data(), buffer.bytes());
      return values;
    };
    const auto both = [&](const auto& op) { CHECK(op(half, half_target) == op(wide, wide_target)); };
    both([&](const OwnedTensor& f, const OwnedTensor&) {
      backend->softmax_statistics(statistic, f.tensor, 0.7);
      backend->softmax_forward(s.tensor, f.tensor, statistic, 0.7);
      return download_values(*backend, s.tensor);
    });
    both([&](const OwnedTensor& f, const OwnedTensor&) {
      backend->softmax_channel_forward(s.tensor, f.tensor, 0.7);
      return download_values(*backend, s.tensor);
    });
    both([&](const OwnedTensor& f, const OwnedTensor&) {
      backend->scale(s.tensor, f.tensor, 0.3);
      return download_values(*backend, s.tensor);
    });
    const auto entropies = [&](const OwnedTensor& f) {
      return std::vector<double>{backend->softmax_entropy(f.tensor, 0.7),
                                 backend->softmax_channel_entropy(f.tensor, 0.7)};
    };
    const std::vector<double> of_half = entropies(half), of_wide = entropies(wide);
    for (int i = 0; i < 2; ++i) CHECK_FALSE(!(std::abs(of_half[i] - of_wide[i]) <= 1e-12));
    both([&](const OwnedTensor& f, const OwnedTensor& target) {
      backend->content_loss_forward(loss, loss + 1, f.tensor, target.tensor);
      return entries(sums);
    });
    both([&](const OwnedTensor& f, const OwnedTensor&) {
      backend->gram_forward(static_cast<double*>(gram.data()), f.tensor, workspace.data());
      return entries(gram);
    });
    both([&](const OwnedTensor& f, const OwnedTensor&) {
      backend->moments_forward(static_cast<double*>(gram.data()), static_cast<double*>(mean.data()), f.tensor,
                               workspace.data());
      std::vector<double> all = entries(gram);
      for (const double value : entries(mean)) all.push_back(value);
      return all;
    });
    // The way back, of the content and of the Gram matrix, rounded.
    const auto gradient = [&](DType to, const auto& op) {
      const OwnedTensor ds = stored(*backend, to, shape, Values(static_cast<size_t>(shape.count()), 0.5f));
      op(ds.tensor);
      return download_values(*backend, ds.tensor);
    };
    std::vector<double> expected = gradient(DType::kFloat32, [&](const Tensor& ds) {
      backend->content_loss_backward(ds, wide.tensor, wide_target.tensor, 0.1, true);
    });
    for (double& value : expected) {
      value = static_cast<double>(test::rounded(static_cast<float>(value), DType::kBFloat16));
    }
    CHECK(gradient(DType::kBFloat16, [&](const Tensor& ds) {
            backend->content_loss_backward(ds, half.tensor, half_target.tensor, 0.1, true);
          }) == expected);
  }
}

}  // namespace swag
