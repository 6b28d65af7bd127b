#include "src/backend/wasserstein_target.h"

#include "kernels/wasserstein.h"
#include "src/support/blas.h"

namespace swag {

std::vector<double> wasserstein_target(const std::vector<double>& gram, const std::vector<double>& mean,
                                       double least_epsilon) {
  const int d = static_cast<int>(mean.size());
  std::vector<double> target(static_cast<size_t>(WassersteinTarget::count(d)));
  cpu::wasserstein_prepare(target.data(), gram.data(), mean.data(), least_epsilon, d, blas());
  return target;
}

}  // namespace swag
