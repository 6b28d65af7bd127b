// The C API: an input is a sequence of calls, with options, pictures and callbacks that stop the run, in
// memory that may run out.
#include <memory>
#include <optional>

#include "tests/fuzz/api_case.h"
#include "tests/fuzz/failing_memory.h"

using namespace swag::fuzz;

namespace {

using Model = std::unique_ptr<swag_model, decltype(&swag_model_free)>;
using Context = std::unique_ptr<swag_context, decltype(&swag_end)>;

const swag_model* small_model() {
  static const Model model = [] {
    swag_model* made = nullptr;
    require(swag_model_splitmix("vgg11", SWAG_POOLING_MAX, 7, &made) == SWAG_OK, "a model is made");
    return Model(made, swag_model_free);
  }();
  return model.get();
}

/// From memory with any number for the pooling, as C lets a caller do.
__attribute__((no_sanitize("undefined"))) swag_status load_model(const std::string& network, int pooling,
                                                                 const std::string& bytes,
                                                                 swag_model** model) {
  swag_pooling any;
  static_assert(sizeof any == sizeof pooling);
  std::memcpy(&any, &pooling, sizeof any);
  return swag_model_load_memory(network.c_str(), any, bytes.data(), bytes.size(), model);
}

class Caller {
 public:
  explicit Caller(Input input) : input_(input) {}

  void run() {
    for (int calls = 0; calls < 8 && input_.left() > 0; ++calls) call();
  }

 private:
  void call();
  void begin();
  void step();
  void get_image();
  void stylise();
  void fit();
  void output_size();
  void models();

  /// Calls a function of the API, perhaps with memory that runs out in it, and looks at its status.
  template <typename Call>
  swag_status checked(Call&& function) {
    std::optional<FailingMemory> failing;
    if (input_.number(0, 5) == 1) {
      const int64_t nth = input_.number(1, 600);
      failing.emplace(nth, input_.flag() ? 1 : int64_t{1} << 40);
    }
    const swag_status status = function();
    failing.reset();
    const char* error = swag_last_error();
    require(status != SWAG_INTERNAL, "no internal error", error);
    require(std::string(swag_status_text(status)) != "unknown status", "a status has a name", error);
    if (status != SWAG_OK) require_message(error);
    return status;
  }

  Input input_;
  std::unique_ptr<ApiOptions> options_;  // of the context, which calls back into them
  Context context_{nullptr, swag_end};
  int width_ = 0, height_ = 0;
};

void Caller::begin() {
  context_.reset();
  options_ = std::make_unique<ApiOptions>(input_);
  const ApiPicture content = draw_picture(input_), style = draw_picture(input_), start = draw_picture(input_);
  const swag_image styles[] = {style.view, content.view};
  const int count = static_cast<int>(input_.number(0, 7) == 0 ? input_.number(-1, 2) : 1);
  const swag_image* init = input_.number(0, 3) == 1 ? &start.view : nullptr;
  width_ = height_ = 0;
  swag_output_size(options_->get(), content.view.width, content.view.height, &width_, &height_);
  swag_context* made = nullptr;
  const swag_status status = checked(
      [&] { return swag_begin(small_model(), options_->get(), &content.view, styles, count, init, &made); });
  require((status == SWAG_OK) == (made != nullptr), "a context is made or it is not");
  context_.reset(made);
}

void Caller::step() {
  const size_t size =
      static_cast<size_t>(input_.number(0, 3) == 1 ? input_.number(8, 120) : sizeof(swag_progress));
  const auto block = std::make_unique<unsigned char[]>(size);
  std::memcpy(block.get(), &size, sizeof size);
  auto* progress = input_.flag() ? reinterpret_cast<swag_progress*>(block.get()) : nullptr;
  checked([&] { return swag_step(context_.get(), progress); });
}

void Caller::get_image() {
  const bool right = input_.number(0, 3) != 1 && width_ > 0 && width_ <= 64 && height_ <= 64;
  ApiPicture picture = right ? draw_output(input_, width_, height_) : draw_picture(input_);
  checked([&] { return swag_get_image(context_.get(), &picture.view); });
}

void Caller::stylise() {
  const ApiOptions options(input_);
  const ApiPicture content = draw_picture(input_), style = draw_picture(input_);
  int width = 0, height = 0;
  swag_output_size(options.get(), content.view.width, content.view.height, &width, &height);
  const bool right = width > 0 && width <= 64 && height <= 64;
  ApiPicture output = right ? draw_output(input_, width, height) : draw_picture(input_);
  checked([&] {
    return swag_stylise(small_model(), options.get(), &content.view, &style.view, 1, nullptr, &output.view);
  });
}

void Caller::fit() {
  ApiOptions options(input_);
  options.patience = static_cast<int>(input_.number(1, 3));
  const ApiPicture content = draw_picture(input_), style = draw_picture(input_);
  swag_model* made = nullptr;
  const auto pooling = input_.flag() ? SWAG_POOLING_MAX : SWAG_POOLING_AVERAGE;
  checked([&] {
    return swag_model_fit("vgg11", pooling, 0, options.get(), &content.view, &style.view, 1, &made);
  });
  swag_model_free(made);
}

void Caller::output_size() {
  const ApiOptions options(input_);
  const int width = input_.any<int>(), height = input_.any<int>();
  int out_width = 0, out_height = 0;
  const swag_status status = checked([&] {
    return swag_output_size(options.get(), width, height, &out_width, input_.flag() ? &out_height : nullptr);
  });
  require(status != SWAG_OK || (out_width > 0 && out_height > 0), "an output has pixels");
}

void Caller::models() {
  const std::string network = input_.flag() ? "vgg11" : input_.text();
  const int pooling = input_.flag() ? 0 : input_.any<int>();
  const std::string bytes = input_.text();
  swag_model* made = nullptr;
  checked([&] { return load_model(network, pooling, bytes, &made); });
  swag_model_free(made);
  checked([&] { return swag_model_load(network.c_str(), SWAG_POOLING_MAX, "/nonexistent", &made); });
  checked([&] { return swag_model_save(nullptr, network.c_str()); });
  swag_options options;
  checked([&] { return swag_options_init(&options, network.c_str()); });
}

void Caller::call() {
  switch (input_.number(0, 15)) {
    case 0:
    case 1:
    case 2:
    case 3: return begin();
    case 4:
    case 5:
    case 6: return step();
    case 7:
    case 8: return get_image();
    case 9:
    case 10: return stylise();
    case 11:
      return input_.number(0, 31) == 1 ? fit() : output_size();  // fitting takes a hundred times as long
    case 12: return output_size();
    case 13: return models();
    case 14: context_.reset(); return;
    default: step(), get_image();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  small_model();
  Caller(Input(data, size)).run();
  return 0;
}
