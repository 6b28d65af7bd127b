#include "tests/golden.h"

using namespace swag;
using test::Golden;

TEST_CASE("losses, statistics and gradient agree with PyTorch's float64, with every convolution there is") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(2);
  const std::vector<Golden> goldens = Golden::all();
  CHECK(!goldens.empty());
  for (const Golden& golden : goldens) {
    CAPTURE(golden.name());
    const Dump exact = golden.run(*backend, DType::kFloat64, nullptr);
    golden.compare(exact, test::kDoubleTolerances);
    for (const Conv2dAlgorithm conv :
         {Conv2dAlgorithm::kAuto, Conv2dAlgorithm::kDirect, Conv2dAlgorithm::kWinograd}) {
      CAPTURE(name_of(conv));
      golden.compare(golden.run(*backend, DType::kFloat32, &exact.signs, conv), test::kSingleTolerances);
      golden.compare(golden.run(*backend, DType::kFloat32, nullptr, conv), test::kFreeTolerances);
    }
  }
}
