// Hopper's instructions on the emulator, checked: the program `limits` asks a GPU the same.
#include <doctest/doctest.h>

#include "kernels/cuda/device_array.cuh"
#include "kernels/cuda/hopper.cuh"
#include "kernels/limits/instructions.h"
#include "tests/emulator/check_planted.h"

namespace swag {

TEST_CASE(
    "boxes of tensor maps and wgmma of every shape and type agree with plain loops, and have no findings") {
  for (const uint64_t shuffle : {0, 7}) {
    const planted::Checking checking(1, shuffle);
    for (const instructions::Answer& answer : instructions::check_all()) {
      CAPTURE(answer.instruction);
      CHECK(answer.wrong == 0);
    }
    for (const emulator::Finding& finding : emulator::take_findings()) FAIL_CHECK(finding.text);
  }
}

TEST_CASE("a tensor map that a driver would refuse is refused") {
  DeviceArray<float> map(4096);
  TensorMapShape shape;
  shape.channels = shape.cols = shape.rows = shape.box_cols = shape.box_rows = 8;
  shape.pitch = 8;
  CHECK_NOTHROW(make_tensor_map(map.data(), WgmmaOperands::kTf32, shape));
  CHECK_THROWS(make_tensor_map(map.data() + 1, WgmmaOperands::kTf32, shape));
  shape.pitch = 9;  // no multiple of 16 bytes
  CHECK_THROWS(make_tensor_map(map.data(), WgmmaOperands::kTf32, shape));
  shape.pitch = 8;
  shape.col_step = 9;
  CHECK_THROWS(make_tensor_map(map.data(), WgmmaOperands::kTf32, shape));
  shape.col_step = 8;
  shape.box_cols = 33;  // 264 elements passed over
  CHECK_THROWS(make_tensor_map(map.data(), WgmmaOperands::kTf32, shape));
}

}  // namespace swag
