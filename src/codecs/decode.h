// Reading pictures: JPEG, PNG, BMP, GIF (its first frame), TGA, binary PGM and PPM.
#pragma once
#include <cstddef>
#include <string>

#include "src/image/image.h"

namespace swag {

/// Grey, palette, 16-bit and CMYK pictures become RGB; an alpha that is 1 everywhere is dropped; the EXIF
/// orientation is applied. Throws Error(kImage) for a file that is missing, empty, truncated, no picture, of
/// a format that has to be converted first, larger than reason, or a single pixel.
Image load_image(const std::string& path);

/// The same from memory; `name` stands for the file in messages.
Image decode_image(const void* data, size_t size, const std::string& name);

}  // namespace swag
