// Binary PGM (P5) and PPM (P6), of any depth.
#pragma once
#include <cstddef>
#include <cstdint>

#include "src/codecs/picture_file.h"
#include "src/image/image.h"

namespace swag {

struct PnmHeader {
  int h = 0, w = 0, channels = 0;
  int largest = 0;     // the value that is white, up to 65535; two bytes a sample above 255
  size_t samples = 0;  // their offset in the file
};

/// False for anything else. Numbers beyond 2^24 count as 2^24.
bool parse_pnm(PnmHeader& header, const uint8_t* file, size_t size);

/// Throws Error(kImage) where samples are missing, and Error(kMemory).
Image decode_pnm(const PnmHeader& header, const PictureFile& file);

}  // namespace swag
