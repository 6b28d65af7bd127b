// Any argument, any order of calls: a status each, and no harm.
#include <climits>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <thread>

#include "tests/address_space_limit.h"
#include "tests/api/api_case.h"

using namespace swag::test;

namespace {

using Context = std::unique_ptr<swag_context, decltype(&swag_end)>;

template <typename Enum>
void set_raw(Enum& value, int number) {
  std::memcpy(&value, &number, sizeof number);  // as a C program may: no value of the enum
}

swag_status begin(const swag_options& options, const Images& images, swag_context** context) {
  return swag_begin(small_model(), &options, &images.content.view, &images.style.view, 1, nullptr, context);
}

Context begun(const swag_options& options, const Images& images = {}) {
  swag_context* context = nullptr;
  REQUIRE(begin(options, images, &context) == SWAG_OK);
  return Context(context, swag_end);
}

bool is_one_line() {
  const std::string error = swag_last_error();
  return !error.empty() && error.size() <= 1000 && error.find('\n') == std::string::npos;
}

}  // namespace

TEST_CASE("NULL for any pointer is wrong use, or nothing") {
  const Images images;
  const swag_image *content = &images.content.view, *style = &images.style.view;
  Picture output(32, 26);
  swag_options options = small_options();
  swag_model* model = nullptr;
  swag_context* context = nullptr;
  int n = 0;
  const std::vector<std::function<swag_status()>> calls = {
      [&] { return swag_options_init(nullptr, "default"); },
      [&] { return swag_options_init(&options, nullptr); },
      [&] { return swag_model_load(nullptr, SWAG_POOLING_MAX, "f", &model); },
      [&] { return swag_model_load("vgg11", SWAG_POOLING_MAX, nullptr, &model); },
      [&] { return swag_model_load("vgg11", SWAG_POOLING_MAX, "f", nullptr); },
      [&] { return swag_model_load_memory("vgg11", SWAG_POOLING_MAX, nullptr, 9, &model); },
      [&] { return swag_model_random(nullptr, SWAG_POOLING_MAX, 1, &model); },
      [&] { return swag_model_splitmix("vgg11", SWAG_POOLING_MAX, 1, nullptr); },
      [&] { return swag_model_fit("vgg11", SWAG_POOLING_MAX, 1, nullptr, content, style, 1, &model); },
      [&] { return swag_model_fit("vgg11", SWAG_POOLING_MAX, 1, &options, nullptr, style, 1, &model); },
      [&] { return swag_model_fit("vgg11", SWAG_POOLING_MAX, 1, &options, content, nullptr, 1, &model); },
      [&] { return swag_model_save(nullptr, "f"); },
      [&] { return swag_model_save(small_model(), nullptr); },
      [&] { return swag_output_size(nullptr, 9, 9, &n, &n); },
      [&] { return swag_output_size(&options, 9, 9, nullptr, &n); },
      [&] { return swag_output_size(&options, 9, 9, &n, nullptr); },
      [&] { return swag_begin(nullptr, &options, content, style, 1, nullptr, &context); },
      [&] { return swag_begin(small_model(), nullptr, content, style, 1, nullptr, &context); },
      [&] { return swag_begin(small_model(), &options, nullptr, style, 1, nullptr, &context); },
      [&] { return swag_begin(small_model(), &options, content, nullptr, 1, nullptr, &context); },
      [&] { return swag_begin(small_model(), &options, content, style, 0, nullptr, &context); },
      [&] { return swag_begin(small_model(), &options, content, style, INT_MIN, nullptr, &context); },
      [&] { return swag_begin(small_model(), &options, content, style, 1, nullptr, nullptr); },
      [&] { return swag_step(nullptr, nullptr); },
      [&] { return swag_get_image(nullptr, &output.view); },
      [&] { return swag_get_image(begun(options).get(), nullptr); },
      [&] { return swag_stylise(nullptr, &options, content, style, 1, nullptr, &output.view); },
      [&] { return swag_stylise(small_model(), &options, content, style, 1, nullptr, nullptr); },
  };
  for (size_t i = 0; i < calls.size(); ++i) {
    CAPTURE(i);
    CHECK(calls[i]() == SWAG_USAGE);
    CHECK(is_one_line());
    CHECK((model == nullptr && context == nullptr));
  }
  swag_end(nullptr);
  swag_model_free(nullptr);
  CHECK(std::string(swag_model_network(nullptr)).empty());
  CHECK(std::string(swag_model_source(nullptr)).empty());
}

TEST_CASE("a struct_size that no version had is wrong use, of options and of progress") {
  swag_options options = small_options();
  Context context = begun(options);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{9}, size_t{20},
                            offsetof(swag_options, style_layers) + 3, sizeof(swag_options) - 1,
                            sizeof(swag_options) + 1, size_t{1} << 20, SIZE_MAX, SIZE_MAX - 7}) {
    CAPTURE(size);
    swag_options other = options;
    other.struct_size = size;
    int n = 0;
    CHECK(swag_output_size(&other, 9, 9, &n, &n) == SWAG_USAGE);
    CHECK(error_mentions("struct_size"));
    CHECK(swag_options_init_sized(&other, size, "default") == SWAG_USAGE);
    CHECK(other.struct_size == size);  // untouched
    swag_progress progress = {};
    progress.struct_size = size;
    CHECK(swag_step(context.get(), &progress) == SWAG_USAGE);
    CHECK(progress.evaluations == 0);
  }
  for (size_t size = 16; size < sizeof(swag_options); size += 8) {  // an older version's
    swag_options older = options;
    older.struct_size = size;
    std::memset(reinterpret_cast<char*>(&older) + size, 0xff, sizeof older - size);
    int n = 0;
    CHECK(swag_output_size(&older, 9, 9, &n, &n) == SWAG_OK);
  }
}

TEST_CASE("sizes and strides beyond reason are refused without a look at the pixels") {
  struct Case {
    int width, height;
    ptrdiff_t stride;
    swag_status status;
  };
  const std::vector<Case> cases = {
      {INT_MAX, INT_MAX, 0, SWAG_IMAGE},
      {INT_MAX, 1, 0, SWAG_IMAGE},
      {1, INT_MAX, 0, SWAG_IMAGE},
      {INT_MIN, 9, 0, SWAG_IMAGE},
      {0, 9, 0, SWAG_IMAGE},
      {9, -1, 0, SWAG_IMAGE},
      {1 << 24, 1 << 24, 0, SWAG_MEMORY},
      {9, 9, PTRDIFF_MIN, SWAG_IMAGE},
      {9, 9, PTRDIFF_MAX, SWAG_IMAGE},
      {9, 9, 26, SWAG_IMAGE},
      {9, 9, -26, SWAG_IMAGE},
      {9, 2, PTRDIFF_MIN + 1, SWAG_IMAGE},
  };
  const Images images;
  unsigned char pixel[3] = {};
  for (const Case& given : cases) {
    for (const int format : {SWAG_RGB8, SWAG_RGBA_F32}) {
      CAPTURE(given.width);
      CAPTURE(given.height);
      CAPTURE(given.stride);
      swag_image view = {pixel, given.width, given.height, given.stride,
                         static_cast<swag_pixel_format>(format)};
      if (given.stride == 26 || given.stride == -26) view.format = SWAG_RGB8;
      swag_options options = small_options();
      swag_context* context = nullptr;
      CHECK(swag_begin(small_model(), &options, &view, &images.style.view, 1, nullptr, &context) ==
            given.status);
      CHECK(swag_begin(small_model(), &options, &images.content.view, &view, 1, nullptr, &context) ==
            given.status);
      CHECK(is_one_line());
      CHECK(swag_get_image(begun(options, images).get(), &view) != SWAG_OK);
    }
  }
  int n = 0;
  swag_options options = small_options();
  for (const char* size : {"orig", "32768", "as-is"}) {
    options.size = size;
    CHECK(swag_output_size(&options, INT_MAX, INT_MAX, &n, &n) == SWAG_IMAGE);
    CHECK(swag_output_size(&options, 1, 1 << 24, &n, &n) == SWAG_OK);
  }
}

TEST_CASE("rows may run upwards and overlap nothing") {
  Images images;
  Picture output(32, 26);
  REQUIRE(stylise(small_options(), images, output) == SWAG_OK);
  // The same pixels from the last row of a flipped copy, upwards.
  Images flipped;
  swag_image& view = flipped.content.view;
  for (int y = 0; y < view.height; ++y) {
    std::memcpy(flipped.content.bytes.data() + y * view.stride,
                images.content.bytes.data() + (view.height - 1 - y) * view.stride,
                static_cast<size_t>(view.stride));
  }
  view.data = flipped.content.bytes.data() + (view.height - 1) * view.stride;
  view.stride = -view.stride;
  Picture again(32, 26);
  CHECK(stylise(small_options(), flipped, again) == SWAG_OK);
  CHECK(output.bytes == again.bytes);
}

/// As C calls it, for which an enum is a number; in C++ the call is undefined, and sanitizers say so.
__attribute__((no_sanitize("undefined"))) swag_status model_random(int pooling, swag_model** model) {
  return reinterpret_cast<swag_status (*)(const char*, int, uint64_t, swag_model**)>(swag_model_random)(
      "vgg11", pooling, 1, model);
}

TEST_CASE("numbers that no enum has are wrong use, wherever they stand") {
  const Images images;
  for (const int number : {-1, 2, 3, 4, 5, 99, INT_MAX, INT_MIN}) {
    CAPTURE(number);
    swag_model* model = nullptr;
    CHECK(model_random(number, &model) == SWAG_USAGE);
    CHECK(std::string(swag_status_text(static_cast<swag_status>(SWAG_OK))) == "done");
    const std::vector<std::function<void(swag_options&)>> settings = {
        [&](swag_options& o) { set_raw(o.loss, number); },
        [&](swag_options& o) { set_raw(o.smoothing, number); },
        [&](swag_options& o) { set_raw(o.init, number); },
        [&](swag_options& o) { set_raw(o.optimizer, number); },
        [&](swag_options& o) { set_raw(o.precision, number); },
        [&](swag_options& o) { set_raw(o.conv, number); },
    };
    for (size_t i = 0; i < settings.size(); ++i) {
      CAPTURE(i);
      if (number >= 2 && number <= 4) continue;  // some have these
      swag_options options = small_options();
      settings[i](options);
      swag_context* context = nullptr;
      CHECK(begin(options, images, &context) == SWAG_USAGE);
    }
    swag_image view = images.content.view;
    if (number > 3 || number < 0) {
      set_raw(view.format, number);
      const swag_options options = small_options();
      swag_context* context = nullptr;
      CHECK(swag_begin(small_model(), &options, &view, &view, 1, nullptr, &context) == SWAG_USAGE);
    }
  }
}

TEST_CASE("numbers that are none, or out of their range, are wrong use") {
  const Images images;
  for (const double number : {std::nan(""), -std::numeric_limits<double>::infinity(), -1.0, 1e308 * 10}) {
    for (double swag_options::*member :
         {&swag_options::style_scale, &swag_options::content_weight, &swag_options::style_weight,
          &swag_options::tv_weight, &swag_options::temperature, &swag_options::learning_rate,
          &swag_options::scale_factor, &swag_options::average}) {
      swag_options options = small_options();
      options.*member = number;
      options.smoothing = SWAG_SMOOTHING_SOFTMAX;
      swag_context* context = nullptr;
      CHECK(begin(options, images, &context) == SWAG_USAGE);
    }
  }
  for (const int number : {INT_MIN, -1, INT_MAX}) {
    for (int swag_options::*member :
         {&swag_options::iterations, &swag_options::history, &swag_options::scales, &swag_options::threads,
          &swag_options::initial_iterations, &swag_options::min_scale}) {
      swag_options options = small_options();
      options.*member = number;
      swag_context* context = nullptr;
      CHECK(begin(options, images, &context) == SWAG_USAGE);
    }
  }
}

TEST_CASE("strings of any length and of any bytes are told of in one short line") {
  const Images images;
  const std::string longs(1 << 20, 'x'), bytes = "\xff\xfe\n\x1b[31m\x80", commas(1 << 16, ',');
  for (const std::string& text : {longs, bytes, commas, std::string("relu1_1,") + longs}) {
    for (const char* swag_options::*member :
         {&swag_options::size, &swag_options::style_layers, &swag_options::style_layer_weights,
          &swag_options::content_layers, &swag_options::content_layer_weights, &swag_options::style_blend,
          &swag_options::smoothing_layers, &swag_options::device}) {
      swag_options options = small_options();
      options.*member = text.c_str();
      swag_context* context = nullptr;
      CHECK(begin(options, images, &context) == SWAG_USAGE);
      CHECK(is_one_line());
    }
    swag_model* model = nullptr;
    CHECK(swag_model_random(text.c_str(), SWAG_POOLING_MAX, 1, &model) == SWAG_USAGE);
    CHECK(is_one_line());
    CHECK(swag_model_load("vgg11", SWAG_POOLING_MAX, text.c_str(), &model) == SWAG_WEIGHTS);
    CHECK(is_one_line());
    CHECK(swag_model_save(small_model(), ("no/" + text).c_str()) == SWAG_OUTPUT);
  }
}

TEST_CASE("after SWAG_MEMORY the best image remains, and a further step tries again") {
  swag_options options = small_options();
  options.size = "512";
  options.style_layers = options.content_layers = "relu1_1";
  options.scales = 2;
  options.iterations = 1;
  Context context = begun(options);
  Picture before(512, 410), after(512, 410), output(512, 410);
  {
    const AddressSpaceLimit limit(12 << 20);
    CHECK(swag_step(context.get(), nullptr) ==
          SWAG_MEMORY);  // the step is taken, the next scale is not there
    CHECK(is_one_line());
    CHECK(swag_step(context.get(), nullptr) == SWAG_MEMORY);
  }
  CHECK(swag_get_image(context.get(), &before.view) == SWAG_OK);
  CHECK(swag_get_image(context.get(), &after.view) == SWAG_OK);
  CHECK(before.bytes == after.bytes);
  swag_progress progress = {};
  progress.struct_size = sizeof progress;
  CHECK(swag_step(context.get(), &progress) == SWAG_OK);
  CHECK(progress.done == 1);
  CHECK(progress.scale == 1);
  CHECK(swag_get_image(context.get(), &output.view) == SWAG_OK);
  CHECK(output.bytes != before.bytes);
}

TEST_CASE("after SWAG_DIVERGED every step says so again, and the image can be read") {
  swag_options options = diverging_options();
  options.iterations = 50;
  Context context = begun(options);
  Picture output(32, 26);
  swag_status status = SWAG_OK;
  for (int i = 0; i < 50 && status == SWAG_OK; ++i) status = swag_step(context.get(), nullptr);
  for (int i = 0; i < 6; ++i) {
    CHECK(swag_step(context.get(), nullptr) == SWAG_DIVERGED);
    CHECK(swag_get_image(context.get(), &output.view) == SWAG_OK);
  }
}

TEST_CASE("callbacks may look at the picture, may not step, and may end the run") {
  struct Seen {
    swag_context* context = nullptr;
    swag_status step = SWAG_OK, image = SWAG_INTERNAL;
    Picture output{32, 26};
  } seen;
  swag_options options = small_options();
  options.progress_user = &seen;
  options.progress = [](const swag_progress*, void* user) {
    auto* s = static_cast<Seen*>(user);
    if (!s->context) return 0;
    s->step = swag_step(s->context, nullptr);
    s->image = swag_get_image(s->context, &s->output.view);
    swag_end(s->context);
    s->context = nullptr;
    return 1;
  };
  seen.context = begun(options).release();
  CHECK(swag_step(seen.context, nullptr) == SWAG_INTERRUPTED);  // and the context is gone
  CHECK(seen.step == SWAG_USAGE);
  CHECK(seen.image == SWAG_OK);
}

TEST_CASE("contexts in several threads share a model and do not disturb each other") {
  Picture alone(32, 26);
  REQUIRE(stylise(small_options(), Images(), alone) == SWAG_OK);
  std::vector<std::unique_ptr<Picture>> outputs;
  std::vector<swag_status> statuses(4, SWAG_INTERNAL);
  for (size_t i = 0; i < statuses.size(); ++i) outputs.push_back(std::make_unique<Picture>(32, 26));
  const swag_options options = small_options();
  const swag_model* const model = small_model();
  const Images images;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < statuses.size(); ++i) {
    threads.emplace_back([&, i] {
      swag_options own = options;
      if (i == 3) own.size = "nonsense";
      statuses[i] =
          swag_stylise(model, &own, &images.content.view, &images.style.view, 1, nullptr, &outputs[i]->view);
      if (i == 3 && std::string(swag_last_error()).find("nonsense") == std::string::npos)
        statuses[i] = SWAG_OK;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < 3; ++i) {
    CHECK(statuses[i] == SWAG_OK);
    CHECK(outputs[i]->bytes == alone.bytes);
  }
  CHECK(statuses[3] == SWAG_USAGE);
}
