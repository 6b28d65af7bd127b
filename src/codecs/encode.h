// Writing pictures: PNG and JPEG, with a note of how they were made in the file's own metadata.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "src/image/image.h"

namespace swag {

/// Refuses, before any long work, what save_image could not write: a suffix other than .png, .jpg, .jpeg, a
/// folder that is missing (it is never created) or not writable, a folder for a file, an existing file
/// without `overwrite`. Throws Error(kOutput).
void check_output_path(const std::string& path, bool overwrite);

/// Whether a file's name ends as that of a picture that save_image writes.
bool is_picture_name(const std::string& path);

/// Whether a picture of this name shows transparency white instead of keeping it.
bool loses_alpha(const std::string& path);

/// Values are rounded to 8 bits. PNG keeps alpha, JPEG shows the picture over white. `description` (JSON) can
/// be read back with read_description. Written as a whole or not at all. Throws Error(kOutput).
void save_image(const std::string& path, const Image& image, int jpeg_quality,
                const std::string& description);

/// The description in the bytes of a PNG or JPEG file, "" where there is none.
std::string read_description(const std::vector<uint8_t>& file);

}  // namespace swag
