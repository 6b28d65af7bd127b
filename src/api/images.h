// Between the image views of include/swag.h and the library's pictures.
#pragma once
#include <string>

#include "include/swag.h"
#include "src/image/image.h"

namespace swag {

/// Throws Error(kImage) for an image without pixels and for sides beyond reason.
void check_image_size(int h, int w, const std::string& what);

/// A copy of the pixels; alpha only where the format has it. `what` names the image in messages. Throws
/// Error(kUsage) for null and unknown formats, Error(kImage) for sizes, strides and values that cannot be,
/// Error(kMemory).
Image image_of(const swag_image* view, const std::string& what);

/// Throws what write_image would for an output of this size.
void check_output(const swag_image* view, int h, int w);

/// Writes into the caller's pixels. Throws Error(kUsage) for null, unknown formats and another size.
void write_image(const Image& image, const swag_image* view);

}  // namespace swag
