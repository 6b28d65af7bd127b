// Pictures made to have the shape that is asked for.
#pragma once
#include "src/image/image.h"
#include "src/image/resize.h"

namespace swag {

/// What becomes of a picture whose shape is not the one asked for.
enum class Fit {
  kStretch,  // all of it, distorted
  kCrop,     // its middle, as large as the shape allows
  kPad,      // all of it in the middle, the rest transparent
};

/// Whether a picture resized from one size to the other keeps its proportions to the pixel.
bool same_shape(Size from, Size to);

/// The picture cropped or padded to the shape of `to`, to be resized to that size, or to others of its shape,
/// afterwards. Padded it has that size already. The picture itself where the shapes are the same or it is to
/// be stretched.
Image fit_to_shape(const Image& image, Size to, Fit fit);

}  // namespace swag
