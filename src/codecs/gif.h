// The outer structure of GIF files, as far as a decoder does not tell it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace swag {

bool is_gif(const uint8_t* file, size_t size);

struct GifSigns {
  bool several_frames = false;
  std::vector<uint8_t> icc;  // a colour profile, of the application extension "ICCRGBG1012"
};

/// Of a whole file, up to its second frame.
GifSigns gif_signs(const uint8_t* file, size_t size);

/// As many pixels as a GIF file of this size can have: a code of 12 bits stands for 4096 pixels at most. The
/// first frame may fill a small part of its canvas, so that a canvas of 4 megapixels is always allowed.
double most_gif_pixels(size_t size);

}  // namespace swag
