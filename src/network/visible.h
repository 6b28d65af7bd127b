// Which positions of a feature map see something of a picture with alpha.
#pragma once
#include <cstdint>
#include <vector>

#include "src/backend/tensor.h"

namespace swag {

/// The positions of an (h, w, c) map whose part of the picture, h by w equal parts, is opaque enough: its
/// mean alpha is half of the most that any part has, or more. So a faint picture counts as a whole, a shadow
/// beside something opaque does not, and there is always a position, however small what can be seen.
/// Ascending; empty where all positions see something.
std::vector<int32_t> visible_positions(const std::vector<float>& alpha,  // of the picture, row by row
                                       Shape picture, Shape map);

}  // namespace swag
