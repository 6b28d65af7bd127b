#include "tests/fuzz/api_case.h"

#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>

namespace swag::fuzz {
namespace {

constexpr int kMostPixels = 16;
constexpr const char* kSizes[] = {"16", "8",     "24x16", "orig",  "as-is", "1",  "0",
                                  "-1", "99999", "",      nullptr, "16x",   "2x1"};
constexpr const char* kLayers[] = {"relu1_1", "relu1_1,relu2_1", "relu2_1",         "relu2_1,relu1_1",
                                   ",",       "relu9_9",         "relu1_1,relu1_1", "",
                                   nullptr};
constexpr const char* kWeights[] = {"1", "1,2", "0", "-1", "nan", "1e400", "1,", "", nullptr};
constexpr const char* kDevices[] = {"cpu", "auto", "cuda", "cuda:1", "cuda:x", "emulator", "", nullptr};
constexpr double kNumbers[] = {0,    1,  10,       -1,        0.5, 1e-300, 1e300, 1e17,
                               0.99, 16, HUGE_VAL, -HUGE_VAL, NAN, 1000,   1e-6};
constexpr int kIntegers[] = {0, 1, 2, 3, 10, 11, -1, 1000, 1001, 1000000, INT_MAX, INT_MIN};

int channels_of(int format) { return format == SWAG_RGB8 || format == SWAG_RGB_F32 ? 3 : 4; }
int bytes_of(int format) { return channels_of(format) * (format >= SWAG_RGB_F32 ? 4 : 1); }

/// Another format that exists would need another block of memory.
int no_format(int number) { return number >= SWAG_RGB8 && number <= SWAG_RGBA_F32 ? -1 - number : number; }

template <typename Enum>
void set_number(Enum& field, int number) {
  static_assert(sizeof field == sizeof number);
  std::memcpy(&field, &number, sizeof number);  // any number: what a C caller may have put there
}

int progress(const swag_progress* now, void* user) {
  auto& patience = *static_cast<int*>(user);
  require(now->struct_size == sizeof *now, "progress says its size");
  return --patience <= 0;
}

void log(swag_log_level, const char* message, void*) { require_message(message); }

}  // namespace

ApiPicture draw_output(Input& input, int width, int height) {
  ApiPicture picture;
  const int format = static_cast<int>(input.number(0, 3));
  const ptrdiff_t row = ptrdiff_t{width} * bytes_of(format), padding = input.flag() ? input.number(1, 9) : 0;
  const bool upwards = input.flag();
  picture.bytes.assign(static_cast<size_t>((height - 1) * (row + padding) + row), 0xa5);
  picture.view = {picture.bytes.data(), width, height, row + padding, static_cast<swag_pixel_format>(format)};
  if (padding == 0 && !upwards) picture.view.stride = 0;
  if (upwards) {
    picture.view.data = picture.bytes.data() + (height - 1) * (row + padding);
    picture.view.stride = -(row + padding);
  }
  return picture;
}

ApiPicture draw_picture(Input& input) {
  ApiPicture picture = draw_output(input, static_cast<int>(input.number(1, kMostPixels)),
                                   static_cast<int>(input.number(1, kMostPixels)));
  swag_image& view = picture.view;
  const bool floats = view.format == SWAG_RGB_F32 || view.format == SWAG_RGBA_F32,
             raw = input.number(0, 7) == 0;
  if (!floats || raw) {
    for (unsigned char& each : picture.bytes) each = input.byte();
  } else {
    const float grey = static_cast<float>(input.byte()) / 255;
    for (size_t at = 0; at + 4 <= picture.bytes.size(); at += 4) std::memcpy(&picture.bytes[at], &grey, 4);
  }
  switch (input.number(0, 47)) {
    case 1: view.data = nullptr; break;
    case 2: view.width = 0; break;
    case 3: view.height = INT_MIN; break;
    case 4: set_number(view.format, no_format(input.any<int>())); break;
    case 5: view.stride = 1; break;
    case 6: view.width = view.height = INT_MAX, view.stride = 0; break;
    default:
      if (view.height == 1 && input.flag()) view.stride = PTRDIFF_MIN;  // one row: the stride is not used
  }
  return picture;
}

const char* ApiOptions::keep(const std::string& text) {
  texts_.push_back(std::make_unique<std::string>(text));
  return texts_.back()->c_str();
}

void ApiOptions::change_text(Input& input, int field) {
  switch (field) {
    case 0: options_.size = input.one_of(kSizes); return;
    case 1: options_.device = input.flag() ? input.one_of(kDevices) : keep(input.text()); return;
    default: break;
  }
  const char** const layers[] = {&options_.style_layers, &options_.content_layers,
                                 &options_.smoothing_layers};
  const char** const weights[] = {&options_.style_layer_weights, &options_.content_layer_weights,
                                  &options_.style_blend};
  const bool own = input.number(0, 3) == 0;
  if (field < 5) {
    *layers[field - 2] = own ? keep(input.text()) : input.one_of(kLayers);
  } else {
    *weights[field - 5] = own ? keep(input.text()) : input.one_of(kWeights);
  }
}

void ApiOptions::change_number(Input& input, int field) {
  double* const numbers[] = {&options_.style_scale,   &options_.content_weight, &options_.style_weight,
                             &options_.tv_weight,     &options_.temperature,    &options_.entropy,
                             &options_.learning_rate, &options_.scale_factor,   &options_.average};
  const int count = static_cast<int>(std::size(numbers));
  int* const integers[] = {&options_.iterations,         &options_.history,   &options_.scales,
                           &options_.initial_iterations, &options_.min_scale, &options_.clamp};
  const int whole = static_cast<int>(std::size(integers));
  if (field < count) {
    *numbers[field] = input.number(0, 3) == 0 ? input.any<double>() : input.one_of(kNumbers);
  } else if (field < count + whole) {
    *integers[field - count] = input.one_of(kIntegers);
  } else {
    constexpr int kThreads[] = {1, 1, 2, 0, -1, 1025};  // 1024 of them are allowed, and slow to make
    options_.threads = input.one_of(kThreads);
  }
  if (field == count + whole || input.flag()) options_.seed = input.any<uint64_t>();
}

void ApiOptions::change_choice(Input& input, int field) {
  const int number = input.number(0, 7) == 0 ? input.any<int>() : static_cast<int>(input.number(0, 3));
  switch (field) {
    case 0: set_number(options_.loss, number); break;
    case 1: set_number(options_.smoothing, number); break;
    case 2: set_number(options_.init, number); break;
    case 3: set_number(options_.optimizer, number); break;
    case 4: set_number(options_.precision, number); break;
    case 5: set_number(options_.fit, number); break;
    case 6: set_number(options_.style_loss, number); break;
    case 7: set_number(options_.tv_stencil, number); break;
    case 8: set_number(options_.padding, number); break;
    case 9: set_number(options_.resample, number); break;
    default: set_number(options_.conv, number);
  }
}

void ApiOptions::change_field(Input& input) {
  const int kind = static_cast<int>(input.number(0, 2));
  if (kind == 0) change_text(input, static_cast<int>(input.number(0, 7)));
  if (kind == 1) change_number(input, static_cast<int>(input.number(0, 15)));
  if (kind == 2) change_choice(input, static_cast<int>(input.number(0, 10)));
}

ApiOptions::ApiOptions(Input& input) {
  constexpr const char* kPresets[] = {"default", "trained", "random", "authors", "gatys", "crowson"};
  require(swag_options_init(&options_, input.one_of(kPresets)) == SWAG_OK, "a preset is there");
  options_.size = "16";
  options_.style_layers = options_.content_layers = "relu1_1";
  options_.style_layer_weights = options_.content_layer_weights = options_.smoothing_layers = nullptr;
  options_.iterations = 2;
  options_.initial_iterations = 0;
  options_.threads = options_.scales = 1;
  patience = static_cast<int>(input.number(1, 12));
  options_.progress = progress;
  options_.progress_user = &patience;
  options_.log = input.flag() ? log : nullptr;
  for (int64_t changes = input.number(0, 5); changes > 0; --changes) change_field(input);

  // A caller of another version has another size; fields beyond it are the library's to fill in.
  size_t size = sizeof options_;
  if (input.number(0, 7) == 1) size = static_cast<size_t>(input.number(0, sizeof options_ + 40));
  block_ = std::make_unique<unsigned char[]>(std::max(size, sizeof options_.struct_size));
  std::memcpy(block_.get(), &options_, std::min(size, sizeof options_));
  std::memcpy(block_.get(), &size, sizeof size);
  // Without its callback a run could be as long as a run may be.
  const bool stoppable = size >= offsetof(swag_options, log);
  if (!stoppable && size > offsetof(swag_options, history)) {
    const int few = 1;
    std::memcpy(block_.get() + offsetof(swag_options, iterations), &few, sizeof few);
  }
}

}  // namespace swag::fuzz
