// Sizes and resampling of pictures.
#pragma once
#include <string>
#include <vector>

#include "kernels/resize.h"
#include "src/image/image.h"

namespace swag {

struct Size {
  int h = 0, w = 0;
  bool operator==(const Size& o) const { return h == o.h && w == o.w; }
};

/// What an output size is asked to be: the longest side, or width and height, or (none of them) the image's
/// own.
struct SizeRule {
  int longest = 512;
  int w = 0, h = 0;
  bool original = false;
};

/// "512", "640x480" (width x height) or "orig". Throws Error(kUsage).
SizeRule parse_size(const std::string& text);
std::string size_text(const SizeRule& rule);

/// The size the rule gives an image of h x w: with a longest side the other one is rounded to the nearest, at
/// least 1.
Size target_size(const SizeRule& rule, int h, int w);

/// What a side is shrunk by: Lanczos-3, the sharper one, or Catmull-Rom's cubic (Pillow's BICUBIC).
enum class Resample { kLanczos, kBicubic };

/// Antialiased; a side that grows is always Catmull-Rom's. The image itself when the size is equal. Weights
/// sum to 1 at the borders too. The result is clamped to [0, 1]. Transparent pixels do not mix into their
/// neighbours, and those that cannot be seen come out as fill_invisible colours them.
Image resize(const Image& image, int h, int w, Resample resample = Resample::kLanczos);

/// The weights of one axis for kernels/resize.h: those that `resize` uses.
struct ResizeAxis {
  std::vector<int32_t> first, count;
  std::vector<double> weights;
  int taps = 0;
  ResizeWeights table() const { return {first.data(), count.data(), weights.data(), taps}; }
};
ResizeAxis resize_axis(int in, int out, Resample resample = Resample::kLanczos);

}  // namespace swag
