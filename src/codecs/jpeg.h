// JPEG, by libjpeg.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "src/codecs/picture_file.h"
#include "src/image/image.h"

namespace swag {

/// Any that libjpeg knows: progressive, arithmetic, grey, CMYK, YCCK; in the colours of its profile, the
/// right way up. Throws Error(kImage) where data are missing or damaged, which libjpeg itself would paint
/// over, and Error(kMemory).
Image decode_jpeg(const PictureFile& file);

/// `pixels`: (h, w, 3) of 8 bits. `comments` become comment segments of at most 65533 bytes each. Throws
/// Error(kOutput) with `path` in its message.
std::vector<uint8_t> encode_jpeg(const std::string& path, const std::vector<uint8_t>& pixels, int h, int w,
                                 int quality, const std::vector<std::string>& comments);

}  // namespace swag
