// Between pictures and what the network sees: pixels normalised by ImageNet's mean and deviation.
#pragma once
#include "src/backend.h"
#include "src/image/image.h"

namespace swag {

constexpr double kPixelMean[3] = {0.485, 0.456, 0.406};
constexpr double kPixelDeviation[3] = {0.229, 0.224, 0.225};

/// (h, w, 3): (rgb - mean) / deviation.
OwnedTensor normalized_pixels(Backend& backend, DType dtype, const Image& image);

/// The inverse, clamped to [0, 1]; no alpha.
Image picture_of(Backend& backend, const Tensor& pixels);

/// A tensor's values on the host, whatever its dtype, and back.
std::vector<double> download_values(Backend& backend, const Tensor& tensor);
void upload_values(Backend& backend, const Tensor& tensor, const std::vector<double>& values);

}  // namespace swag
