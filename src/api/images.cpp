#include "src/api/images.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "src/api/options.h"
#include "src/support/error.h"
#include "src/support/host_memory.h"

namespace swag {
namespace {

constexpr int kLargestSide = 1 << 24;  // pixels: beyond reason, and what follows from it stays within an int

struct Format {
  int channels = 3;
  bool floats = false;
  ptrdiff_t pixel_bytes() const { return channels * static_cast<ptrdiff_t>(floats ? sizeof(float) : 1); }
};

Format format_of(const swag_image& view, const std::string& what) {
  switch (enum_number(view.format)) {
    case SWAG_RGB8: return {3, false};
    case SWAG_RGBA8: return {4, false};
    case SWAG_RGB_F32: return {3, true};
    case SWAG_RGBA_F32: return {4, true};
  }
  throw Error(Status::kUsage, what + ": its format, " + std::to_string(enum_number(view.format)) +
                                  ", is not one that swag.h has");
}

std::string size_text(int h, int w) { return std::to_string(w) + "x" + std::to_string(h); }

}  // namespace

void check_image_size(int h, int w, const std::string& what) {
  if (h < 1 || w < 1) throw Error(Status::kImage, what + ": its size is " + size_text(h, w) + " pixels");
  if (h > kLargestSide || w > kLargestSide) {
    throw Error(Status::kImage, what + ": its size of " + size_text(h, w) +
                                    " pixels is beyond reason; no side may have more than " +
                                    std::to_string(kLargestSide));
  }
}

namespace {

/// Checks what does not depend on the pixels.
Format check_view(const swag_image* view, const std::string& what) {
  if (!view || !view->data) throw Error(Status::kUsage, what + ": there are no pixels, the pointer is NULL");
  const Format format = format_of(*view, what);
  check_image_size(view->height, view->width, what);
  const ptrdiff_t row = view->width * format.pixel_bytes(), stride = view->stride;
  if (stride != 0 && stride < row && stride > -row) {
    throw Error(Status::kImage, what + ": its stride of " + std::to_string(stride) +
                                    " bytes is less than a row of " + std::to_string(row));
  }
  const ptrdiff_t largest = std::numeric_limits<ptrdiff_t>::max() / view->height;
  if (stride > largest || stride < -largest) {
    throw Error(Status::kImage, what + ": with a stride of " + std::to_string(stride) +
                                    " bytes its rows do not fit into any memory");
  }
  return format;
}

unsigned char* row_of(const swag_image* view, const Format& format, int y) {
  const ptrdiff_t stride = view->stride != 0 ? view->stride : view->width * format.pixel_bytes();
  return static_cast<unsigned char*>(view->data) + y * stride;
}

/// Values of a pixel's channel; memcpy because a stride may leave floats unaligned.
float load(const unsigned char* pixel, const Format& format, int channel) {
  if (!format.floats) return static_cast<float>(pixel[channel]) / 255.0f;
  float value;
  std::memcpy(&value, pixel + channel * sizeof value, sizeof value);
  return value;
}

void store(unsigned char* pixel, const Format& format, int channel, float value) {
  if (format.floats) {
    std::memcpy(pixel + channel * sizeof value, &value, sizeof value);
  } else {
    pixel[channel] = static_cast<unsigned char>(std::lround(255.0f * std::clamp(value, 0.0f, 1.0f)));
  }
}

}  // namespace

Image image_of(const swag_image* view, const std::string& what) {
  const Format format = check_view(view, what);
  if (view->width == 1 && view->height == 1) {
    throw Error(Status::kImage, what + ": a picture of 1x1 pixel has nothing to show");
  }
  Image image;
  image.h = view->height;
  image.w = view->width;
  const size_t pixels = static_cast<size_t>(image.h) * static_cast<size_t>(image.w);
  require_host_memory(static_cast<int64_t>(pixels) * format.channels * int64_t{sizeof(float)}, what,
                      "use a smaller image");
  image.rgb.reserve(3 * pixels);
  if (format.channels == 4) image.alpha.reserve(pixels);
  for (int y = 0; y < image.h; ++y) {
    const unsigned char* pixel = row_of(view, format, y);
    for (int x = 0; x < image.w; ++x, pixel += format.pixel_bytes()) {
      for (int channel = 0; channel < format.channels; ++channel) {
        const float value = load(pixel, format, channel);
        if (std::isnan(value)) {
          throw Error(Status::kImage, what + ": the pixel in column " + std::to_string(x) + ", row " +
                                          std::to_string(y) + " is not a number");
        }
        (channel < 3 ? image.rgb : image.alpha).push_back(std::clamp(value, 0.0f, 1.0f));
      }
    }
  }
  return image;
}

void check_output(const swag_image* view, int h, int w) {
  check_view(view, "output image");
  if (view->height != h || view->width != w) {
    throw Error(Status::kUsage, "output image: it has " + size_text(view->height, view->width) +
                                    " pixels where the result has " + size_text(h, w) +
                                    "; ask swag_output_size");
  }
}

void write_image(const Image& image, const swag_image* view) {
  check_output(view, image.h, image.w);
  const Format format = format_of(*view, "output image");
  for (int y = 0; y < image.h; ++y) {
    unsigned char* pixel = row_of(view, format, y);
    for (int x = 0; x < image.w; ++x, pixel += format.pixel_bytes()) {
      const size_t index = static_cast<size_t>(y) * static_cast<size_t>(image.w) + static_cast<size_t>(x);
      for (int channel = 0; channel < 3; ++channel) {
        store(pixel, format, channel, image.rgb[3 * index + channel]);
      }
      if (format.channels == 4) store(pixel, format, 3, image.alpha.empty() ? 1.0f : image.alpha[index]);
    }
  }
}

}  // namespace swag
