// `swag run`: the main job, through the public C API.
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "src/api/options.h"
#include "src/cli/check.h"
#include "src/cli/command.h"
#include "src/cli/picture_files.h"
#include "src/cli/pixels.h"
#include "src/cli/progress_bar.h"
#include "src/cli/run_files.h"
#include "src/cli/run_log.h"
#include "src/cli/signals.h"
#include "src/cli/weights_search.h"
#include "src/codecs/decode.h"
#include "src/codecs/encode.h"
#include "src/image/fit.h"
#include "src/image/grid.h"
#include "src/image/resize.h"
#include "src/run/options.h"
#include "src/run/plan.h"
#include "src/support/json.h"
#include "src/support/printable.h"

namespace swag::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kUsage[] = "swag CONTENT STYLE [STYLE ...] -o OUT [options]";
constexpr char kDescription[] =
    "Paints CONTENT in the manner of STYLE, by optimising its pixels against the features of a convolutional "
    "network.";

using ModelHandle = std::unique_ptr<swag_model, decltype(&swag_model_free)>;
using ContextHandle = std::unique_ptr<swag_context, decltype(&swag_end)>;

// ---------------------------------------------------------------- what is asked for

struct Request {
  Settings settings;
  std::vector<std::string> images;  // content, styles
  std::string options_from;
  bool show_options = false;
};

/// Nothing when only help was asked for.
std::optional<Request> parse_request(const Arguments& arguments) {
  Parser parser("run", kUsage, kDescription);
  parser.footer(program_footer());
  Request request;
  std::string preset = "default";
  parser.add_option("images", request.images, "CONTENT and STYLE pictures");
  std::vector<std::string> names;
  for (const Preset& known : presets()) names.push_back(known.name);
  parser.add_option("--preset", preset, "Where the other options start from [default]")
      .type_name(joined(names, "|"))
      .group(kGeneralGroup);
  Argument options_from = parser.add_option("--options-from", request.options_from,
                                            "Options of a JSON file, or of a picture that swag wrote");
  options_from.type_name("FILE").group(kGeneralGroup);
  parser.add_flag("--show-options", request.show_options, "Print all options in full, as JSON, and stop")
      .group(kGeneralGroup);
  const OptionSet options(parser);
  if (!parser.parse(arguments)) return std::nullopt;

  Settings& settings = request.settings;
  try {
    settings.load_preset(preset);
  } catch (const Error& error) {
    throw Error(error.status(), std::string("--preset: ") + error.what());
  }
  const std::string& from = request.options_from;
  if (options_from.given()) {
    if (from.empty()) throw Error(Status::kUsage, "--options-from: the name of the file is empty");
    apply_options_from(settings, from);
  }
  options.apply_to(settings);
  if (preset == "default" && !options_from.given()) {
    const std::string suited = preset_for_weights(settings);
    if (suited != preset) {
      settings.load_preset(suited);
      settings.preset_by_weights = true;
      options.apply_to(settings);
    }
  }
  return request;
}

/// What can be told to be wrong before a file is read.
void check_request(const Request& request) {
  const Settings& settings = request.settings;
  if (request.images.size() < 2) {
    throw Error(Status::kUsage,
                std::string(request.images.empty() ? "no content and style image" : "no style image") +
                    "; usage: " + kUsage + ", see 'swag --help'");
  }
  if (std::count(request.images.begin(), request.images.end(), "") > 0) {
    throw Error(Status::kUsage, "the name of a picture is empty");
  }
  if (settings.output.empty()) throw Error(Status::kUsage, "no output; give -o FILE.png or FILE.jpg");
  const size_t shares = parse_list(settings.style_blend).size(), styles = request.images.size() - 1;
  if (shares > 0 && shares != styles) {
    throw Error(Status::kUsage, "--style-blend: " + std::to_string(shares) + " numbers for " +
                                    std::to_string(styles) + " style images; give one for each");
  }
  if (settings.api.init == SWAG_INIT_IMAGE && settings.init_image.empty()) {
    throw Error(Status::kUsage, "--init: 'image' needs the picture to start from; give --init-image FILE");
  }
}

// ---------------------------------------------------------------- the run

class Run {
 public:
  explicit Run(const Request& request)
      : settings_(request.settings), paths_(request.images), bar_(settings_.quiet) {}

  int run();

 private:
  void load_image_at(const std::string& path, const SizeRule& wanted);
  void load_images();
  void make_model();
  void fit_model();
  swag_pooling pooling() const;
  swag_status optimise(swag_context* context, swag_progress& progress);
  void save_grid(const Image& picture);
  Image picture(const swag_context* context) const;
  void lose_log(int error);
  void complain(const std::string& problem);
  std::string description() const;
  void checked(swag_status status) const;
  bool hardly_changed(const Image& picture) const;
  int finish(swag_status status, const std::string& reason, const swag_progress& progress);

  static int on_progress(const swag_progress* progress, void* run);
  static void on_log(swag_log_level level, const char* message, void* run);

  Settings settings_;
  std::vector<std::string> paths_;
  RunLog log_;
  Stopwatch total_;
  ProgressBar bar_;
  InterruptGuard guard_;
  std::vector<std::string> notes_;  // said once the run begins: where it is refused, that alone counts
  std::vector<Pixels> images_;      // content, styles, the initial one where there is one
  std::vector<swag_image> views_;
  int output_w_ = 0, output_h_ = 0;
  ModelHandle model_{nullptr, swag_model_free};
  PictureFiles files_{settings_, [this](const std::string& problem) { complain(problem); }};
  bool log_missing_ = false;
};

int Run::on_progress(const swag_progress* progress, void* run) {
  Run& self = *static_cast<Run*>(run);
  if (const int error = self.log_.write(*progress, self.bar_.seconds())) self.lose_log(error);
  self.bar_.update(*progress);
  return InterruptGuard::signal() != 0;
}

void Run::on_log(swag_log_level level, const char* message, void* run) {
  Run& self = *static_cast<Run*>(run);
  if (level == SWAG_LOG_VERBOSE && !self.settings_.verbose) return;
  self.bar_.message((level == SWAG_LOG_WARNING ? "warning: " : "") + std::string(message));
}

/// What went wrong and does not end the run. It is said to the quiet, too.
void Run::complain(const std::string& problem) {
  bar_.clear();
  std::fprintf(stderr, "swag: %s\n", printable(problem, problem.size()).c_str());
}

/// A reader that has seen enough (`| head`) or an interruption is no failure.
void Run::lose_log(int error) {
  if (error == EINTR) return;
  log_missing_ = error != EPIPE;
  complain("the log cannot be written: " + std::string(std::strerror(error)) + "; the run goes on without");
}

/// check(), with the names of files in place of what the library calls their images.
void Run::checked(swag_status status) const {
  if (status == SWAG_OK) return;
  std::string message = swag_last_error();
  for (size_t i = 0; i < images_.size(); ++i) {
    const std::string place = i == 0              ? "content image"
                              : i < paths_.size() ? "style image " + std::to_string(i)
                                                  : "initial image";
    if (message.compare(0, place.size() + 1, place + ":") != 0) continue;
    message.replace(0, place.size(), i < paths_.size() ? paths_[i] : settings_.init_image);
    break;
  }
  throw Error(static_cast<Status>(status), message);
}

void Run::load_image_at(const std::string& path, const SizeRule& wanted) {
  Image image = load_image(path, wanted, &notes_);
  images_.emplace_back(std::move(image));
  views_.push_back(images_.back().view());
}

/// Each is read at several times the size at which it will be used at most, or at its own.
void Run::load_images() {
  const swag_options options = settings_.options();
  StylizeOptions run = stylize_options(options);
  load_image_at(paths_[0], run.resize ? run.size : original_size());
  checked(swag_output_size(&options, views_[0].width, views_[0].height, &output_w_, &output_h_));
  const std::string warning = space_warning(settings_.output, int64_t{output_w_} * output_h_ * 3);
  if (!warning.empty()) notes_.push_back(warning);
  if (!settings_.grid.empty()) run.style_scale = std::max(1.0, run.style_scale);  // as large as it is shown
  const SizeRule style = style_rule(run, {output_h_, output_w_});
  SizeRule init = original_size();
  if (run.resize) {
    init = SizeRule();
    init.w = output_w_;
    init.h = output_h_;
  }
  for (size_t i = 1; i < paths_.size(); ++i) load_image_at(paths_[i], style);
  if (!settings_.init_image.empty()) load_image_at(settings_.init_image, init);
}

void Run::fit_model() {
  bar_.begin("fitting " + settings_.network + " to the images");
  swag_options options = settings_.options();
  options.progress = [](const swag_progress* progress, void* run) {
    static_cast<Run*>(run)->bar_.update(*progress);
    return 0;  // a signal ends the program: there is nothing to save yet
  };
  options.progress_user = this;
  swag_model* model = nullptr;
  checked(swag_model_fit(settings_.network.c_str(), pooling(), options.seed, &options, &views_[0], &views_[1],
                         static_cast<int>(paths_.size()) - 1, &model));
  model_.reset(model);
}

swag_pooling Run::pooling() const {
  return settings_.pooling == "avg" ? SWAG_POOLING_AVERAGE : SWAG_POOLING_MAX;
}

void Run::make_model() {
  const std::string warning = resolve_weights(settings_);
  if (!warning.empty()) notes_.push_back(warning);
  const char* network = settings_.network.c_str();
  swag_model* model = nullptr;
  uint64_t seed = settings_.api.seed;
  if (settings_.weights == "fitted") return fit_model();
  if (settings_.weights == "random") {
    checked(swag_model_random(network, pooling(), seed, &model));
  } else if (parse_splitmix(settings_.weights, seed)) {
    checked(swag_model_splitmix(network, pooling(), seed, &model));
  } else {
    checked(swag_model_load(network, pooling(), settings_.weights.c_str(), &model));
  }
  model_.reset(model);
}

/// Step by step, with the pictures in between.
swag_status Run::optimise(swag_context* context, swag_progress& progress) {
  progress.struct_size = sizeof progress;
  int steps = 0;
  do {
    const swag_status status = swag_step(context, &progress);
    if (status != SWAG_OK) return status;
    ++steps;
    if (settings_.save_every > 0 && steps % settings_.save_every == 0 && !progress.done) {
      files_.save_on_the_way(steps, [&] { return picture(context); });
    }
  } while (!progress.done);
  return SWAG_OK;
}

std::string Run::description() const {
  const auto name = [](const std::string& path) { return fs::path(path).filename().string(); };
  nlohmann::ordered_json json = {{"program", std::string("swag ") + swag_version()},
                                 {"content", name(paths_[0])}};
  for (size_t i = 1; i < paths_.size(); ++i) json["styles"].push_back(name(paths_[i]));
  if (!settings_.init_image.empty()) json["init_image"] = name(settings_.init_image);
  json["weights_source"] = swag_model_source(model_.get());
  json.update(description_of(settings_));
  return json_text(json, 2);
}

Image Run::picture(const swag_context* context) const {
  Pixels pixels(output_h_, output_w_, true);  // the content has alpha, or margins
  swag_image view = pixels.view();
  checked(swag_get_image(context, &view));
  return pixels.image();
}

void Run::save_grid(const Image& picture) {
  files_.save_grid([&] {
    std::vector<Image> row;
    for (size_t i = 0; i < paths_.size(); ++i) row.push_back(images_[i].image());
    row.push_back(picture);
    return side_by_side(row);
  });
}

/// Whether a run that began with the content left it as it was, for an eye.
bool Run::hardly_changed(const Image& picture) const {
  constexpr double kNothing = 1.5 / 255;  // mean difference of a value
  if (settings_.api.init != SWAG_INIT_CONTENT || settings_.api.iterations == 0) return false;
  const StylizeOptions options = stylize_options(settings_.options());
  const Image start = resize(fit_to_shape(images_[0].image(), {picture.h, picture.w}, options.fit), picture.h,
                             picture.w, options.resample);
  double sum = 0, seen = 0;
  for (size_t i = 0; i < picture.rgb.size(); ++i) {
    if (!picture.alpha.empty() && picture.alpha[i / 3] == 0) continue;
    sum += std::fabs(picture.rgb[i] - start.rgb[i]);
    ++seen;
  }
  return sum < kNothing * seen;
}

int Run::finish(swag_status status, const std::string& reason, const swag_progress& progress) {
  const int signal = InterruptGuard::signal();
  if (status != SWAG_OK) complain(reason + "; " + files_.saved() + " is the best picture so far");
  if (log_missing_ || files_.missing()) return static_cast<int>(Status::kOutput);
  if (status != SWAG_OK) return status == SWAG_INTERRUPTED && signal != 0 ? 128 + signal : status;
  char numbers[160];
  std::snprintf(numbers, sizeof numbers, "%dx%d, %lld evaluations, %.1f s, loss %.4g", output_w_, output_h_,
                static_cast<long long>(progress.evaluations), total_.seconds(), progress.loss);
  bar_.message(files_.saved() + ": " + numbers);
  return 0;
}

int Run::run() {
  load_images();
  make_model();
  files_.describe(description());  // not in the end, where memory may be short
  bar_.begin();
  swag_options options = settings_.options();
  options.progress = on_progress;
  options.log = on_log;
  options.progress_user = options.log_user = this;
  swag_context* begun = nullptr;
  const swag_image* init = settings_.init_image.empty() ? nullptr : &views_.back();
  checked(swag_begin(model_.get(), &options, &views_[0], &views_[1], static_cast<int>(paths_.size()) - 1,
                     init, &begun));
  ContextHandle context(begun, swag_end);
  for (const std::string& note : notes_) on_log(SWAG_LOG_WARNING, note.c_str(), this);
  if (settings_.preset_by_weights) {
    const std::string said =
        "options not given are those of --preset " + settings_.preset + ", which suits " +
        (is_weight_file(settings_.weights) ? bare_name(settings_.weights) : settings_.weights + " weights");
    on_log(SWAG_LOG_INFO, said.c_str(), this);
  }
  if (!settings_.save_weights.empty()) check(swag_model_save(model_.get(), settings_.save_weights.c_str()));
  if (!settings_.log.empty()) log_.open(settings_.log, settings_.overwrite);
  guard_.remember();

  swag_progress progress = {};
  const swag_status status = optimise(context.get(), progress);
  const std::string reason = status == SWAG_OK ? "" : swag_last_error();
  const bool stopped = status == SWAG_OK || status == SWAG_INTERRUPTED || status == SWAG_DIVERGED;
  if (!stopped && progress.evaluations == 0) checked(status);  // nothing was painted yet
  Image best;
  try {
    best = picture(context.get());
  } catch (const std::exception&) {
    if (stopped) throw;
    throw Error(static_cast<Status>(status), reason);
  }
  context.reset();  // its memory may be needed to write the picture
  files_.save(best);
  if (!best.alpha.empty() && loses_alpha(files_.saved())) {
    on_log(SWAG_LOG_INFO,
           (files_.saved() + ": what is transparent is white in a JPEG; a PNG keeps it").c_str(), this);
  }
  if (!settings_.grid.empty()) save_grid(best);
  if (status == SWAG_OK && hardly_changed(best)) {
    on_log(
        SWAG_LOG_WARNING,
        "the picture hardly changed; give the style more say (--style-weight, ten times as much), the "
        "content less (--content-weight 0.01, where it is nearly flat), or start from noise (--init random)",
        this);
  }
  return finish(status, reason, progress);
}

}  // namespace

int run_command(const Arguments& arguments) {
  std::optional<Request> request = parse_request(arguments);
  if (!request) return 0;
  if (request->show_options) {
    expand(request->settings);
    resolve_weights(request->settings);
    std::printf("%s\n", json_text(to_json(request->settings), 2).c_str());
    return 0;
  }
  check_request(*request);
  expand(request->settings);
  check_run_files(request->settings, request->images, request->options_from);
  return Run(*request).run();
}

}  // namespace swag::cli
