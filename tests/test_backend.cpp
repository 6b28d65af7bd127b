#include <doctest/doctest.h>
#include <sched.h>

#include "kernels/mask.h"
#include "src/backend.h"
#include "src/error.h"
#include "src/host_memory.h"
#include "tests/helpers.h"

using namespace swag;
using namespace swag::test;

namespace {

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

}  // namespace

TEST_CASE("the CPU backend says what it is, and 0 threads means the cores of this process") {
  CHECK(make_cpu_backend(1)->description() == "cpu, 1 thread");
  CHECK(make_cpu_backend(3)->description() == "cpu, 3 threads");

  cpu_set_t before, one;
  REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
  const int cores = CPU_COUNT(&before);
  CHECK(make_cpu_backend(0)->description() == make_cpu_backend(cores)->description());
  CPU_ZERO(&one);
  for (int core = 0; CPU_COUNT(&one) == 0; ++core) {
    if (CPU_ISSET(core, &before)) CPU_SET(core, &one);
  }
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(make_cpu_backend(0)->description() == "cpu, 1 thread");
  REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}

TEST_CASE("the CPU backend's memory is aligned, copied and cleared") {
  const auto backend = make_cpu_backend(2);
  for (const int64_t bytes : {0, 1, 63, 64, 65, 1000}) {
    const Buffer buffer(*backend, bytes);
    CHECK(buffer.data() != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(buffer.data()) % 64 == 0);
  }
  const std::vector<int> host{1, 2, 3, 4};
  std::vector<int> back(4);
  const Buffer first(*backend, 16), second(*backend, 16);
  backend->upload(first.data(), host.data(), 16);
  backend->copy(second.data(), first.data(), 16);
  backend->zero(second.data(), 8);
  backend->download(back.data(), second.data(), 16);
  CHECK(back == std::vector<int>{0, 0, 3, 4});
}

TEST_CASE("memory that cannot be is an error that names the need") {
  const auto backend = make_cpu_backend(1);
  try {
    backend->allocate(int64_t{1} << 50);
    FAIL("allocated a pebibyte");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kMemory);
    CHECK(std::string(error.what()).find("1073741824 MiB") != std::string::npos);
  }
  CHECK_THROWS_AS(backend->allocate(host_memory_bytes() + 1), Error);
  CHECK_THROWS_AS(backend->allocate(std::numeric_limits<int64_t>::max()), Error);
}

TEST_CASE("the memory still available lies between nothing and the machine's") {
  const int64_t available = make_cpu_backend(1)->available_bytes();
  CHECK(available > 0);
  CHECK(available <= host_memory_bytes());
}

TEST_CASE("a buffer moves without freeing twice") {
  const auto backend = make_cpu_backend(1);
  Buffer a(*backend, 100), b;
  void* const data = a.data();
  b = std::move(a);
  CHECK(b.data() == data);
  CHECK(b.bytes() == 100);
  CHECK(!a);
  const Buffer c(std::move(b));
  CHECK(c.data() == data);
  CHECK(!b);
}

TEST_CASE_TEMPLATE("the CPU backend runs each op in the precision of its tensors", T, float, double) {
  const auto backend = make_cpu_backend(2);
  const Shape shape{2, 2, 2}, pooled{1, 1, 2};
  const OwnedTensor x = tensor_of<T>(*backend, shape, {1, -2, 3, -4, -5, 6, 7, -8});
  const OwnedTensor y(*backend, DTypeOf<T>::value, shape), half(*backend, DTypeOf<T>::value, pooled);
  const Buffer mask(*backend, 4 * mask_words(2) * 4), position(*backend, 2);
  auto* const bits = static_cast<uint32_t*>(mask.data());
  auto* const places = static_cast<uint8_t*>(position.data());

  backend->relu_forward(y.tensor, bits, x.tensor);
  CHECK(values_of<T>(*backend, y) == std::vector<T>{1, 0, 3, 0, 0, 6, 7, 0});
  backend->relu_backward(y.tensor, x.tensor, bits);
  CHECK(values_of<T>(*backend, y) == std::vector<T>{1, 0, 3, 0, 0, 6, 7, 0});
  backend->add_forward(y.tensor, y.tensor, x.tensor);
  CHECK(values_of<T>(*backend, y) == std::vector<T>{2, -2, 6, -4, -5, 12, 14, -8});

  const OwnedTensor scale = tensor_of<T>(*backend, pooled, {2, 10}),
                    shift = tensor_of<T>(*backend, pooled, {1, 0});
  backend->batch_norm_forward(y.tensor, x.tensor, scale.tensor.data, shift.tensor.data);
  CHECK(values_of<T>(*backend, y) == std::vector<T>{3, -20, 7, -40, -9, 60, 15, -80});
  backend->batch_norm_backward(y.tensor, x.tensor, scale.tensor.data);
  CHECK(values_of<T>(*backend, y) == std::vector<T>{2, -20, 6, -40, -10, 60, 14, -80});

  Pool2dParams pool;
  pool.h = pool.w = pool.c = 2;
  pool.x_pitch = pool.y_pitch = 2;
  backend->max_pool2d_forward(half.tensor, places, x.tensor, pool);
  CHECK(values_of<T>(*backend, half) == std::vector<T>{7, 6});
  backend->max_pool2d_backward(y.tensor, half.tensor, places, pool);
  CHECK(values_of<T>(*backend, y) == std::vector<T>{0, 0, 0, 0, 0, 6, 7, 0});
  backend->avg_pool2d_forward(half.tensor, x.tensor, pool);
  CHECK(values_of<T>(*backend, half) == std::vector<T>{1.5, -2});
  backend->avg_pool2d_backward(y.tensor, half.tensor, pool);
  CHECK(values_of<T>(*backend, y) == std::vector<T>{0.375, -0.5, 0.375, -0.5, 0.375, -0.5, 0.375, -0.5});
}

TEST_CASE_TEMPLATE("the CPU backend runs smoothings and losses on its tensors", T, float, double) {
  const auto backend = make_cpu_backend(2);
  const Shape shape{2, 1, 2};
  const DType dtype = DTypeOf<T>::value;
  const OwnedTensor flat = tensor_of<T>(*backend, shape, {3, 3, 3, 3}),
                    x = tensor_of<T>(*backend, shape, {1, 2, 3, 4});
  const OwnedTensor s(*backend, dtype, shape), ds(*backend, dtype, shape);
  SoftmaxStatistics statistics;
  double loss = 0, scratch = 0;

  backend->softmax_statistics(&statistics, flat.tensor, 2);
  backend->softmax_forward(s.tensor, flat.tensor, &statistics, 2);
  CHECK(values_of<T>(*backend, s) == std::vector<T>{1, 1, 1, 1});
  backend->softmax_backward(ds.tensor, x.tensor, s.tensor, &scratch, 2);
  CHECK(scratch == 10);
  CHECK(values_of<T>(*backend, ds) == std::vector<T>{-0.75, -0.25, 0.25, 0.75});
  backend->softmax_channel_forward(s.tensor, flat.tensor, 2);
  CHECK(values_of<T>(*backend, s) == std::vector<T>{0.5, 0.5, 0.5, 0.5});
  backend->softmax_channel_backward(ds.tensor, x.tensor, s.tensor, 0.5);
  CHECK(values_of<T>(*backend, ds) == std::vector<T>{-0.5, 0.5, -0.5, 0.5});
  backend->scale(s.tensor, x.tensor, 2);
  CHECK(values_of<T>(*backend, s) == std::vector<T>{2, 4, 6, 8});
  CHECK(backend->softmax_entropy(flat.tensor, 1) == doctest::Approx(1));
  CHECK(backend->softmax_channel_entropy(flat.tensor, 1) == doctest::Approx(1));

  const Buffer workspace(*backend, backend->gram_workspace_bytes(shape, dtype));
  const OwnedTensor difference(*backend, dtype, {1, 2, 2});
  const std::vector<double> expected{5, 7, 7, 10}, target{4, 7, 7, 10};
  std::vector<double> a(4);
  backend->gram_forward(a.data(), x.tensor, workspace.data());
  CHECK(worst_element(a, expected) <= 1e-7);
  backend->gram_difference(&loss, difference.tensor.data, expected.data(), target.data(), 2, dtype);
  CHECK(loss == 1);
  backend->gram_backward(ds.tensor, x.tensor, difference.tensor.data, 2, false, workspace.data());
  CHECK(values_of<T>(*backend, ds) == std::vector<T>{2, 0, 6, 0});

  backend->content_loss_forward(&loss, x.tensor, flat.tensor);
  CHECK(loss == 6);
  backend->content_loss_backward(ds.tensor, x.tensor, flat.tensor, 1, true);
  CHECK(values_of<T>(*backend, ds) == std::vector<T>{0, -1, 6, 1});
  backend->zero(ds.tensor.data, ds.buffer.bytes());
  backend->total_variation(&loss, ds.tensor, x.tensor, 0.5);
  CHECK(loss == 8);
  CHECK(values_of<T>(*backend, ds) == std::vector<T>{-2, -2, 2, 2});
}

TEST_CASE_TEMPLATE("the CPU backend runs a convolution and the optimisers' vector algebra", T, float,
                   double) {
  const auto backend = make_cpu_backend(2);
  const DType dtype = DTypeOf<T>::value;
  const Shape shape{1, 2, 1};
  const OwnedTensor x = tensor_of<T>(*backend, shape, {1, -2}), y(*backend, dtype, shape);
  const OwnedTensor weight = tensor_of<T>(*backend, {1, 1, 1}, {3}),
                    bias = tensor_of<T>(*backend, {1, 1, 1}, {1});

  Conv2dParams params;
  params.layer.c_in = params.layer.c_out = 1;
  params.h = 1, params.w = 2, params.x_pitch = params.y_pitch = 1;
  for (const Conv2dDirection direction : {Conv2dDirection::kForward, Conv2dDirection::kBackwardData}) {
    params.algorithm = backend->conv2d_choose(params.layer, direction, dtype);
    const Buffer packed(*backend,
                        backend->conv2d_packed_bytes(params.layer, params.algorithm, direction, dtype));
    const Buffer workspace(*backend, backend->conv2d_workspace_bytes(params, direction, dtype));
    backend->conv2d_pack(packed.data(), weight.tensor.data, params.layer, params.algorithm, direction, dtype);
    if (direction == Conv2dDirection::kForward) {
      const ForwardEpilogue epilogue{bias.tensor.data, nullptr, true, nullptr};
      backend->conv2d_forward(y.tensor, x.tensor, packed.data(), epilogue, params, workspace.data());
      CHECK(values_of<T>(*backend, y) == std::vector<T>{4, 0});
    } else {
      backend->conv2d_backward_data(y.tensor, x.tensor, packed.data(), {}, params, workspace.data());
      CHECK(values_of<T>(*backend, y) == std::vector<T>{3, -6});
    }
  }

  VectorNorms norms;
  backend->vector_norms(&norms, x.tensor);
  CHECK(norms.sum_abs == 3);
  CHECK(norms.max_abs == 2);

  const OwnedTensor m = tensor_of<T>(*backend, shape, {0, 0}), v = tensor_of<T>(*backend, shape, {0, 0});
  const OwnedTensor point = tensor_of<T>(*backend, shape, {-1, 2});
  backend->adam_step(point.tensor, m.tensor, v.tensor, x.tensor, AdamParams{});
  const std::vector<double> stepped{-1.02, 2.02};  // the first step is the learning rate against the sign
  CHECK(worst_element(values_of<T>(*backend, point), stepped) <= 1e-6);
}

TEST_CASE_TEMPLATE("the CPU backend takes two steps of L-BFGS", T, float, double) {
  const auto backend = make_cpu_backend(2);
  const Shape shape{1, 2, 1};
  const DType dtype = DTypeOf<T>::value;
  const OwnedTensor x = tensor_of<T>(*backend, shape, {5, 7}), start = tensor_of<T>(*backend, shape, {5, 7});
  const OwnedTensor d(*backend, dtype, shape), g(*backend, dtype, shape), s(*backend, dtype, {2, 2, 1});
  const Buffer scalars(*backend, lbfgs_scalars(1) * 8);
  const Buffer workspace(*backend, backend->lbfgs_workspace_bytes(1, shape, dtype));
  LbfgsMemory memory;
  memory.x = x.tensor, memory.start = start.tensor, memory.direction = d.tensor, memory.gradient = g.tensor;
  memory.history = Tensor(s.tensor.data, dtype, shape);
  memory.stride = 2;
  memory.scalars = static_cast<double*>(scalars.data());
  memory.workspace = workspace.data();

  // f = x^2 + 2 y^2, from (5, 7): g = (10, 28), d = -g.
  LbfgsMeasureParams measure;
  measure.ring = HistoryRing(1);
  measure.is_first = true;
  GradientReport report;
  const OwnedTensor first = tensor_of<T>(*backend, shape, {10, 28});
  backend->lbfgs_measure(&report, first.tensor, memory, measure);
  CHECK(report.norms.sum_abs == 38);
  CHECK(report.norms.max_abs == 28);
  CHECK(report.square == 884);
  CHECK(report.curvature == 0);
  CHECK(report.next_slope == -884);
  LbfgsStepParams step;
  step.ring = measure.ring;
  step.step = 0.5;
  backend->lbfgs_step(memory, first.tensor, step);
  CHECK(values_of<T>(*backend, d) == std::vector<T>{-10, -28});
  CHECK(values_of<T>(*backend, x) == std::vector<T>{0, -7});
  backend->lbfgs_move(memory, 0.25);
  CHECK(values_of<T>(*backend, x) == std::vector<T>{2.5, 0});

  // There g' = (5, 0): s = (-2.5, -7), y = (-5, -28); <s, y> = 208.5, <y, y> = 809.
  const OwnedTensor second = tensor_of<T>(*backend, shape, {5, 0});
  measure.is_first = false;
  measure.step = 0.25;
  measure.trial = 1;
  backend->lbfgs_measure(&report, second.tensor, memory, measure);
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
  backend->lbfgs_step(memory, second.tensor, step);
  CHECK(worst_element(values_of<T>(*backend, d), next) <= 1e-6);
  CHECK(values_of<T>(*backend, g) == std::vector<T>{5, 0});
  CHECK(values_of<T>(*backend, s) == std::vector<T>{-2.5, -7, -5, -28});
  CHECK(values_of<T>(*backend, start) == std::vector<T>{2.5, 0});
  CHECK(worst_element(values_of<T>(*backend, x), std::vector<double>{2.5 + next[0], next[1]}) <= 1e-6);
}
