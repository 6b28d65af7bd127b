// Pictures on their way into a backend's memory and out of it, and from size to size within.
#pragma once
#include <cmath>

#include "src/backend/backend.h"
#include "src/image/image.h"
#include "src/image/resize.h"

namespace swag {

/// (h, w, 3), normalised: see kernels/normalize.h. Invisible pixels are filled.
OwnedTensor normalized_pixels(Backend& backend, DType dtype, const Image& image);

/// The inverse, clamped to [0, 1]; no alpha.
Image picture_of(Backend& backend, const Tensor& pixels);

/// A dense map (h, w, c) in another size, resampled as pictures are but not clamped, except that what is less
/// than `lowest` becomes this. Does not leave the backend.
OwnedTensor resized_map(Backend& backend, const Tensor& map, Size size, double lowest = -INFINITY);

/// Fills those of the (h, w, 3) pixels that cannot be seen, see fill_invisible; `alpha` empty: none.
void fill_invisible_pixels(Backend& backend, const Tensor& pixels, const std::vector<float>& alpha);

/// Normalised pixels as those of a picture, whose values are 0 to 1.
void clamp_pixels(Backend& backend, const Tensor& pixels);

/// A tensor's values on the host, whatever its dtype, and back.
std::vector<double> download_values(Backend& backend, const Tensor& tensor);
void upload_values(Backend& backend, const Tensor& tensor, const std::vector<double>& values);

}  // namespace swag
