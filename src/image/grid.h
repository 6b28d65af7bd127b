// Pictures beside each other.
#pragma once
#include <vector>

#include "src/image/image.h"

namespace swag {

/// The pictures (one at least) in a row, on white, all as high as the last one, with a gutter of 8 pixels
/// between them. Transparency shows white.
Image side_by_side(const std::vector<Image>& images);

}  // namespace swag
