#include "src/pixels.h"

#include <algorithm>
#include <cmath>

namespace swag {
namespace {

/// A picture's float value in full precision: what came from 8 bits is n / 255, which float only holds
/// rounded.
double exact_value(float value) {
  const double scaled = double{value} * 255, nearest = std::nearbyint(scaled);
  return std::abs(scaled - nearest) < 1e-4 ? nearest / 255 : double{value};
}

}  // namespace

std::vector<double> download_values(Backend& backend, const Tensor& tensor) {
  const int64_t count = tensor.count();
  std::vector<double> values(count);
  if (tensor.dtype == DType::kFloat64) {
    backend.download(values.data(), tensor.data, count * 8);
  } else {
    std::vector<float> narrow(count);
    backend.download(narrow.data(), tensor.data, count * 4);
    values.assign(narrow.begin(), narrow.end());
  }
  return values;
}

void upload_values(Backend& backend, const Tensor& tensor, const std::vector<double>& values) {
  if (tensor.dtype == DType::kFloat64) {
    backend.upload(tensor.data, values.data(), tensor.count() * 8);
  } else {
    const std::vector<float> narrow(values.begin(), values.end());
    backend.upload(tensor.data, narrow.data(), tensor.count() * 4);
  }
}

OwnedTensor normalized_pixels(Backend& backend, DType dtype, const Image& image) {
  std::vector<double> values(image.rgb.size());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = (exact_value(image.rgb[i]) - kPixelMean[i % 3]) / kPixelDeviation[i % 3];
  }
  OwnedTensor pixels(backend, dtype, {image.h, image.w, 3});
  upload_values(backend, pixels.tensor, values);
  return pixels;
}

Image picture_of(Backend& backend, const Tensor& pixels) {
  const std::vector<double> values = download_values(backend, pixels);
  Image image;
  image.h = pixels.shape.h;
  image.w = pixels.shape.w;
  image.rgb.resize(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double value = values[i] * kPixelDeviation[i % 3] + kPixelMean[i % 3];
    image.rgb[i] = static_cast<float>(std::min(1.0, std::max(0.0, value)));
  }
  return image;
}

}  // namespace swag
