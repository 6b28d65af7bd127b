// PNG, by libpng.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "src/codecs/colour.h"
#include "src/codecs/picture_file.h"
#include "src/image/image.h"

namespace swag {

/// Of any kind; in the colours that its chunks state, the right way up. Throws Error(kImage) for what is
/// truncated or damaged (a chunk that counts and fails its sum is) and for HDR, and Error(kMemory).
Image decode_png(const PictureFile& file);

/// Chunks that libpng does not read for us, or not as we need them. Those that fail their sum are as if not
/// there.
struct PngSigns {
  size_t pixel_bytes = 0;  // of the chunks that hold the picture, compressed
  bool animated = false;
  int orientation = 0;   // of eXIf; 0 where there is none
  bool has_icc = false;  // iCCP, which libpng decompresses; it does not mind a wrong sum, hence the next
  bool icc_intact = false;
  bool overrides = false;  // `colours` counts, not the ICC profile
  ColourProfile colours;   // of cICP, sRGB, or gAMA and cHRM, the first that there is; none: sRGB
};

/// Throws Error(kImage) for HDR and where a chunk does not end in the file or IEND is missing; notes what is
/// damaged.
PngSigns png_signs(const PictureFile& file);

/// `pixels`: (h, w, channels) of 8 bits, channels 3 or 4 (RGBA). `text` goes into an iTXt chunk with this
/// keyword,
/// "" into none. Throws Error(kOutput) with `path` in its message.
std::vector<uint8_t> encode_png(const std::string& path, const std::vector<uint8_t>& pixels, int h, int w,
                                int channels, const char* keyword, const std::string& text);

}  // namespace swag
