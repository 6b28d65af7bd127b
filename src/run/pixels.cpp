#include "src/run/pixels.h"

#include <algorithm>

#include "kernels/normalize.h"
#include "src/backend/host_values.h"
#include "src/image/transparency.h"

namespace swag {
namespace {

/// An axis' weights in the backend's memory.
struct AxisOnDevice {
  AxisOnDevice(Backend& backend, const ResizeAxis& axis)
      : first(uploaded(backend, axis.first)),
        count(uploaded(backend, axis.count)),
        weights(uploaded(backend, axis.weights)),
        taps(axis.taps) {}
  ResizeWeights table() const {
    return {static_cast<int32_t*>(first.data()), static_cast<int32_t*>(count.data()),
            static_cast<double*>(weights.data()), taps};
  }

  Buffer first, count, weights;
  int taps;
};

}  // namespace

std::vector<double> download_values(Backend& backend, const Tensor& tensor) {
  std::vector<double> values;
  values.reserve(static_cast<size_t>(tensor.count()));
  for_each_value(backend, tensor, [&](double value) { values.push_back(value); });
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
  OwnedTensor pixels(backend, dtype, {image.h, image.w, 3});
  const OwnedTensor rgb(backend, DType::kFloat32, pixels.tensor.shape);
  Image filled;
  if (!image.alpha.empty()) filled = with_invisible_filled(image);
  const Image& used = image.alpha.empty() ? image : filled;
  backend.upload(rgb.buffer.data(), used.rgb.data(), rgb.buffer.bytes());
  backend.normalize(pixels.tensor, rgb.tensor.as<float>());
  return pixels;
}

void fill_invisible_pixels(Backend& backend, const Tensor& pixels, const std::vector<float>& alpha) {
  if (alpha.empty()) return;
  std::vector<double> values = download_values(backend, pixels);
  fill_invisible(values, alpha, pixels.shape.h, pixels.shape.w);
  upload_values(backend, pixels, values);
}

void clamp_pixels(Backend& backend, const Tensor& pixels) {
  std::vector<double> values = download_values(backend, pixels);
  for (size_t i = 0; i < values.size(); ++i) {
    const int c = static_cast<int>(i % 3);
    values[i] = std::clamp(values[i], normalized(0, c), normalized(1, c));
  }
  upload_values(backend, pixels, values);
}

Image picture_of(Backend& backend, const Tensor& pixels) {
  const OwnedTensor rgb(backend, DType::kFloat32, pixels.shape);
  backend.denormalize(rgb.tensor.as<float>(), pixels);
  Image image;
  image.h = pixels.shape.h;
  image.w = pixels.shape.w;
  image.rgb.resize(pixels.count());
  backend.download(image.rgb.data(), rgb.buffer.data(), rgb.buffer.bytes());
  return image;
}

OwnedTensor resized_map(Backend& backend, const Tensor& map, Size size, double lowest) {
  const Shape from = map.shape;
  const AxisOnDevice rows(backend, resize_axis(from.w, size.w)),
      columns(backend, resize_axis(from.h, size.h));
  const OwnedTensor wide(backend, map.dtype, {from.h, size.w, from.c});
  OwnedTensor result(backend, map.dtype, {size.h, size.w, from.c});
  backend.resize(wide.tensor, map, rows.table(), {from.h, from.w, size.w, from.c});
  backend.resize(result.tensor, wide.tensor, columns.table(),
                 {1, from.h, size.h, int64_t{size.w} * from.c, lowest});
  return result;
}

}  // namespace swag
