// Picture formats that are recognised but not read.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace swag {

/// Throws Error(kImage) for a file that starts like HEIC, AVIF, WebP, TIFF, JPEG XL, SVG, PDF or PSD: the
/// message has the command that converts it.
void refuse_foreign(const uint8_t* file, size_t size, const std::string& name);

}  // namespace swag
