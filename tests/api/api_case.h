// What the tests of the C API share: a small model, a small run, pictures in every format.
#pragma once
#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "include/swag.h"
#include "tests/helpers.h"

namespace swag::test {

using Model = std::unique_ptr<swag_model, decltype(&swag_model_free)>;

/// A small run: two shallow layers of VGG11 at 32 pixels.
inline swag_options small_options() {
  swag_options options;
  REQUIRE(swag_options_init(&options, "default") == SWAG_OK);
  options.size = "32";
  options.style_layers = "relu1_1,relu2_1";
  options.content_layers = "relu2_1";
  options.iterations = 3;
  options.scales = 1;
  options.threads = 1;
  return options;
}

/// Options with which a run's first steps leave for infinity.
inline swag_options diverging_options() {
  swag_options options = small_options();
  options.loss = SWAG_LOSS_PAPER;
  options.style_weight = options.content_weight = 1e30;
  options.style_layers = "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1";
  options.init = SWAG_INIT_RANDOM;
  options.optimizer = SWAG_LBFGS_PLAIN;
  options.learning_rate = 1e6;
  return options;
}

inline const swag_model* small_model() {
  static const Model model = [] {
    swag_model* made = nullptr;
    REQUIRE(swag_model_splitmix("vgg11", SWAG_POOLING_MAX, 7, &made) == SWAG_OK);
    return Model(made, swag_model_free);
  }();
  return model.get();
}

/// Pixels of a format with `padding` bytes behind every row.
struct Picture {
  Picture(int width, int height, swag_pixel_format format = SWAG_RGB8, int padding = 0, uint64_t seed = 1) {
    const int channels = format == SWAG_RGB8 || format == SWAG_RGB_F32 ? 3 : 4;
    const bool floats = format == SWAG_RGB_F32 || format == SWAG_RGBA_F32;
    row = static_cast<ptrdiff_t>(width) * channels * (floats ? 4 : 1);
    view = {nullptr, width, height, row + padding, format};
    bytes.assign(static_cast<size_t>(height) * static_cast<size_t>(view.stride), 0xa5);
    Random random(seed);
    for (int y = 0; y < height; ++y) {
      for (int i = 0; i < width * channels; ++i) {
        unsigned char* at = bytes.data() + y * view.stride;
        const int value = static_cast<int>(random.bits() % 256);
        const float real = static_cast<float>(value) / 255.0f;
        floats ? std::memcpy(at + 4 * i, &real, 4) : std::memset(at + i, value, 1);
      }
    }
    view.data = bytes.data();
  }
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;

  std::vector<unsigned char> bytes;
  ptrdiff_t row = 0;
  swag_image view;
};

struct Images {
  Picture content{40, 32, SWAG_RGB8, 0, 1}, style{36, 36, SWAG_RGB8, 0, 2};
};

inline swag_status stylise(const swag_options& options, const Images& images, Picture& output) {
  return swag_stylise(small_model(), &options, &images.content.view, &images.style.view, 1, nullptr,
                      &output.view);
}

inline bool error_mentions(const std::string& word) {
  INFO(swag_last_error());
  return std::string(swag_last_error()).find(word) != std::string::npos;
}

}  // namespace swag::test
