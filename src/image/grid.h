// Pictures beside each other.
#pragma once
#include <vector>

#include "src/image/image.h"

namespace swag {

/// The pictures (one at least) in a row, on white, as high as the last one but no wider than twice its longer
/// side, with a gutter of 8 pixels between them. Transparency shows white.
Image side_by_side(const std::vector<Image>& images);

}  // namespace swag
