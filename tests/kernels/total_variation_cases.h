// The shapes that the CPU's and the GPU's total variation is tested on.
#pragma once
#include "kernels/total_variation.h"

namespace swag::test {

inline const TotalVariationParams kTotalVariationShapes[] = {{1, 7, 3}, {7, 1, 3}, {5, 3, 1}, {4, 9, 3}};

}  // namespace swag::test
