// Reading pictures: JPEG, PNG, BMP, GIF (its first frame), TGA, binary PGM and PPM.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "src/image/image.h"
#include "src/image/resize.h"

namespace swag {

/// The rule that keeps a picture at its own size.
inline SizeRule original_size() {
  SizeRule rule;
  rule.original = true;
  return rule;
}

/// Grey, palette, 16-bit and CMYK pictures become RGB; colours are brought to sRGB from what the file says of
/// them; an alpha that is 1 everywhere is dropped; the EXIF orientation is applied. A picture much larger
/// than `wanted` makes it is averaged as it is read, to several times that size: `wanted` gives the same for
/// it as for the whole picture. `notes` gets a line for each thing that its reader should know: a broken
/// colour profile, an animation. Throws Error(kImage) for a file that is missing, empty, truncated, damaged,
/// no picture, of a format that has to be converted first, larger than reason, or a single pixel;
/// Error(kMemory) for one that is larger than the free memory.
Image load_image(const std::string& path, const SizeRule& wanted = original_size(),
                 std::vector<std::string>* notes = nullptr);

/// The same from memory; `name` stands for the file in messages.
Image decode_image(const void* data, size_t size, const std::string& name,
                   const SizeRule& wanted = original_size(), std::vector<std::string>* notes = nullptr);

}  // namespace swag
