// Picture formats that are recognised but not read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace swag {

/// Throws Error(kImage) for a file that starts like HEIC, AVIF, WebP, TIFF, JPEG XL, JPEG 2000, SVG, PDF,
/// PSD, XCF, OpenEXR, like a BMP with run lengths or like Apple's variant of PNG: the message has a command
/// that converts it into another file, safe to be pasted into a shell whatever the file's name.
void refuse_foreign(const uint8_t* file, size_t size, const std::string& name);

}  // namespace swag
