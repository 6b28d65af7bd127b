#include "tests/golden.h"

using namespace swag;
using test::Golden;

TEST_CASE("losses, statistics and gradient agree with PyTorch's float64, in double and in single precision") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(2);
  const std::vector<Golden> goldens = Golden::all();
  CHECK(!goldens.empty());
  for (const Golden& golden : goldens) {
    CAPTURE(golden.name());
    const Dump exact = golden.run(*backend, DType::kFloat64, nullptr);
    golden.compare(exact, test::kDoubleTolerances);
    golden.compare(golden.run(*backend, DType::kFloat32, &exact.signs), test::kSingleTolerances);
    golden.compare(golden.run(*backend, DType::kFloat32, nullptr), test::kFreeTolerances);
  }
}
