#include "src/cli/pixels.h"

#include <algorithm>

namespace swag::cli {

Pixels::Pixels(int h, int w, bool alpha)
    : h_(h),
      w_(w),
      channels_(alpha ? 4 : 3),
      values_(static_cast<size_t>(h) * static_cast<size_t>(w) * channels_) {}

Pixels::Pixels(const Image& image) : Pixels(image.h, image.w, !image.alpha.empty()) {
  if (channels_ == 3) {
    values_ = image.rgb;
    return;
  }
  for (size_t i = 0; i < image.alpha.size(); ++i) {
    for (size_t c = 0; c < 3; ++c) values_[4 * i + c] = image.rgb[3 * i + c];
    values_[4 * i + 3] = image.alpha[i];
  }
}

swag_image Pixels::view() {
  return {values_.data(), w_, h_, 0, channels_ == 4 ? SWAG_RGBA_F32 : SWAG_RGB_F32};
}

Image Pixels::image() const {
  Image image;
  image.h = h_;
  image.w = w_;
  if (channels_ == 3) {
    image.rgb = values_;
    return image;
  }
  for (size_t i = 0; i < values_.size(); i += 4) {
    image.rgb.insert(image.rgb.end(), &values_[i], &values_[i] + 3);
    image.alpha.push_back(values_[i + 3]);
  }
  const auto opaque = [](float alpha) { return alpha == 1; };
  if (std::all_of(image.alpha.begin(), image.alpha.end(), opaque)) image.alpha.clear();
  return image;
}

}  // namespace swag::cli
