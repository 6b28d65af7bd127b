// What a camera noted in a picture's EXIF data, as far as it tells how the pixels are to be shown.
#pragma once
#include <cstddef>
#include <cstdint>

namespace swag {

/// 1 to 8 as EXIF numbers them, from EXIF data: a TIFF structure, with "Exif\0\0" before it or not. 0 where
/// there is none, or it is damaged or no such number.
int orientation_in_exif(const uint8_t* data, size_t size);

/// Of a whole JPEG file, whose first segment that has an orientation counts; 1 where none has.
int exif_orientation(const uint8_t* file, size_t size);

/// Whether a whole JPEG file says that its colours are Adobe RGB, as cameras do that add no profile: by the
/// colour space 2, or by none and the interoperability index "R03".
bool exif_says_adobe_rgb(const uint8_t* file, size_t size);

}  // namespace swag
