#include "src/objective/style_loss.h"

#include <algorithm>
#include <cmath>

#include "src/objective/gram_loss.h"
#include "src/objective/wasserstein_loss.h"

namespace swag {

std::unique_ptr<StyleLoss> make_style_loss(StyleLossKind kind, LossMode mode, Backend& backend, DType dtype) {
  constexpr double kMseEpsilon = 1e-4;  // style-transfer-pytorch's
  if (kind == StyleLossKind::kWasserstein) {
    return std::make_unique<WassersteinLoss>(backend, dtype, mode == LossMode::kMse ? kMseEpsilon : 0);
  }
  return std::make_unique<GramLoss>(backend, dtype);
}

std::vector<double> downloaded(Backend& backend, const void* values, int64_t count) {
  std::vector<double> host(static_cast<size_t>(count));
  backend.download(host.data(), values, count * static_cast<int64_t>(sizeof(double)));
  return host;
}

StyleLoss::Statistics gram_statistics(Backend& backend, const double* a, Shape shape) {
  const int64_t d = shape.c;
  const double m = static_cast<double>(shape.pixels());
  const std::vector<double> values = downloaded(backend, a, d * d);
  StyleLoss::Statistics result;
  result.max = values[0] * m;
  double squares = 0;
  for (const double value : values) {
    result.max = std::max(result.max, value * m);
    squares += value * value;
  }
  result.norm = std::sqrt(squares) * m;
  for (int64_t i = 0; i < d; ++i) result.trace += values[i * d + i] * m;
  return result;
}

}  // namespace swag
