// A style's part of the Wasserstein loss, computed on the host for every backend: once per style and scale.
#pragma once
#include <vector>

namespace swag {

/// The values of a WassersteinTarget (kernels/wasserstein.h) of a style whose features have the second
/// moments `gram` (d, d) and the means `mean` (d). Throws Error(kMemory, kDevice) where there is no LAPACK to
/// do it.
std::vector<double> wasserstein_target(const std::vector<double>& gram, const std::vector<double>& mean,
                                       double least_epsilon = 0);

}  // namespace swag
