#include "src/image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "src/image/transparency.h"
#include "src/support/error.h"
#include "src/support/printable.h"

namespace swag {
namespace {

constexpr int kLargestSide = 32768;
constexpr double kPi = 3.14159265358979323846;

double sinc(double x) { return x == 0 ? 1 : std::sin(kPi * x) / (kPi * x); }

double lanczos3(double x) { return std::abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0; }

double catmull_rom(double x) {
  x = std::abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/// Along the rows: (lines, in, c) -> (lines, out, c).
std::vector<float> resize_rows(const std::vector<float>& map, int lines, int in, int64_t c, int out,
                               Resample resample) {
  std::vector<float> result(static_cast<size_t>(lines) * out * c);
  const ResizeAxis axis = resize_axis(in, out, resample);
  cpu::resize(result.data(), map.data(), axis.table(), {lines, in, out, c}, Stream{});
  return result;
}

std::vector<float> resize_map(const std::vector<float>& map, Size from, int c, Size to, Resample resample) {
  std::vector<float> result = from.w == to.w ? map : resize_rows(map, from.h, from.w, c, to.w, resample);
  if (from.h != to.h)
    result = resize_rows(result, 1, from.h, int64_t{to.w} * c, to.h, resample);  // a row is one sample
  return result;
}

void clamp(std::vector<float>& values) {
  for (float& value : values) value = std::min(1.0f, std::max(0.0f, value));
}

/// Colours count by their alpha. Where next to none is left, and the quotient would be all noise, the colours
/// resized without it take over: from a picture whose invisible pixels are filled they are of the same kind.
Image resize_with_alpha(const Image& image, Size to, Resample resample) {
  constexpr float kLittleAlpha = 1.0f / 255;  // at which both have the same say
  const Image filled = with_invisible_filled(image);
  const Size from{image.h, image.w};
  std::vector<float> weighted(filled.rgb);
  for (size_t i = 0; i < weighted.size(); ++i) weighted[i] *= filled.alpha[i / 3];
  weighted = resize_map(weighted, from, 3, to, resample);
  Image result{to.h, to.w, resize_map(filled.rgb, from, 3, to, resample),
               resize_map(filled.alpha, from, 1, to, resample)};
  for (size_t i = 0; i < result.rgb.size(); ++i) {
    const float alpha = result.alpha[i / 3];
    if (alpha > 0) result.rgb[i] = (weighted[i] + kLittleAlpha * result.rgb[i]) / (alpha + kLittleAlpha);
  }
  clamp(result.rgb);
  clamp(result.alpha);
  return result;
}

/// A whole number of pixels, or 0 for anything else.
int parse_side(const std::string& text) {
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos) return 0;
  const int side = std::stoi(text);
  return side <= kLargestSide ? side : 0;
}

}  // namespace

SizeRule parse_size(const std::string& text) {
  SizeRule rule;
  if (text == "orig") {
    rule.original = true;
    return rule;
  }
  const size_t cross = text.find('x');
  if (cross == std::string::npos) {
    rule.longest = parse_side(text);
    if (rule.longest > 0) return rule;
  } else {
    rule.w = parse_side(text.substr(0, cross));
    rule.h = parse_side(text.substr(cross + 1));
    if (rule.w > 0 && rule.h > 0) return rule;
  }
  throw Error(Status::kUsage, "--size '" + printable(text) +
                                  "' is not a size; give the longest side in pixels (1 to " +
                                  std::to_string(kLargestSide) + "), WIDTHxHEIGHT, or orig");
}

std::string size_text(const SizeRule& rule) {
  if (rule.original) return "orig";
  return rule.w > 0 ? std::to_string(rule.w) + "x" + std::to_string(rule.h) : std::to_string(rule.longest);
}

Size target_size(const SizeRule& rule, int h, int w) {
  if (rule.original) return {h, w};
  if (rule.w > 0) return {rule.h, rule.w};
  const double scale = static_cast<double>(rule.longest) / std::max(h, w);
  const auto side = [&](int length) { return std::max(1, static_cast<int>(std::lround(length * scale))); };
  return {side(h), side(w)};
}

ResizeAxis resize_axis(int in, int out, Resample resample) {
  const double ratio = static_cast<double>(in) / out;
  const bool lanczos = ratio > 1 && resample == Resample::kLanczos;
  const double stretch = std::max(1.0, ratio), radius = (lanczos ? 3 : 2) * stretch;
  ResizeAxis axis;
  axis.taps = std::min(in, static_cast<int>(std::floor(2 * radius)) + 1);
  axis.weights.assign(static_cast<size_t>(out) * axis.taps, 0.0);
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * ratio - 0.5;
    const int first = std::max(0, static_cast<int>(std::ceil(centre - radius)));
    const int last = std::min(in - 1, static_cast<int>(std::floor(centre + radius)));
    axis.first.push_back(first);
    axis.count.push_back(last - first + 1);
    double* weights = axis.weights.data() + static_cast<size_t>(i) * axis.taps;
    double sum = 0;
    for (int j = first; j <= last; ++j) {
      const double x = (j - centre) / stretch;
      weights[j - first] = lanczos ? lanczos3(x) : catmull_rom(x);
      sum += weights[j - first];
    }
    for (int k = 0; k < axis.taps; ++k) weights[k] /= sum;
  }
  return axis;
}

Image resize(const Image& image, int h, int w, Resample resample) {
  if (h == image.h && w == image.w) return with_invisible_filled(image);
  if (!image.alpha.empty()) return resize_with_alpha(image, {h, w}, resample);
  Image result{h, w, resize_map(image.rgb, {image.h, image.w}, 3, {h, w}, resample), {}};
  clamp(result.rgb);
  return result;
}

}  // namespace swag
