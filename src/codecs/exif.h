// The orientation that a camera noted in a picture's EXIF data.
#pragma once
#include <cstddef>
#include <cstdint>

#include "src/image/image.h"

namespace swag {

/// 1 to 8 as EXIF numbers them, from a whole JPEG (APP1) or PNG (eXIf) file; 1 where there is none or it is
/// damaged.
int exif_orientation(const uint8_t* file, size_t size);

/// The picture the right way up.
Image oriented(Image image, int orientation);

}  // namespace swag
