#include <doctest/doctest.h>

#include <cmath>

#include "src/objective/smoothing.h"
#include "src/run/pixels.h"
#include "tests/helpers.h"

namespace swag {
namespace {

constexpr DType kDouble = DType::kFloat64;

TEST_CASE("an auto temperature gives the wanted entropy") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const Shape shape{9, 11, 6};
  OwnedTensor a(*backend, kDouble, shape), b(*backend, kDouble, shape);
  upload_values(*backend, a.tensor, test::random_vector<double>(shape.count(), 1, 0, 200));
  upload_values(*backend, b.tensor, test::random_vector<double>(shape.count(), 2, 0, 3));
  for (double target : {0.3, 0.9, 0.99, 0.9999}) {
    CAPTURE(target);
    const double t = find_temperature(*backend, {a.tensor}, Smoothing::kSoftmax, target);
    CHECK(std::abs(backend->softmax_entropy(a.tensor, t) - target) < 1e-12);
    const double both = find_temperature(*backend, {a.tensor, b.tensor}, Smoothing::kSoftmax, target);
    const double mean =
        (backend->softmax_entropy(a.tensor, both) + backend->softmax_entropy(b.tensor, both)) / 2;
    CHECK(std::abs(mean - target) < 1e-12);
    const double channel = find_temperature(*backend, {a.tensor}, Smoothing::kChannel, target);
    CHECK(std::abs(backend->softmax_channel_entropy(a.tensor, channel) - target) < 1e-12);
  }
}

}  // namespace
}  // namespace swag
