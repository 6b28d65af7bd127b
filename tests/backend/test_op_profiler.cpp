#include <doctest/doctest.h>

#include <algorithm>

#include "src/backend/op_profiler.h"
#include "src/network/graph.h"
#include "src/run/bench.h"
#include "src/weights/weights.h"
#include "tests/helpers.h"

using namespace swag;

namespace {

const OpTime& find(const std::vector<OpTime>& times, const std::string& op) {
  const auto found =
      std::find_if(times.begin(), times.end(), [&](const OpTime& time) { return time.work.op == op; });
  REQUIRE(found != times.end());
  return *found;
}

}  // namespace

TEST_CASE("a profiled backend computes the same and writes down what every op costs at least") {
  const auto cpu = make_cpu_backend(1);
  std::vector<std::string> seen;
  OpLog log(*cpu, [&](const OpWork& work, bool begins) { seen.push_back((begins ? "+" : "-") + work.op); });
  const auto profiled = make_profiled_backend(log);
  CHECK(profiled->description() == cpu->description());

  const OwnedTensor x(*profiled, DType::kFloat32, {4, 6, 8}), y(*profiled, DType::kFloat32, {4, 6, 8});
  const OwnedTensor pooled(*profiled, DType::kFloat32, {2, 3, 8});
  const std::vector<float> values = test::random_vector<float>(x.tensor.count(), 1);
  profiled->upload(x.buffer.data(), values.data(), x.buffer.bytes());
  profiled->scale(y.tensor, x.tensor, 2);
  profiled->scale(y.tensor, y.tensor, 0.5);
  Pool2dParams pool;
  pool.h = 4, pool.w = 6, pool.c = 8;
  pool.x_pitch = pool.y_pitch = 8;
  profiled->max_pool2d_forward(pooled.tensor, nullptr, x.tensor, pool);
  const Buffer workspace(*profiled, profiled->gram_workspace_bytes(x.tensor.shape, DType::kFloat32));
  const Buffer gram(*profiled, 8 * 8 * 8);
  profiled->gram_forward(static_cast<double*>(gram.data()), x.tensor, workspace.data());

  std::vector<float> result(values.size());
  profiled->download(result.data(), y.buffer.data(), y.buffer.bytes());
  CHECK(test::same_bytes(result.data(), values.data(), x.tensor.count()));

  const std::vector<OpTime> times = log.take();
  REQUIRE(times.size() == 3);
  CHECK(times[0].work.name() == "scale, 4x6x8");
  CHECK(times[0].milliseconds.size() == 2);
  CHECK(times[0].work.bytes == 2 * 4 * 192);
  CHECK(times[1].work.shape == "4x6x8 to 2x3x8, 2x2, stride 2x2");
  CHECK(times[1].work.bytes == 4 * (192 + 48));
  CHECK(times[2].work.flops == 24 * 8 * 9);  // the products of one triangle
  CHECK(times[2].work.bytes == 4 * 192 + 8 * 64);
  for (const OpTime& time : times) {
    for (const double milliseconds : time.milliseconds) CHECK(milliseconds >= 0);
  }
  CHECK(seen == std::vector<std::string>{"+scale", "-scale", "+scale", "-scale", "+max_pool2d_forward",
                                         "-max_pool2d_forward", "+gram_forward", "-gram_forward"});
  CHECK(log.take().empty());
}

TEST_CASE("the ops of an evaluation are those of its network, its losses and its optimiser") {
  const auto cpu = make_cpu_backend(1);
  Model model;
  model.graph = make_network("vgg11");
  model.weights = splitmix_weights(model.graph, 7);
  StylizeOptions options;
  options.history = 1;
  constexpr int kSize = 32, kRepeat = 2;
  const OpsBench result = bench_ops(*cpu, model, options, kSize, kRepeat);
  CHECK(result.peaks.bytes_per_second > 0);
  CHECK(result.peaks.flops > 0);
  double forward = 0, backward = 0;
  size_t measured = 0;  // with any length of history
  for (const OpTime& time : result.ops) {
    const double flops = time.work.flops * static_cast<double>(time.milliseconds.size());
    if (time.work.op == "conv2d_forward") forward += flops;
    if (time.work.op == "conv2d_backward_data") backward += flops;
    if (time.work.op == "lbfgs_measure") measured += time.milliseconds.size();
  }
  // VGG11 to relu5_1: multiply-adds per pixel of the image, by hand.
  const double per_pixel =
      27 * 64 + 576 * 128 / 4. + (1152 + 2304) * 256 / 16. + (2304 + 4608) * 512 / 64. + 4608 * 512 / 256.;
  CHECK(forward == kRepeat * 2 * per_pixel * kSize * kSize);
  CHECK(backward == forward);
  CHECK(measured == kRepeat);
  CHECK(find(result.ops, "gram_backward").work.flops > 0);
}
