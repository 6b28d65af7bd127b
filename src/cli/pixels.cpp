#include "src/cli/pixels.h"

#include <algorithm>
#include <utility>

namespace swag::cli {

Pixels::Pixels(int h, int w, bool alpha)
    : h_(h),
      w_(w),
      channels_(alpha ? 4 : 3),
      values_(static_cast<size_t>(h) * static_cast<size_t>(w) * channels_) {}

Pixels::Pixels(Image image) : h_(image.h), w_(image.w), channels_(image.alpha.empty() ? 3 : 4) {
  if (channels_ == 3) {
    values_ = std::move(image.rgb);
    return;
  }
  values_.resize(image.alpha.size() * 4);
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
