// The shapes that the CPU's and the GPU's smoothings are tested on.
#pragma once
#include "kernels/softmax.h"

namespace swag::test {

inline const SoftmaxParams kSoftmaxShapes[] = {
    {1, 1, 1}, {1, 5, 0.5}, {7, 3, 2}, {33, 70, 0.3}, {1000, 17, 20}};

}  // namespace swag::test
