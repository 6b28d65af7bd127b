// The shapes that the CPU's and the GPU's padding is tested on.
#pragma once
#include "kernels/pad.h"

namespace swag::test {

inline const PadParams kPadShapes[] = {{1, 1, 3, 1}, {1, 5, 3, 3}, {4, 1, 2, 2},  {5, 7, 3, 1},
                                       {6, 4, 3, 3}, {9, 8, 5, 0}, {3, 301, 3, 3}};

}  // namespace swag::test
