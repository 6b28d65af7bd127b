// TGA of every kind but interleaved: of 8 to 32 bits a pixel, with a palette, with run lengths.
#pragma once
#include "src/codecs/picture_file.h"
#include "src/image/image.h"

namespace swag {

/// TGA begins with no signature: whether its first 18 bytes could be such a header.
bool is_tga(const uint8_t* file, size_t size);

/// Throws Error(kImage) and Error(kMemory).
Image decode_tga(const PictureFile& file);

}  // namespace swag
