// The convolution on tensor cores, over tiles, phases, splits and epilogues, against the definition in double
// of the operands that it reads.
#include "kernels/conv2d/tensor_plan_cuda.h"
#include "tests/cuda/conv2d_harness.h"

namespace swag {
namespace {

using cuda::TensorUnits;
using cuda::conv2d::TensorTileIndex;
using test::channels;
using test::check_mask;
using test::Conv2dCase;
using test::count;
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

/// A GPU so small or so large that a map gets the tile that is asked for.
TensorUnits units_for(TensorTileIndex tile, int splits_wanted = 1) {
  TensorUnits units;
  units.processors = tile == cuda::conv2d::kSmallTile ? 1 << 20 : 1;
  if (splits_wanted > 1) units.processors = 64;
  const int kib = tile == cuda::conv2d::kLargeTile ? 227 : 100;
  units.shared_bytes = kib << 10;
  units.processor_shared_bytes = (tile == cuda::conv2d::kManyWarpsTile ? 100 : 228) << 10;
  return units;
}

struct TileCase {
  Conv2dCase shape;
  TensorTileIndex forward, backward;  // the tile that is tried in each direction
};

std::vector<TileCase> cases() {
  using namespace cuda::conv2d;
  return {
      {{"3x3, whole tiles", {64, 128, 3, 3, 1, 1, 1, 1}, 16, 16}, kLargeTile, kTallTile},
      {{"3x3, odd map", {128, 128, 3, 3, 1, 1, 1, 1}, 13, 19}, kMiddleTile, kLargeTile},
      {{"3x3, one row of tiles", {64, 64, 3, 3, 1, 1, 1, 1}, 5, 33}, kTallTile, kSmallTile},
      {{"1x1", {128, 256, 1, 1, 1, 1, 0, 0}, 9, 11}, kManyWarpsTile, kMiddleTile},
      {{"1x1, stride 2: phases without taps", {128, 128, 1, 1, 2, 2, 0, 0}, 10, 17},
       kSmallTile,
       kManyWarpsTile},
      {{"3x3, stride 2, odd", {128, 128, 3, 3, 2, 2, 1, 1}, 11, 14}, kMiddleTile, kMiddleTile},
      {{"5x5, unpadded, in wider tensors", {64, 64, 5, 5, 1, 1, 0, 0}, 12, 9, 16, 8}, kSmallTile, kSmallTile},
      {{"1x7, oblong padding", {64, 128, 1, 7, 1, 1, 0, 3}, 6, 21}, kManyWarpsTile, kSmallTile},
      {{"stride 3: nine phases", {64, 64, 3, 3, 3, 3, 1, 1}, 10, 13}, kSmallTile, kSmallTile},
      {{"a map of one pixel", {64, 64, 3, 3, 1, 1, 1, 1}, 1, 1}, kSmallTile, kSmallTile},
  };
}

cuda::conv2d::TensorTiling tiling_of(const Conv2dParams& p, bool forward, const TensorUnits& units) {
  return choose_tensor_tiling(cuda::conv2d::gemm_of(p, forward ? kForward : kBackward),
                              static_cast<int>(size_of(forward ? p.x_type : p.y_type)), units);
}

}  // namespace

TEST_CASE("cuda conv2d on tensor cores agrees with the definition, with every tile, phase and epilogue") {
  REQUIRE_DEVICE();
  int tried_before = 0;
  for (const TileCase& tried : cases()) {
    CAPTURE(tried.shape.name);
    const bool both = tried_before++ % 2 == 0;  // the rest has only indices, which do not depend on the type
    for (const TensorPrecision& precision : {kTf32, kHalf}) {
      if (precision.value == DType::kFloat16 && !both) continue;
      for (const bool forward : {true, false}) {
        const TensorTileIndex tile = forward ? tried.forward : tried.backward;
        const TensorUnits units = units_for(tile);
        CHECK(tiling_of(tensor_params_of(tried.shape, forward, precision), forward, units).tile == tile);
        test::check_tensor_direction(tried.shape, forward, units, precision);
      }
    }
  }
}

TEST_CASE("cuda conv2d on tensor cores adds up split sums in one launch, in one order") {
  REQUIRE_DEVICE();
  for (const Conv2dCase& shape : {Conv2dCase{"", {512, 64, 3, 3, 1, 1, 1, 1}, 9, 18},
                                  Conv2dCase{"", {128, 256, 3, 3, 2, 2, 1, 1}, 9, 12}}) {
    const TensorUnits units = units_for(cuda::conv2d::kSmallTile, 4);
    const TensorPrecision& precision = shape.layer.stride_h == 1 ? kTf32 : kHalf;
    for (const bool forward : {true, false}) {
      CHECK(tiling_of(tensor_params_of(shape, forward, precision), forward, units).splits > 1);
      test::check_tensor_direction(shape, forward, units, precision);
    }
  }
}

TEST_CASE("cuda conv2d on tensor cores lets NaN through its ReLU, its rounding and its splits") {
  REQUIRE_DEVICE();
  for (const TensorPrecision& precision : {kTf32, kHalf}) {
    Conv2dParams p = tensor_params_of({"", {64, 64, 3, 3, 1, 1, 1, 1}, 5, 5}, true, precision);
    p.y_type = precision.value;
    Floats x = rounded(random_vector<float>(count(p, true), 15), precision.value);
    x[0] = std::numeric_limits<float>::quiet_NaN();
    Parts parts;
    parts.relu = parts.mask_out = true;
    for (const int processors : {1, 64}) {
      TensorUnits units = units_for(cuda::conv2d::kSmallTile, 2);
      units.processors = processors;
      const Result y = run(x, random_vector<float>(p.layer.weight_count(), 16), parts, p, true, 0, units);
      check_mask(y, 64);
      for (int i = 0; i < 25 * 64; ++i) CHECK(std::isnan(y.values[i]) == (i / 320 <= 1 && i / 64 % 5 <= 1));
    }
  }
}

TEST_CASE("cuda conv2d takes tensor cores for channels that are multiples of 64, where there are any") {
  TensorUnits units;
  units.processors = 132;
  const Conv2dLayer suits{64, 128, 3, 3, 1, 1, 1, 1};
  for (const DType operand : {DType::kTf32, DType::kFloat16, DType::kBFloat16}) {
    CHECK(cuda::conv2d_choose(suits, operand, units) == Conv2dAlgorithm::kTensorCores);
  }
  CHECK(cuda::conv2d_choose(suits, DType::kFloat32, units) == Conv2dAlgorithm::kDirect);
  CHECK(cuda::conv2d_choose(suits, DType::kTf32, {}) == Conv2dAlgorithm::kDirect);
  CHECK(cuda::conv2d_choose({3, 64, 3, 3, 1, 1, 1, 1}, DType::kTf32, units) == Conv2dAlgorithm::kDirect);
  CHECK(cuda::conv2d_choose({64, 96, 3, 3, 1, 1, 1, 1}, DType::kTf32, units) == Conv2dAlgorithm::kDirect);
  CHECK(cuda::conv2d_choose({64, 64, 7, 7, 1, 1, 3, 3}, DType::kTf32, units) == Conv2dAlgorithm::kDirect);
}

TEST_CASE("cuda conv2d takes the largest tiles that keep an H100 busy, and splits where none do") {
  using namespace cuda::conv2d;
  TensorUnits h100;
  h100.processors = 132;
  h100.shared_bytes = 227 << 10;
  h100.processor_shared_bytes = 228 << 10;
  const auto tiling = [&](const Conv2dLayer& layer, int size, const TensorUnits& units) {
    return tiling_of(tensor_params_of({"", layer, size, size}, true), true, units);
  };
  CHECK(tiling({64, 64, 3, 3, 1, 1, 1, 1}, 512, h100).tile == kTallTile);
  CHECK(tiling({128, 128, 3, 3, 1, 1, 1, 1}, 256, h100).tile == kLargeTile);
  CHECK(tiling({512, 512, 3, 3, 1, 1, 1, 1}, 64, h100).tile == kMiddleTile);  // 128 blocks for 132 processors
  const TensorTiling few = tiling({512, 512, 3, 3, 1, 1, 1, 1}, 16, h100);
  CHECK((few.tile == kSmallTile && few.splits == 8));
  CHECK(tiling({256, 64, 1, 1, 1, 1, 0, 0}, 16, h100).splits == 2);  // eight blocks of columns
  TensorUnits ada = h100;
  ada.shared_bytes = 99 << 10;
  ada.processor_shared_bytes = 100 << 10;
  CHECK(tiling({128, 128, 3, 3, 1, 1, 1, 1}, 256, ada).tile == kManyWarpsTile);
}

#if !defined(__CUDACC__) && !defined(EMULATOR_UNWATCHED)
TEST_CASE("cuda conv2d on tensor cores moves hardly more than the fewest sectors and wavefronts") {
  REQUIRE_DEVICE();
  using namespace cuda::conv2d;
  for (const TensorTileIndex tile : {kLargeTile, kMiddleTile, kTallTile, kManyWarpsTile, kSmallTile}) {
    CAPTURE(tile);
    const int c = tile == kTallTile ? 64 : 128;
    for (const TensorPrecision& precision : {kTf32, kHalf}) {
      for (const bool forward : {true, false}) {
        if (precision.value == DType::kFloat16 && tile != kTallTile && tile != kSmallTile) continue;
        Conv2dParams p = tensor_params_of({"", {c, c, 3, 3, 1, 1, 1, 1}, 16, 32}, forward, precision);
        (forward ? p.y_type : p.x_type) = precision.operand(forward);
        const Floats weight = random_vector<float>(p.layer.weight_count(), 1);
        Parts parts = forward ? test::forward_parts(p, 15) : test::backward_parts(p, 3);
        parts.addend = rounded(parts.addend, precision.operand(forward));
        emulator::Options counting;
        counting.count = true;
        emulator::configure(counting);
        emulator::take_counts();
        run(rounded(random_vector<float>(count(p, forward), 2), forward ? p.x_type : p.y_type), weight, parts,
            p, forward, 0, units_for(tile));
        const std::vector<emulator::KernelCount> kernels = emulator::take_counts();
        emulator::configure(emulator::Options());
        REQUIRE(kernels.size() == 2);
        const emulator::KernelCount& counted = kernels[1];  // the first packs the weights
        REQUIRE(counted.kernel.find("conv2d_tensor_kernel") != std::string::npos);
        CHECK(static_cast<double>(counted.sectors) <= 1.1 * static_cast<double>(counted.fewest_sectors));
        CHECK(static_cast<double>(counted.wavefronts) <=
              1.1 * static_cast<double>(counted.fewest_wavefronts));
      }
    }
  }
}
#endif

}  // namespace swag
