// GIF: its first frame.
#pragma once
#include "src/codecs/picture_file.h"
#include "src/image/image.h"

namespace swag {

bool is_gif(const uint8_t* file, size_t size);

/// Throws Error(kImage) and Error(kMemory).
Image decode_gif(const PictureFile& file);

}  // namespace swag
