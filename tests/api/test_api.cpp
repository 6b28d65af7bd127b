// The C API's manners: statuses, messages, options, images.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <thread>

#include "tests/api/api_case.h"

using namespace swag::test;

// ---------------------------------------------------------------- before there is a context

TEST_CASE("the library and the header agree on version and ABI") {
  CHECK(std::string(swag_version()) == std::to_string(SWAG_VERSION_MAJOR) + "." +
                                           std::to_string(SWAG_VERSION_MINOR) + "." +
                                           std::to_string(SWAG_VERSION_PATCH));
  CHECK(swag_abi_version() == SWAG_ABI_VERSION);
}

TEST_CASE("every status has a text of its own") {
  std::vector<std::string> texts;
  for (swag_status status : {SWAG_OK, SWAG_INTERNAL, SWAG_USAGE, SWAG_IMAGE, SWAG_WEIGHTS, SWAG_DEVICE,
                             SWAG_MEMORY, SWAG_DIVERGED, SWAG_OUTPUT, SWAG_INTERRUPTED}) {
    texts.push_back(swag_status_text(status));
    CHECK(std::count(texts.begin(), texts.end(), texts.back()) == 1);
  }
  CHECK(std::string(swag_status_text(static_cast<swag_status>(99))) == "unknown status");
}

TEST_CASE("errors have a text before any context exists, per thread") {
  swag_model* model = nullptr;
  CHECK(swag_model_random("vgg99", SWAG_POOLING_MAX, 0, &model) == SWAG_USAGE);
  CHECK(error_mentions("vgg99"));
  CHECK(model == nullptr);
  std::thread([] { CHECK(std::string(swag_last_error()).empty()); }).join();
}

TEST_CASE("null pointers are refused by name, not followed") {
  const swag_options options = small_options();
  const Images images;
  Picture output(32, 26);
  swag_context* context = nullptr;
  swag_model* model = nullptr;
  const swag_image *content = &images.content.view, *style = &images.style.view;
  CHECK(swag_options_init(nullptr, "default") == SWAG_USAGE);
  CHECK(swag_model_random(nullptr, SWAG_POOLING_MAX, 0, &model) == SWAG_USAGE);
  CHECK(swag_model_random("vgg11", SWAG_POOLING_MAX, 0, nullptr) == SWAG_USAGE);
  CHECK(swag_model_load("vgg11", SWAG_POOLING_MAX, nullptr, &model) == SWAG_USAGE);
  CHECK(swag_model_load_memory("vgg11", SWAG_POOLING_MAX, nullptr, 8, &model) == SWAG_USAGE);
  CHECK(swag_model_save(nullptr, "x") == SWAG_USAGE);
  CHECK(swag_begin(nullptr, &options, content, style, 1, nullptr, &context) == SWAG_USAGE);
  CHECK(error_mentions("model"));
  CHECK(swag_begin(small_model(), nullptr, content, style, 1, nullptr, &context) == SWAG_USAGE);
  CHECK(swag_begin(small_model(), &options, nullptr, style, 1, nullptr, &context) == SWAG_USAGE);
  CHECK(error_mentions("content image"));
  CHECK(swag_begin(small_model(), &options, content, nullptr, 1, nullptr, &context) == SWAG_USAGE);
  CHECK(swag_begin(small_model(), &options, content, style, 0, nullptr, &context) == SWAG_USAGE);
  CHECK(swag_begin(small_model(), &options, content, style, 1, nullptr, nullptr) == SWAG_USAGE);
  CHECK(swag_stylise(small_model(), &options, content, style, 1, nullptr, nullptr) == SWAG_USAGE);
  CHECK(swag_stylise(small_model(), &options, nullptr, style, 1, nullptr, &output.view) == SWAG_USAGE);
  CHECK(swag_step(nullptr, nullptr) == SWAG_USAGE);
  CHECK(swag_get_image(nullptr, &output.view) == SWAG_USAGE);
  CHECK(context == nullptr);
  swag_end(nullptr);
  swag_model_free(nullptr);
}

// ---------------------------------------------------------------- options

TEST_CASE("presets fill the options, unknown ones are refused") {
  swag_options options;
  REQUIRE(swag_options_init(&options, "authors") == SWAG_OK);
  CHECK(options.struct_size == sizeof options);
  CHECK(options.style_weight == 1e17);
  CHECK(options.loss == SWAG_LOSS_AUTHORS);
  CHECK(options.smoothing == SWAG_SMOOTHING_SCALE);
  CHECK(options.optimizer == SWAG_LBFGS_PLAIN);
  CHECK(std::string(options.size) == "512x512");
  CHECK(options.fit == SWAG_FIT_STRETCH);
  CHECK(std::string(options.style_layers) == "conv1,layer1,layer2,layer3,layer4");
  REQUIRE(swag_options_init(&options, "crowson") == SWAG_OK);
  CHECK((options.loss == SWAG_LOSS_MSE && options.style_loss == SWAG_STYLE_LOSS_WASSERSTEIN));
  CHECK((options.tv_stencil == SWAG_TV_NINE_POINT && options.padding == SWAG_PADDING_REPLICATE));
  CHECK(options.resample == SWAG_RESAMPLE_BICUBIC);
  CHECK((options.clamp == 1 && options.average == 0.99 && options.initial_iterations == 1000));
  CHECK((options.min_scale == 128 && options.learning_rate == 0));
  CHECK(std::string(options.style_layer_weights) == "256,64,16,4,1");
  REQUIRE(swag_options_init(&options, "trained") == SWAG_OK);
  CHECK(std::string(options.style_layer_weights) == "64,32,4,0.25,0.05");
  CHECK(swag_options_init(&options, "monet") == SWAG_USAGE);
  CHECK(error_mentions("gatys"));
}

TEST_CASE("callers with a shorter or a longer options struct are understood") {
  swag_options options;
  std::memset(&options, 0xff, sizeof options);
  const size_t older = offsetof(swag_options, scales);
  REQUIRE(swag_options_init_sized(&options, older, "default") == SWAG_OK);
  CHECK(options.struct_size == older);
  CHECK(options.scales == -1);  // beyond their struct: not written
  options.size = "40";
  int width = 0, height = 0;
  CHECK(swag_output_size(&options, 20, 10, &width, &height) == SWAG_OK);  // nor read
  CHECK((width == 40 && height == 20));

  struct {
    swag_options options;
    char later[64];
  } newer;
  std::memset(&newer, 0xff, sizeof newer);
  REQUIRE(swag_options_init_sized(&newer.options, sizeof newer, "default") == SWAG_OK);
  CHECK(newer.later[0] == 0);
  CHECK(swag_output_size(&newer.options, 20, 10, &width, &height) == SWAG_OK);

  options.struct_size = 0;
  CHECK(swag_output_size(&options, 20, 10, &width, &height) == SWAG_USAGE);
  CHECK(error_mentions("swag_options_init"));
}

TEST_CASE("options out of their range or their enum are refused by name") {
  const auto refused = [](const char* word, auto change) {
    swag_options options = small_options();
    change(options);
    int width = 0, height = 0;
    CHECK(swag_output_size(&options, 40, 32, &width, &height) == SWAG_USAGE);
    CHECK(error_mentions(word));
  };
  refused("--size", [](swag_options& o) { o.size = "big"; });
  refused("--loss", [](swag_options& o) { o.loss = static_cast<swag_loss>(9); });
  refused("--smoothing", [](swag_options& o) { o.smoothing = static_cast<swag_smoothing>(-1); });
  refused("--init", [](swag_options& o) { o.init = static_cast<swag_init>(3); });
  refused("--optimizer", [](swag_options& o) { o.optimizer = static_cast<swag_optimizer>(3); });
  refused("--precision", [](swag_options& o) { o.precision = static_cast<swag_precision>(5); });
  refused("--conv", [](swag_options& o) { o.conv = static_cast<swag_conv>(3); });  // the kernels know more
  refused("--fit", [](swag_options& o) { o.fit = static_cast<swag_fit>(3); });
  refused("--threads", [](swag_options& o) { o.threads = -1; });
  refused("--style-weight", [](swag_options& o) { o.style_weight = std::nan(""); });
  refused("--style-layer-weights", [](swag_options& o) { o.style_layer_weights = "1,x"; });
  refused("--style-layers", [](swag_options& o) { o.style_layers = "relu1_1,"; });
  swag_model* model = nullptr;
  CHECK(swag_model_random("vgg11", static_cast<swag_pooling>(2), 0, &model) == SWAG_USAGE);
}

TEST_CASE("the output's size follows the options") {
  swag_options options = small_options();
  const auto size_for = [&](const char* size) {
    options.size = size;
    int width = 0, height = 0;
    REQUIRE(swag_output_size(&options, 200, 100, &width, &height) == SWAG_OK);
    return std::make_pair(width, height);
  };
  CHECK(size_for("50") == std::make_pair(50, 25));
  CHECK(size_for("64x48") == std::make_pair(64, 48));
  CHECK(size_for("orig") == std::make_pair(200, 100));
  CHECK(size_for("as-is") == std::make_pair(200, 100));
}

// ---------------------------------------------------------------- images

TEST_CASE("pictures that cannot be are refused before the run") {
  const swag_options options = small_options();
  const Images images;
  const auto refused = [&](swag_status expected, swag_image content) {
    swag_context* context = nullptr;
    CHECK(swag_begin(small_model(), &options, &content, &images.style.view, 1, nullptr, &context) ==
          expected);
    CHECK(error_mentions("content image"));
    CHECK(context == nullptr);
  };
  swag_image view = images.content.view;
  view.width = 0;
  refused(SWAG_IMAGE, view);
  view = images.content.view;
  view.height = -3;
  refused(SWAG_IMAGE, view);
  view = images.content.view;
  view.stride = 8;
  refused(SWAG_IMAGE, view);
  view = images.content.view;
  view.width = view.height = 1;
  refused(SWAG_IMAGE, view);
  view = images.content.view;
  view.format = static_cast<swag_pixel_format>(17);
  refused(SWAG_USAGE, view);
  Picture floats(40, 32, SWAG_RGB_F32);
  const float nan = std::nanf("");
  std::memcpy(floats.bytes.data() + 4, &nan, 4);
  refused(SWAG_IMAGE, floats.view);
}

TEST_CASE("an image too small for the layers is an image error") {
  swag_options options = small_options();
  options.style_layers = "relu5_1";
  options.size = "6";
  const Images images;
  swag_context* context = nullptr;
  CHECK(swag_begin(small_model(), &options, &images.content.view, &images.style.view, 1, nullptr, &context) ==
        SWAG_IMAGE);
}

TEST_CASE("strides and formats of the same pixels give the same result") {
  const swag_options options = small_options();
  const Images images;
  Picture expected(32, 26);
  REQUIRE(stylise(options, images, expected) == SWAG_OK);

  Picture content(40, 32, SWAG_RGB8, 13, 1), output(32, 26, SWAG_RGB8, 5);
  const std::vector<unsigned char> before = output.bytes;
  REQUIRE(swag_stylise(small_model(), &options, &content.view, &images.style.view, 1, nullptr,
                       &output.view) == SWAG_OK);
  for (int y = 0; y < 26; ++y) {
    const unsigned char *got = output.bytes.data() + y * output.view.stride,
                        *want = expected.bytes.data() + y * 96;
    CHECK(swag::test::same_bytes(got, want, 96));
    CHECK(swag::test::same_bytes(got + 96, before.data() + y * output.view.stride + 96,
                                 5));  // padding untouched
  }

  Picture upside_down(32, 26);
  upside_down.view.data = upside_down.bytes.data() + 25 * 96;
  upside_down.view.stride = -96;
  Picture float_content(40, 32, SWAG_RGB_F32, 0, 1);
  REQUIRE(swag_stylise(small_model(), &options, &float_content.view, &images.style.view, 1, nullptr,
                       &upside_down.view) == SWAG_OK);
  for (int y = 0; y < 26; ++y) {
    CHECK(
        swag::test::same_bytes(upside_down.bytes.data() + (25 - y) * 96, expected.bytes.data() + y * 96, 96));
  }
}

TEST_CASE("the content's alpha comes out, opaque where there was none") {
  swag_options options = small_options();
  options.size = "as-is";
  const Images images;
  Picture content(40, 32, SWAG_RGBA8), output(40, 32, SWAG_RGBA8, 0, 9);
  REQUIRE(swag_stylise(small_model(), &options, &content.view, &images.style.view, 1, nullptr,
                       &output.view) == SWAG_OK);
  for (size_t i = 3; i < output.bytes.size(); i += 4) REQUIRE(output.bytes[i] == content.bytes[i]);
  REQUIRE(stylise(options, images, output) == SWAG_OK);
  for (size_t i = 3; i < output.bytes.size(); i += 4) REQUIRE(output.bytes[i] == 255);
}

TEST_CASE("an output of another size is refused with both sizes") {
  Picture output(33, 26);
  CHECK(stylise(small_options(), Images(), output) == SWAG_USAGE);
  CHECK(error_mentions("33x26"));
  CHECK(error_mentions("32x26"));
}

// ---------------------------------------------------------------- the statuses not met above

TEST_CASE(
    "an unknown device, a folder that is missing, a size beyond memory and weights that blow up have their "
    "codes") {
  swag_options options = small_options();
  const Images images;
  Picture output(32, 26);
  options.device = "emulator";
  CHECK(stylise(options, images, output) == SWAG_DEVICE);
  options.device = "abacus";
  CHECK(stylise(options, images, output) == SWAG_USAGE);
  CHECK(swag_model_save(small_model(), "no/such/folder/w.safetensors") == SWAG_OUTPUT);

  options = small_options();
  options.size = "32000x32000";
  swag_context* context = nullptr;
  CHECK(swag_begin(small_model(), &options, &images.content.view, &images.style.view, 1, nullptr, &context) ==
        SWAG_MEMORY);

  CHECK(stylise(diverging_options(), images, output) == SWAG_DIVERGED);
}

TEST_CASE("what a callback throws stays inside as an internal error") {
  swag_options options = small_options();
  options.progress = [](const swag_progress*, void*) -> int { throw 42; };
  Picture output(32, 26);
  CHECK(stylise(options, Images(), output) == SWAG_INTERNAL);
}
