// The C API of include/swag.h over the C++ library: nothing but statuses leaves these functions.
#include "include/swag.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>

#include "src/api/fit.h"
#include "src/api/images.h"
#include "src/api/options.h"
#include "src/run/plan.h"
#include "src/run/stylizer.h"
#include "src/support/error.h"
#include "src/weights/weights.h"

struct swag_model {
  std::shared_ptr<const swag::Model> model;
};

struct swag_context {
  std::unique_ptr<swag::Stylizer> stylizer;
  bool steps = false;  // swag_step is at work, and what it calls back may call us
  bool ended = false;  // meanwhile: it frees the context when it has done
};

namespace {

using swag::Error;
using swag::Status;

// ---------------------------------------------------------------- the boundary

constexpr size_t kLongestMessage = 1000;
// No std::string: that is gone before a program's atexit handlers run, which may call this library.
thread_local char last_error[kLongestMessage + 1] = "";

/// Remembers the message as one line of bounded length, whatever strings of the caller it quotes.
swag_status fail(swag_status status, const char* message) noexcept {
  size_t size = 0;
  for (; size < kLongestMessage && message[size] != '\0'; ++size) {
    const auto code = static_cast<unsigned char>(message[size]);
    last_error[size] = code < 0x20 || code == 0x7f ? '?' : message[size];
  }
  if (message[size] != '\0') std::memcpy(last_error + size - 3, "...", 3);
  last_error[size] = '\0';
  return status;
}

/// Runs the body of an API function; whatever it throws becomes a status and the thread's last error.
template <typename Body>
swag_status guarded(Body&& body) noexcept {
  try {
    body();
    return SWAG_OK;
  } catch (const Error& error) {
    return fail(static_cast<swag_status>(error.status()), error.what());
  } catch (const std::bad_alloc&) {
    return fail(SWAG_MEMORY, "out of memory; use smaller images or a smaller size");
  } catch (const std::length_error&) {
    return fail(SWAG_MEMORY, "more than any memory holds; use smaller images or a smaller size");
  } catch (const std::exception& error) {
    return fail(SWAG_INTERNAL, error.what());
  } catch (...) {
    return fail(SWAG_INTERNAL, "an exception that is not a std::exception");
  }
}

template <typename T>
T* required(T* pointer, const char* name) {
  if (!pointer) throw Error(Status::kUsage, std::string(name) + " is NULL");
  return pointer;
}

/// While it lives, the context may not be stepped or freed.
class AtWork {
 public:
  explicit AtWork(swag_context& context) : context_(context) { context_.steps = true; }
  ~AtWork() { context_.steps = false; }
  AtWork(const AtWork&) = delete;
  AtWork& operator=(const AtWork&) = delete;

 private:
  swag_context& context_;
};

// ---------------------------------------------------------------- conversions

swag_progress to_api(const swag::Progress& from) {
  swag_progress to = {};
  to.struct_size = sizeof to;
  to.scale = from.scale;
  to.scales = from.scales;
  to.width = from.width;
  to.height = from.height;
  to.iteration = from.iteration;
  to.iterations = from.iterations;
  to.evaluations = from.evaluations;
  to.loss = from.loss;
  to.content_loss = from.content_loss;
  to.style_loss = from.style_loss;
  to.tv_loss = from.tv_loss;
  to.fraction = from.fraction;
  to.done = from.done ? 1 : 0;
  return to;
}

swag::Callbacks callbacks_of(const swag_options& options) {
  swag::Callbacks callbacks;
  if (options.progress) {
    callbacks.progress = [call = options.progress,
                          user = options.progress_user](const swag::Progress& progress) {
      const swag_progress api = to_api(progress);
      return call(&api, user) == 0;
    };
  }
  if (options.log) {
    callbacks.log = [call = options.log, user = options.log_user](swag::LogLevel level,
                                                                  const std::string& message) {
      call(static_cast<swag_log_level>(level), message.c_str(), user);
    };
  }
  return callbacks;
}

std::string device_of(const swag_options& options) { return options.device ? options.device : "cpu"; }

std::vector<swag::Image> styles_of(const swag_image* styles, int count) {
  if (count < 1) throw Error(Status::kUsage, "a style image is needed");
  required(styles, "styles");
  std::vector<swag::Image> images;
  for (int i = 0; i < count; ++i) {
    images.push_back(swag::image_of(&styles[i], "style image " + std::to_string(i + 1)));
  }
  return images;
}

/// Makes a model from a graph and what `weights_for(graph)` returns.
template <typename WeightsFor>
swag_status make_model(const char* network, const swag_pooling& pooling, swag_model** model,
                       WeightsFor weights_for) {
  return guarded([&] {
    *required(model, "model") = nullptr;
    auto made = std::make_shared<swag::Model>();
    made->average_pooling = swag::is_average(pooling);
    made->graph = swag::make_network(required(network, "network"), made->average_pooling);
    made->weights = weights_for(made->graph);
    *model = new swag_model{std::move(made)};
  });
}

/// Writes the best image after `body`, also when that was stopped, diverged or ran out of memory.
template <typename Body>
void with_image(const swag_context& context, const swag_image* output, Body&& body) {
  try {
    body();
  } catch (...) {
    swag::write_image(context.stylizer->image(), output);
    throw;
  }
  swag::write_image(context.stylizer->image(), output);
}

std::unique_ptr<swag_context> make_context(const swag_model* model, const swag_options* options,
                                           const swag_image* content, const swag_image* styles,
                                           int style_count, const swag_image* init_image) {
  const swag_options complete = swag::complete_options(options);
  const swag::StylizeOptions stylize = swag::stylize_options(complete);
  required(model, "model");
  swag::Image content_image = swag::image_of(content, "content image");
  std::vector<swag::Image> style_images = styles_of(styles, style_count);
  swag::Image start;
  if (init_image) start = swag::image_of(init_image, "initial image");
  const swag::Callbacks callbacks = callbacks_of(complete);
  auto context = std::make_unique<swag_context>();
  context->stylizer = std::make_unique<swag::Stylizer>(
      model->model, swag::make_backend(device_of(complete), complete.threads), stylize,
      std::move(content_image), std::move(style_images), init_image ? &start : nullptr, callbacks);
  if (callbacks.log) callbacks.log(swag::LogLevel::kInfo, context->stylizer->description());
  return context;
}

}  // namespace

// ---------------------------------------------------------------- library

#define SWAG_TEXT_OF(number) #number
#define SWAG_TEXT(number) SWAG_TEXT_OF(number)

const char* swag_version(void) {
  return SWAG_TEXT(SWAG_VERSION_MAJOR) "." SWAG_TEXT(SWAG_VERSION_MINOR) "." SWAG_TEXT(SWAG_VERSION_PATCH);
}

int swag_abi_version(void) { return SWAG_ABI_VERSION; }

const char* swag_status_text(swag_status status) {
  switch (swag::enum_number(status)) {
    case SWAG_OK: return "done";
    case SWAG_INTERNAL: return "internal error";
    case SWAG_USAGE: return "wrong use";
    case SWAG_IMAGE: return "an image cannot be used";
    case SWAG_WEIGHTS: return "a weight file cannot be used";
    case SWAG_DEVICE: return "the device is not there";
    case SWAG_MEMORY: return "out of memory";
    case SWAG_DIVERGED: return "the loss left the finite numbers";
    case SWAG_OUTPUT: return "a file cannot be written";
    case SWAG_INTERRUPTED: return "interrupted";
  }
  return "unknown status";
}

const char* swag_last_error(void) { return last_error; }

swag_status swag_options_init_sized(swag_options* options, size_t struct_size, const char* preset) {
  return guarded([&] { swag::write_preset(options, struct_size, required(preset, "preset")); });
}

// ---------------------------------------------------------------- models

swag_status swag_model_load(const char* network, swag_pooling pooling, const char* path, swag_model** model) {
  return make_model(network, pooling, model, [&](const swag::Graph& graph) {
    return swag::load_weights(required(path, "path"), graph);
  });
}

swag_status swag_model_load_memory(const char* network, swag_pooling pooling, const void* data, size_t size,
                                   swag_model** model) {
  return make_model(network, pooling, model, [&](const swag::Graph& graph) {
    return swag::load_weights(required(data, "data"), size, "weights in memory", graph);
  });
}

swag_status swag_model_random(const char* network, swag_pooling pooling, uint64_t seed, swag_model** model) {
  return make_model(network, pooling, model,
                    [&](const swag::Graph& graph) { return swag::random_weights(graph, seed); });
}

swag_status swag_model_splitmix(const char* network, swag_pooling pooling, uint64_t seed,
                                swag_model** model) {
  return make_model(network, pooling, model,
                    [&](const swag::Graph& graph) { return swag::splitmix_weights(graph, seed); });
}

swag_status swag_model_fit(const char* network, swag_pooling pooling, uint64_t seed,
                           const swag_options* options, const swag_image* content, const swag_image* styles,
                           int style_count, swag_model** model) {
  return make_model(network, pooling, model, [&](const swag::Graph& graph) {
    const swag_options complete = swag::complete_options(options);
    const swag::StylizeOptions stylize = swag::stylize_options(complete);
    const swag::Image content_image = swag::image_of(content, "content image");
    const std::vector<swag::Image> style_images = styles_of(styles, style_count);
    const auto backend = swag::make_backend(device_of(complete), complete.threads);
    const swag::Callbacks callbacks = callbacks_of(complete);
    const auto report = [&](double fraction) {
      swag::Progress progress;
      progress.fraction = fraction;
      return !callbacks.progress || callbacks.progress(progress);
    };
    return swag::fit_for_run(*backend, graph, swag::is_average(pooling), seed, stylize, content_image,
                             style_images, report);
  });
}

swag_status swag_model_save(const swag_model* model, const char* path) {
  return guarded([&] {
    required(model, "model");
    swag::save_weights(required(path, "path"), model->model->weights, model->model->graph);
  });
}

const char* swag_model_network(const swag_model* model) {
  return model ? model->model->graph.network.c_str() : "";
}

const char* swag_model_source(const swag_model* model) {
  return model ? model->model->weights.source.c_str() : "";
}

void swag_model_free(swag_model* model) { delete model; }

// ---------------------------------------------------------------- runs

swag_status swag_output_size(const swag_options* options, int width, int height, int* out_width,
                             int* out_height) {
  return guarded([&] {
    const swag::StylizeOptions stylize = swag::stylize_options(swag::complete_options(options));
    required(out_width, "out_width");
    required(out_height, "out_height");
    swag::check_image_size(height, width, "content image");
    const swag::Size size = swag::scale_sizes(stylize, {height, width}).back();
    *out_width = size.w;
    *out_height = size.h;
  });
}

swag_status swag_begin(const swag_model* model, const swag_options* options, const swag_image* content,
                       const swag_image* styles, int style_count, const swag_image* init_image,
                       swag_context** context) {
  return guarded([&] {
    *required(context, "context") = nullptr;
    *context = make_context(model, options, content, styles, style_count, init_image).release();
  });
}

swag_status swag_step(swag_context* context, swag_progress* progress) {
  const swag_status status = guarded([&] {
    required(context, "context");
    if (context->steps) throw Error(Status::kUsage, "swag_step was called by a callback of the same context");
    if (progress) swag::check_struct_size("progress", progress->struct_size, sizeof *progress);
    const auto report = [&](const swag::Progress& now) {
      if (!progress) return;
      swag_progress api = to_api(now);
      api.struct_size = progress->struct_size;
      std::memcpy(progress, &api, std::min(progress->struct_size, sizeof api));
    };
    const AtWork at_work(*context);
    try {
      report(context->stylizer->step());
    } catch (...) {
      report(context->stylizer->progress());
      throw;
    }
  });
  if (context && context->ended && !context->steps) delete context;
  return status;
}

swag_status swag_get_image(const swag_context* context, swag_image* image) {
  return guarded([&] { swag::write_image(required(context, "context")->stylizer->image(), image); });
}

void swag_end(swag_context* context) {
  if (context && context->steps) {
    context->ended = true;
  } else {
    delete context;
  }
}

swag_status swag_stylise(const swag_model* model, const swag_options* options, const swag_image* content,
                         const swag_image* styles, int style_count, const swag_image* init_image,
                         swag_image* output) {
  int width = 0, height = 0;
  const swag_status status = content
                                 ? swag_output_size(options, content->width, content->height, &width, &height)
                                 : fail(SWAG_USAGE, "content is NULL");
  if (status != SWAG_OK) return status;
  return guarded([&] {
    swag::check_output(output, height, width);
    const auto context = make_context(model, options, content, styles, style_count, init_image);
    with_image(*context, output, [&] {
      while (!context->stylizer->step().done) {
      }
    });
  });
}
