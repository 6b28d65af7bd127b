#include "src/weights/caffe_pixels.h"

#include <cmath>

namespace swag {
namespace {

// Root mean squares of a first layer; the converter says where they come from.
constexpr double kSmall = 0.02, kTurned = 1.0;
// VGG16's first filter for blue, and its first biases, as trained in Caffe; those of VGG19 are nearly the
// same.
constexpr int kTaps = 9, kKnown = 9;
constexpr double kFilter[kTaps] = {0.429471,  0.373467,  -0.06136, 0.27477,  0.038681,
                                   -0.367223, -0.057468, -0.26225, -0.350097};
constexpr double kBiases[kKnown] = {0.734298, 0.093404,  0.067757, 0.886297, 0.259945,
                                    0.664267, -0.015829, 0.324907, 0.686007};
constexpr double kSame = 0.97;  // cosine

double cosine(const float* x, const double* y, int count) {
  double xy = 0, xx = 0, yy = 0;
  for (int i = 0; i < count; ++i) {
    xy += x[i] * y[i];
    xx += static_cast<double>(x[i]) * x[i];
    yy += y[i] * y[i];
  }
  return xx > 0 ? xy / std::sqrt(xx * yy) : 0;
}

}  // namespace

std::string sign_of_caffe(const std::vector<float>& weight, const std::vector<float>& bias) {
  double sum = 0;
  for (float value : weight) sum += static_cast<double>(value) * value;
  const double size = weight.empty() ? 0 : std::sqrt(sum / static_cast<double>(weight.size()));
  if (size > 0 && size < kSmall)
    return "the weights of its first layer are as small as for pixels from 0 to 255";
  if (weight.size() < 3 * kTaps || bias.size() < kKnown || size >= kTurned) return "";
  bool known = cosine(bias.data(), kBiases, kKnown) > kSame;
  for (int plane = 0; plane < 3; ++plane) {
    known = known && cosine(weight.data() + plane * kTaps, kFilter, kTaps) > kSame;
  }
  return known ? "its first layer is that of the VGGs first published, for Caffe" : "";
}

}  // namespace swag
