// GIF (its first frame) and TGA, by stb.
#pragma once
#include "src/codecs/picture_file.h"
#include "src/image/image.h"

namespace swag {

/// Throws Error(kImage), for what is none of these too, and Error(kMemory).
Image decode_with_stb(const PictureFile& file);

}  // namespace swag
