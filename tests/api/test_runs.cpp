// Runs and models by the C API.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "tests/api/api_case.h"

using namespace swag::test;

namespace {

int count_calls(const swag_progress* progress, void* user) {
  CHECK(progress->struct_size == sizeof *progress);
  CHECK(std::isfinite(progress->loss));
  ++*static_cast<int*>(user);
  return 0;
}

int stop_at_third(const swag_progress* progress, void*) { return progress->evaluations >= 3; }

}  // namespace

// ---------------------------------------------------------------- runs

TEST_CASE("steps by hand give what the blocking call gives") {
  const swag_options options = small_options();
  const Images images;
  Picture blocking(32, 26), stepped(32, 26, SWAG_RGB8, 0, 5);
  REQUIRE(stylise(options, images, blocking) == SWAG_OK);

  swag_context* context = nullptr;
  REQUIRE(swag_begin(small_model(), &options, &images.content.view, &images.style.view, 1, nullptr,
                     &context) == SWAG_OK);
  swag_progress progress = {};
  progress.struct_size = sizeof progress;
  int steps = 0;
  for (; !progress.done && steps < 10; ++steps) REQUIRE(swag_step(context, &progress) == SWAG_OK);
  CHECK(steps == 3);
  CHECK(progress.fraction == 1);
  CHECK((progress.width == 32 && progress.height == 26));
  CHECK(progress.evaluations >= 3);
  const int64_t evaluations = progress.evaluations;
  CHECK(swag_step(context, &progress) == SWAG_OK);  // nothing is left to do
  CHECK(progress.evaluations == evaluations);
  REQUIRE(swag_get_image(context, &stepped.view) == SWAG_OK);
  CHECK(stepped.bytes == blocking.bytes);
  swag_end(context);
}

TEST_CASE("a content that is padded has transparent margins, written where the format has alpha") {
  swag_options options = small_options();
  options.size = "32x32";
  options.fit = SWAG_FIT_PAD;
  std::string log;
  options.log = [](swag_log_level, const char* message, void* user) {
    *static_cast<std::string*>(user) += std::string(message) + "\n";
  };
  options.log_user = &log;
  const Images images;  // 40x32, so 32x26 with margins of 3
  Picture output(32, 32, SWAG_RGBA8), opaque(32, 32);
  REQUIRE(stylise(options, images, output) == SWAG_OK);
  CHECK(log.find("40x32 is of another shape than the output, 32x32") != std::string::npos);
  int wrong = 0;
  for (int i = 0; i < 32 * 32; ++i)
    wrong += output.bytes[4 * i + 3] != (i / 32 >= 3 && i / 32 < 29 ? 255 : 0);
  CHECK(wrong == 0);
  CHECK(stylise(options, images, opaque) == SWAG_OK);
}

TEST_CASE("an older caller's progress struct is not written beyond its end") {
  const swag_options options = small_options();
  const Images images;
  swag_context* context = nullptr;
  REQUIRE(swag_begin(small_model(), &options, &images.content.view, &images.style.view, 1, nullptr,
                     &context) == SWAG_OK);
  swag_progress progress;
  std::memset(&progress, 0xff, sizeof progress);
  progress.struct_size = offsetof(swag_progress, loss);
  CHECK(swag_step(context, &progress) == SWAG_OK);
  CHECK(progress.iteration == 1);
  CHECK(progress.struct_size == offsetof(swag_progress, loss));
  CHECK(progress.done == -1);
  swag_end(context);
}

TEST_CASE("the progress callback sees every evaluation, the log what is used") {
  swag_options options = small_options();
  int calls = 0;
  std::string log;
  options.progress = count_calls;
  options.progress_user = &calls;
  options.log = [](swag_log_level, const char* message, void* user) {
    *static_cast<std::string*>(user) += std::string(message) + "\n";
  };
  options.log_user = &log;
  Picture output(32, 26);
  REQUIRE(stylise(options, Images(), output) == SWAG_OK);
  CHECK(calls >= 3);
  CHECK(log.find("splitmix") != std::string::npos);
}

TEST_CASE("the progress callback cancels, and the best image is there") {
  swag_options options = small_options();
  options.iterations = 1000;
  options.progress = stop_at_third;
  const Images images;
  Picture output(32, 26);
  const std::vector<unsigned char> before = output.bytes;
  CHECK(stylise(options, images, output) == SWAG_INTERRUPTED);
  CHECK(output.bytes != before);

  swag_context* context = nullptr;
  REQUIRE(swag_begin(small_model(), &options, &images.content.view, &images.style.view, 1, nullptr,
                     &context) == SWAG_OK);
  swag_progress progress = {};
  progress.struct_size = sizeof progress;
  swag_status status = SWAG_OK;
  while (status == SWAG_OK) status = swag_step(context, &progress);
  CHECK(status == SWAG_INTERRUPTED);
  CHECK(progress.evaluations == 3);
  CHECK(swag_get_image(context, &output.view) == SWAG_OK);
  swag_end(context);
}

TEST_CASE("two contexts in two threads share a model and do not meet") {
  const swag_options options = small_options();
  const Images images;
  Picture alone(32, 26), first(32, 26, SWAG_RGB8, 0, 5), second(32, 26, SWAG_RGB8, 0, 6);
  REQUIRE(stylise(options, images, alone) == SWAG_OK);
  swag_status status[2] = {SWAG_INTERNAL, SWAG_INTERNAL};
  std::thread other([&] { status[1] = stylise(options, images, second); });
  status[0] = stylise(options, images, first);
  other.join();
  CHECK((status[0] == SWAG_OK && status[1] == SWAG_OK));
  CHECK(first.bytes == alone.bytes);
  CHECK(second.bytes == alone.bytes);
}

TEST_CASE("a run that starts from a picture needs it, others refuse it") {
  swag_options options = small_options();
  const Images images;
  Picture output(32, 26);
  options.init = SWAG_INIT_IMAGE;
  CHECK(stylise(options, images, output) == SWAG_USAGE);
  options.iterations = 0;
  CHECK(swag_stylise(small_model(), &options, &images.content.view, &images.style.view, 1, &output.view,
                     &output.view) == SWAG_OK);
  options.init = SWAG_INIT_CONTENT;
  CHECK(swag_stylise(small_model(), &options, &images.content.view, &images.style.view, 1, &output.view,
                     &output.view) == SWAG_USAGE);
}

// ---------------------------------------------------------------- models

TEST_CASE("weights travel through a file and through memory") {
  const std::string path = (std::filesystem::temp_directory_path() / "swag_test_capi.safetensors").string();
  REQUIRE(swag_model_save(small_model(), path.c_str()) == SWAG_OK);
  swag_model* model = nullptr;
  REQUIRE(swag_model_load("vgg11", SWAG_POOLING_MAX, path.c_str(), &model) == SWAG_OK);
  const Model from_file(model, swag_model_free);
  CHECK(std::string(swag_model_network(model)) == "vgg11");
  CHECK(std::string(swag_model_source(model)).find("swag_test_capi") != std::string::npos);

  std::vector<char> bytes(std::filesystem::file_size(path));
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  REQUIRE(std::fread(bytes.data(), 1, bytes.size(), file.get()) == bytes.size());
  REQUIRE(swag_model_load_memory("vgg11", SWAG_POOLING_MAX, bytes.data(), bytes.size(), &model) == SWAG_OK);
  const Model from_memory(model, swag_model_free);
  bytes.clear();  // may be freed afterwards

  const swag_options options = small_options();
  const Images images;
  Picture expected(32, 26), output(32, 26);
  REQUIRE(stylise(options, images, expected) == SWAG_OK);
  for (const Model* loaded : {&from_file, &from_memory}) {
    REQUIRE(swag_stylise(loaded->get(), &options, &images.content.view, &images.style.view, 1, nullptr,
                         &output.view) == SWAG_OK);
    CHECK(output.bytes == expected.bytes);
  }
  CHECK(swag_model_load("vgg13", SWAG_POOLING_MAX, path.c_str(), &model) == SWAG_WEIGHTS);
  CHECK(model == nullptr);
  std::filesystem::remove(path);
  CHECK(swag_model_load("vgg11", SWAG_POOLING_MAX, path.c_str(), &model) == SWAG_WEIGHTS);
  CHECK(error_mentions(path));
}

TEST_CASE("fitting makes a model, can be cancelled, and checks the run's layers first") {
  swag_options options = small_options();
  const Images images;
  const auto fit = [&](const char* network, swag_model** model) {
    return swag_model_fit(network, SWAG_POOLING_AVERAGE, 0, &options, &images.content.view,
                          &images.style.view, 1, model);
  };
  swag_model* model = nullptr;
  REQUIRE(fit("vgg11", &model) == SWAG_OK);
  CHECK(std::string(swag_model_source(model)).find("fitted") != std::string::npos);
  swag_model_free(model);

  CHECK(fit("resnet18", &model) == SWAG_USAGE);
  options.progress = [](const swag_progress* progress, void*) { return progress->fraction > 0 ? 1 : 0; };
  CHECK(fit("vgg11", &model) == SWAG_INTERRUPTED);
  options.style_layers = "relu7_7";
  CHECK(fit("vgg11", &model) == SWAG_USAGE);
  CHECK(error_mentions("relu7_7"));
  CHECK(model == nullptr);
}
