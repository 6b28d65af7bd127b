// The convolution by wgmma, over tiles, phases, splits and epilogues: against the definition in double, and
// against the one by mma.sync, which reads the same packed weights and may differ in the order of sums alone.
#include "kernels/conv2d/wgmma_plan_cuda.h"
#include "tests/cuda/conv2d_harness.h"

namespace swag {
namespace {

using cuda::TensorUnits;
using cuda::conv2d::WgmmaTileIndex;
using test::check_mask;
using test::Conv2dCase;
using test::count;
using test::Doubles;
using test::Floats;
using test::kBackward;
using test::kForward;
using test::kHalf;
using test::kTf32;
using test::Parts;
using test::random_vector;
using test::Result;
using test::rounded;
using test::run;
using test::tensor_params_of;
using test::TensorPrecision;

constexpr double kOrderOfSums = 1e-6;

/// A GPU with wgmma that gives a map the tile that is asked for.
TensorUnits units_for(WgmmaTileIndex tile, int processors = 1) {
  TensorUnits units;
  units.processors = processors;
  units.shared_bytes = (tile == cuda::conv2d::kMiddleWgmma ? 100 : 227) << 10;
  units.processor_shared_bytes = 228 << 10;
  units.wgmma = true;
  return units;
}

/// Hopper, or why these tests cannot run.
bool has_wgmma() {
  cudaDeviceProp properties;
  CUDA_CHECK(cudaGetDeviceProperties(&properties, 0));
  if (properties.major == 9) return true;
  std::printf("SKIP %s: compute capability %d.%d has no wgmma\n", __FILE__, properties.major,
              properties.minor);
  return false;
}

struct TileCase {
  Conv2dCase shape;
  WgmmaTileIndex forward, backward;  // the tile that is tried in each direction
};

std::vector<TileCase> cases() {
  using namespace cuda::conv2d;
  return {
      {{"3x3, whole tiles", {64, 256, 3, 3, 1, 1, 1, 1}, 8, 16}, kWideWgmma, kSmallWgmma},
      {{"3x3, odd map", {64, 128, 3, 3, 1, 1, 1, 1}, 13, 19}, kLargeWgmma, kSmallWgmma},
      {{"1x1, in wider tensors", {256, 64, 1, 1, 1, 1, 0, 0}, 9, 11, 16, 8}, kSmallWgmma, kWideWgmma},
      {{"1x1, stride 2: phases without taps", {128, 128, 1, 1, 2, 2, 0, 0}, 10, 17},
       kMiddleWgmma,
       kLargeWgmma},
      {{"3x3, stride 2, odd", {64, 128, 3, 3, 2, 2, 1, 1}, 11, 14}, kMiddleWgmma, kSmallWgmma},
      {{"5x5, unpadded", {64, 64, 5, 5, 1, 1, 0, 0}, 12, 9}, kSmallWgmma, kSmallWgmma},
      {{"1x7, oblong padding", {128, 64, 1, 7, 1, 1, 0, 3}, 6, 21}, kSmallWgmma, kMiddleWgmma},
      {{"stride 3: nine phases", {64, 64, 3, 3, 3, 3, 1, 1}, 10, 13}, kSmallWgmma, kSmallWgmma},
      {{"a map of one pixel", {64, 64, 3, 3, 1, 1, 1, 1}, 1, 1}, kSmallWgmma, kSmallWgmma},
  };
}

/// What the tensor cores' convolution must do, and that kernel's sums again, in another order.
void check_direction(const Conv2dCase& shape, bool forward, const TensorUnits& units,
                     const TensorPrecision& precision) {
  TensorUnits by_mma = units;
  by_mma.wgmma = false;
  const Floats sums = test::check_tensor_direction(shape, forward, units, precision),
               oracle = test::tensor_sums(shape, forward, by_mma, precision);
  test::check_close(sums, Doubles(oracle.begin(), oracle.end()), kOrderOfSums);
}

cuda::conv2d::WgmmaTiling tiling_of(const Conv2dParams& p, bool forward, const TensorUnits& units) {
  return choose_wgmma_tiling(cuda::conv2d::gemm_of(p, forward ? kForward : kBackward),
                             static_cast<int>(size_of(forward ? p.x_type : p.y_type)), units);
}

}  // namespace

TEST_CASE(
    "cuda conv2d by wgmma agrees with the definition and with mma.sync, with every tile, phase and "
    "epilogue") {
  REQUIRE_DEVICE();
  if (!has_wgmma()) return;
  int tried_before = 0;
  for (const TileCase& tried : cases()) {
    CAPTURE(tried.shape.name);
    const bool both = tried_before++ % 2 == 0;  // the rest has only indices, which do not depend on the type
    for (const TensorPrecision& precision : {kTf32, kHalf}) {
      if (precision.value == DType::kFloat16 && !both) continue;
      for (const bool forward : {true, false}) {
        const WgmmaTileIndex tile = forward ? tried.forward : tried.backward;
        const TensorUnits units = units_for(tile);
        CHECK(tiling_of(tensor_params_of(tried.shape, forward, precision), forward, units).tile == tile);
        check_direction(tried.shape, forward, units, precision);
      }
    }
  }
}

TEST_CASE("cuda conv2d by wgmma adds up split sums in one launch, in one order") {
  REQUIRE_DEVICE();
  if (!has_wgmma()) return;
  for (const Conv2dCase& shape : {Conv2dCase{"", {256, 64, 3, 3, 1, 1, 1, 1}, 5, 18},
                                  Conv2dCase{"", {128, 128, 3, 3, 2, 2, 1, 1}, 9, 12}}) {
    const TensorUnits units = units_for(cuda::conv2d::kSmallWgmma, 16);
    for (const bool forward : {true, false}) {
      CHECK(tiling_of(tensor_params_of(shape, forward), forward, units).splits > 1);
      check_direction(shape, forward, units, kTf32);
    }
  }
}

TEST_CASE("cuda conv2d by wgmma lets NaN through its ReLU, its rounding and its splits") {
  REQUIRE_DEVICE();
  if (!has_wgmma()) return;
  Conv2dParams p = tensor_params_of({"", {64, 64, 3, 3, 1, 1, 1, 1}, 5, 5}, true);
  p.y_type = DType::kTf32;
  Floats x = rounded(random_vector<float>(count(p, true), 15), DType::kTf32);
  x[0] = std::numeric_limits<float>::quiet_NaN();
  Parts parts;
  parts.relu = parts.mask_out = true;
  for (const int processors : {1, 64}) {
    const TensorUnits units = units_for(cuda::conv2d::kSmallWgmma, processors);
    const Result y = run(x, random_vector<float>(p.layer.weight_count(), 16), parts, p, true, 0, units);
    check_mask(y, 64);
    int wrong = 0;
    for (int i = 0; i < 25 * 64; ++i) wrong += std::isnan(y.values[i]) != (i / 320 <= 1 && i / 64 % 5 <= 1);
    CHECK(wrong == 0);
  }
}

TEST_CASE("cuda conv2d by wgmma takes the largest tiles that keep an H100 busy, and splits where none do") {
  using namespace cuda::conv2d;
  const TensorUnits h100 = units_for(kWideWgmma, 132);
  const auto tiling = [&](const Conv2dLayer& layer, int size) {
    return tiling_of(tensor_params_of({"", layer, size, size}, true), true, h100);
  };
  CHECK(tiling({64, 64, 3, 3, 1, 1, 1, 1}, 512).tile == kSmallWgmma);
  CHECK(tiling({64, 64, 3, 3, 1, 1, 1, 1}, 512).splits == 1);
  CHECK(tiling({128, 128, 3, 3, 1, 1, 1, 1}, 256).tile == kLargeWgmma);
  CHECK(tiling({256, 256, 3, 3, 1, 1, 1, 1}, 128).tile == kWideWgmma);
  CHECK(tiling({512, 512, 3, 3, 1, 1, 1, 1}, 64).tile == kMiddleWgmma);  // 128 blocks for 132 processors
  const WgmmaTiling few = tiling({512, 512, 3, 3, 1, 1, 1, 1}, 16);
  CHECK((few.tile == kSmallWgmma && few.splits == 16));
  CHECK(wgmma_suits({64, 64, 3, 3, 8, 8, 1, 1}));
  CHECK_FALSE(wgmma_suits({64, 64, 3, 3, 9, 1, 1, 1}));  // no tensor map steps so far
  CHECK_FALSE(wgmma_suits({3, 64, 3, 3, 1, 1, 1, 1}));
}

#if !defined(__CUDACC__) && !defined(EMULATOR_UNWATCHED)
// Copies and products are the hardware's business and not counted: this is of what threads do themselves.
TEST_CASE("cuda conv2d by wgmma writes with hardly more than the fewest sectors and wavefronts") {
  REQUIRE_DEVICE();
  using namespace cuda::conv2d;
  for (const bool forward : {true, false}) {
    const Conv2dParams p = tensor_params_of({"", {64, 256, 1, 1, 1, 1, 0, 0}, 16, 16}, forward);
    const Floats weight = random_vector<float>(p.layer.weight_count(), 1);
    emulator::Options counting;
    counting.count = true;
    emulator::configure(counting);
    emulator::take_counts();
    run(rounded(random_vector<float>(count(p, forward), 2), DType::kTf32), weight,
        forward ? test::forward_parts(p, 15) : test::backward_parts(p, 3), p, forward, 0,
        units_for(kWideWgmma));
    const std::vector<emulator::KernelCount> kernels = emulator::take_counts();
    emulator::configure(emulator::Options());
    REQUIRE(kernels.size() == 2);
    const emulator::KernelCount& counted = kernels[1];  // the first packs the weights
    REQUIRE(counted.kernel.find("conv2d_wgmma_kernel") != std::string::npos);
    CHECK(counted.sectors > 0);
    CHECK(static_cast<double>(counted.sectors) <= 1.1 * static_cast<double>(counted.fewest_sectors));
    CHECK(static_cast<double>(counted.wavefronts) <= 1.1 * static_cast<double>(counted.fewest_wavefronts));
  }
}
#endif

}  // namespace swag
