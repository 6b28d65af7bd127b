// Which positions of a feature map see something of a picture with alpha.
#pragma once
#include <cstdint>
#include <vector>

#include "src/backend/tensor.h"

namespace swag {

/// The positions of an (h, w, c) map that see enough of the picture, of which each has its part, an h-th by a
/// w-th. A pixel can be seen where its alpha is a sixteenth of the picture's largest or more: what is faint
/// all over is seen as a whole, glass beside something opaque too, the last of a shadow is not. A position
/// sees enough where half as many pixels of its part can be seen as of the part of which most can: so there
/// is always a position, however small what can be seen. Ascending; empty where all positions see enough.
std::vector<int32_t> visible_positions(const std::vector<float>& alpha,  // of the picture, row by row
                                       Shape picture, Shape map);

}  // namespace swag
