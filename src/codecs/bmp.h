// BMP without run lengths: of 1 to 32 bits a pixel, of OS/2 and of every version of Windows.
#pragma once
#include "src/codecs/picture_file.h"
#include "src/image/image.h"

namespace swag {

bool is_bmp(const uint8_t* file, size_t size);

/// Throws Error(kImage) and Error(kMemory).
Image decode_bmp(const PictureFile& file);

}  // namespace swag
