#include "src/run/stylizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "src/image/resize.h"
#include "src/objective/evaluation.h"
#include "src/run/calibration.h"
#include "src/run/memory.h"
#include "src/run/pixels.h"
#include "src/run/plan.h"
#include "src/support/error.h"

namespace swag {
namespace {

constexpr int kMostRestarts = 3;  // after divergences, per scale
constexpr double kBlownUp = 1e3;  // times the first loss of the scale: the run has left for noise
constexpr double kNoise = 0.5;    // deviation of a random start, in normalised pixels

/// Adam's moments on their way to the next scale, where they go on, resized like the image. L-BFGS carries
/// nothing.
struct CarriedMoments {
  OwnedTensor first, second;
  int64_t steps = 0;
};

/// Weights of the style images that sum to 1.
std::vector<double> normalized_blend(std::vector<double> blend, size_t styles) {
  if (blend.empty()) blend.assign(styles, 1.0);
  if (blend.size() != styles) {
    throw Error(Status::kUsage, "--style-blend has " + std::to_string(blend.size()) + " numbers for " +
                                    std::to_string(styles) + " style images; give one per image");
  }
  const double sum = std::accumulate(blend.begin(), blend.end(), 0.0);
  if (!(sum > 0))
    throw Error(Status::kUsage, "--style-blend is 0 for every style image; one must be positive");
  for (double& weight : blend) weight /= sum;
  return blend;
}

}  // namespace

struct Stylizer::State {
  std::shared_ptr<const Model> model;
  Graph graph;  // the model's, as the options want its padding
  std::unique_ptr<Backend> backend;
  StylizeOptions options;
  Callbacks callbacks;
  Image content, init_image;
  std::vector<Image> styles;
  std::vector<double> blend;
  std::vector<Size> sizes;
  DType dtype = DType::kFloat32;  // of pixels

  std::unique_ptr<PreparedNetwork> network;
  // Of the scale that runs; both null when the next one could not be prepared.
  std::unique_ptr<Evaluation> evaluation;
  std::unique_ptr<Optimizer> optimizer;
  std::vector<float> alpha;        // of the content at this scale, empty: opaque
  CarriedMoments carried;          // from the scale before
  OwnedTensor best;                // the lowest loss of this scale so far, or its start
  double best_loss = INFINITY;     // of `best`, INFINITY before the first evaluation
  OwnedTensor average;             // of this scale's iterates, if there is to be one
  int64_t averaged = 0;            // how many
  double first_loss = 0;           // of this scale
  int restarts = 0;                // of this scale
  int64_t evaluations_before = 0;  // this scale
  Progress progress;

  void log(LogLevel level, const std::string& message) const {
    if (callbacks.log) callbacks.log(level, message);
  }
  Objective objective() const { return Objective(*backend, graph, dtype, options.objective); }
  /// What the run would show now.
  const OwnedTensor& result() const { return average.buffer ? average : best; }

  Image resized(const Image& image, Size size) const {
    return resize(image, size.h, size.w, options.resample);
  }
  Image fitted(Image image, Size output, const std::string& what) const;
  OwnedTensor start_pixels(Size size) const;
  std::vector<double> scales(DType maps, int last) const;
  std::unique_ptr<Evaluation> make_evaluation(Size size, std::vector<float>& content_alpha);
  void start_scale(int scale);
  CarriedMoments carry_moments(Size size) const;
  void set_moments(Optimizer& optimizer) const;
  int iterations_of(int scale) const {
    const bool initial = scale == 0 && options.initial_iterations > 0;
    return initial ? options.initial_iterations : options.iterations;
  }
  void next_scale();
  bool evaluate();
  void take_into_average();
  void go_back(double loss);
  double scale_fraction() const;
  void update_progress();
};

Stylizer::Stylizer(std::shared_ptr<const Model> model, std::unique_ptr<Backend> backend,
                   const StylizeOptions& options, Image content, std::vector<Image> styles,
                   const Image* init_image, const Callbacks& callbacks)
    : state_(new State) {
  options.validate();
  State& s = *state_;
  s.model = std::move(model);
  s.graph = graph_for(s.model->graph, options);
  s.backend = std::move(backend);
  s.options = options;
  s.callbacks = callbacks;
  s.styles = std::move(styles);
  const DType maps = dtype_of(precision_on(*s.backend, options.wanted_precision()));
  s.dtype = arithmetic_of(maps);
  if (const std::string note = precision_note(*s.backend, options.wanted_precision()); !note.empty()) {
    s.log(LogLevel::kWarning, note);
  }
  if (s.styles.empty()) throw Error(Status::kUsage, "a style image is needed");
  if ((options.init == Init::kImage) != (init_image != nullptr)) {
    throw Error(Status::kUsage, "--init image and an initial image go together");
  }
  const Size output = scale_sizes(options, {content.h, content.w}).back();
  s.content = s.fitted(std::move(content), output, "content image");
  if (init_image) {
    check_visible(*init_image, "initial image");
    s.init_image = s.fitted(*init_image, output, "initial image");
  }
  s.blend = normalized_blend(options.style_blend, s.styles.size());
  const int last = s.objective().deepest();
  check_images(s.graph, last, options, s.content, s.styles);
  s.sizes = usable_scales(s.graph, last, options, s.content, s.styles);
  s.network = std::make_unique<PreparedNetwork>(*s.backend, s.graph, s.model->weights, maps, last, true,
                                                LoweringOptions::with(options.conv), s.scales(maps, last));
  check_memory(*s.network, options, s.sizes.back(), s.content, s.styles);
  s.progress.scales = static_cast<int>(s.sizes.size());
  s.start_scale(0);
}

Stylizer::~Stylizer() = default;

/// In the output's shape; says what became of one that has another.
Image Stylizer::State::fitted(Image image, Size output, const std::string& what) const {
  const Size size{image.h, image.w};
  if (same_shape(size, output)) return image;
  const char* const done = options.fit == Fit::kStretch ? "it is stretched"
                           : options.fit == Fit::kCrop  ? "its middle is taken"
                                                        : "it gets transparent margins";
  log(LogLevel::kInfo, what + ": " + text_of(size) + " is of another shape than the output, " +
                           text_of(output) + "; " + done + " (--fit " + name_of(options.fit) + ")");
  return fit_to_shape(image, output, options.fit);
}

OwnedTensor Stylizer::State::start_pixels(Size size) const {
  if (best.buffer) {  // from the scale before
    const Tensor& before = result().tensor;
    fill_invisible_pixels(*backend, before, alpha);  // which was not looked at there
    return resized_map(*backend, before, size);
  }
  if (options.init == Init::kRandom) {
    std::mt19937_64 generator(options.seed);
    std::normal_distribution<double> normal(0, kNoise);
    OwnedTensor x(*backend, dtype, {size.h, size.w, 3});
    std::vector<double> values(x.tensor.count());
    for (double& value : values) value = normal(generator);
    upload_values(*backend, x.tensor, values);
    return x;
  }
  return normalized_pixels(*backend, dtype,
                           resized(options.init == Init::kImage ? init_image : content, size));
}

/// Of maps in half precision, by the pictures at the first scale, or at what is enough to know their
/// features' size.
std::vector<double> Stylizer::State::scales(DType maps, int last) const {
  if (maps != DType::kFloat16) return {};
  constexpr int kEnough = 512;
  Size size = sizes.front();
  if (std::max(size.h, size.w) > kEnough) {
    SizeRule rule;
    rule.longest = kEnough;
    const Size smaller = target_size(rule, size.h, size.w);
    if (reaches_node(graph, smaller, last)) size = smaller;
  }
  std::vector<OwnedTensor> pictures;
  std::vector<Tensor> views;
  const auto add = [&](const Image& image, Size at) {
    pictures.push_back(normalized_pixels(*backend, dtype, resized(image, at)));
    views.push_back(pictures.back().tensor);
  };
  add(content, size);
  for (const Image& style : styles) add(style, style_size(options, size, {style.h, style.w}));
  return calibrated_scales(*backend, graph, model->weights, maps, last, views);
}

std::unique_ptr<Evaluation> Stylizer::State::make_evaluation(Size size, std::vector<float>& content_alpha) {
  OwnedTensor x_content;
  {
    Image sized = resized(content, size);
    x_content = normalized_pixels(*backend, dtype, sized);
    content_alpha = std::move(sized.alpha);
  }
  std::vector<OwnedTensor> x_styles;
  Targets targets;
  targets.content = x_content.tensor;
  targets.content_alpha = content_alpha;
  targets.blend = blend;
  for (const Image& style : styles) {
    Image sized = resized(style, style_size(options, size, {style.h, style.w}));
    x_styles.push_back(normalized_pixels(*backend, dtype, sized));
    targets.styles.push_back(x_styles.back().tensor);
    targets.style_alphas.push_back(std::move(sized.alpha));
  }
  return std::make_unique<Evaluation>(*network, objective(), targets, [this](const std::string& message) {
    log(LogLevel::kWarning, message);
  });
}

/// The scale begins, or an error leaves the best image as it is, so that this can be tried again.
void Stylizer::State::start_scale(int scale) {
  const Size size = sizes[scale];
  evaluation.reset();  // its memory goes before the next one's comes
  if (optimizer) carried = carry_moments(size);
  optimizer.reset();
  OwnedTensor start = start_pixels(size);
  std::vector<float> content_alpha;
  std::unique_ptr<Evaluation> next = make_evaluation(size, content_alpha);
  fill_invisible_pixels(*backend, start.tensor, content_alpha);
  if (options.clamp) clamp_pixels(*backend, start.tensor);
  OwnedTensor mean;
  if (options.average > 0) mean = OwnedTensor(*backend, dtype, start.tensor.shape);
  optimizer = make_optimizer(optimizer_options(options), *backend, start.tensor);
  set_moments(*optimizer);

  evaluation = std::move(next);
  alpha = std::move(content_alpha);
  carried = {};
  best = std::move(start);
  average = std::move(mean);
  averaged = 0;
  if (average.buffer) take_into_average();
  best_loss = INFINITY;
  restarts = 0;
  evaluations_before = progress.evaluations;
  progress.scale = scale;
  progress.width = size.w;
  progress.height = size.h;
  progress.iteration = 0;
  progress.iterations = iterations_of(scale);
  update_progress();
  log(LogLevel::kVerbose, "scale " + std::to_string(scale + 1) + "/" + std::to_string(sizes.size()) + ", " +
                              text_of(size) + ", arena " + std::to_string(evaluation->arena_bytes() >> 20) +
                              " MiB");
}

void Stylizer::State::next_scale() {
  if (progress.scale + 1 == progress.scales) {
    progress.done = true;
    update_progress();
    return;
  }
  start_scale(progress.scale + 1);
}

CarriedMoments Stylizer::State::carry_moments(Size size) const {
  CarriedMoments carried;
  if (const auto* adam = dynamic_cast<const Adam*>(optimizer.get())) {
    carried.first = resized_map(*backend, adam->first_moment(), size);
    carried.second =
        resized_map(*backend, adam->second_moment(), size, 0);  // bicubic may undershoot a square
    carried.steps = adam->moment_steps();
  }
  return carried;
}

void Stylizer::State::set_moments(Optimizer& optimizer) const {
  auto* adam = dynamic_cast<Adam*>(&optimizer);
  if (!adam || carried.steps == 0) return;
  adam->set_moments(carried.first.tensor, carried.second.tensor, carried.steps);
}

// ---------------------------------------------------------------- steps

/// The first line searches take several evaluations, later ones hardly more than one: measured, not derived.
double Stylizer::State::scale_fraction() const {
  if (progress.iterations == 0) return 0;
  const double evaluations = static_cast<double>(progress.evaluations - evaluations_before);
  const double by_evaluations = std::min(0.99, evaluations / (1.1 * progress.iterations + 5));
  return std::max(by_evaluations, static_cast<double>(progress.iteration) / progress.iterations);
}

void Stylizer::State::update_progress() {
  double total = 0, finished = 0;
  for (int i = 0; i < progress.scales; ++i) {
    const double work = static_cast<double>(sizes[i].h) * sizes[i].w * iterations_of(i);
    total += work;
    if (i < progress.scale) finished += work;
    if (i == progress.scale) finished += work * scale_fraction();
  }
  progress.fraction = progress.done ? 1.0 : total > 0 ? finished / total : 0;
}

/// One evaluation, told to the optimiser. Returns false when the state had to go back to the best one.
bool Stylizer::State::evaluate() {
  const Tensor& x = optimizer->ask();
  evaluation->run(x);
  const ProfileRange range(*backend, "optimiser");
  optimizer->measure(evaluation->report(), evaluation->gradient());
  GradientReport report;
  const LossValues losses = evaluation->read(&report);
  ++progress.evaluations;
  progress.loss = losses.total;
  progress.content_loss = losses.content;
  progress.style_loss = losses.style;
  progress.tv_loss = losses.tv;
  const bool first = std::isinf(best_loss);
  if (first) first_loss = losses.total;
  const bool finite = std::isfinite(losses.total) && std::isfinite(report.norms.max_abs);
  const bool good = finite && (first_loss <= 0 || losses.total <= kBlownUp * first_loss);
  if (!good && !optimizer->in_line_search()) {  // a line search shortens its step by itself
    go_back(losses.total);
    return false;
  }
  if (finite && losses.total < best_loss) {
    best_loss = losses.total;
    backend->copy(best.tensor.data, x.data, best.buffer.bytes());
  }
  const int64_t before = optimizer->iterations();
  optimizer->tell(losses.total, report, evaluation->gradient());
  if (average.buffer && optimizer->iterations() > before) take_into_average();
  return true;
}

/// The exponential average of the iterates, corrected for its start as Adam's moments are.
void Stylizer::State::take_into_average() {
  ++averaged;
  const double weight =
      (1 - options.average) / (1 - std::pow(options.average, static_cast<double>(averaged)));
  if (averaged == 1) {
    backend->copy(average.tensor.data, optimizer->iterate().data, average.buffer.bytes());
  } else {
    backend->lerp(average.tensor, optimizer->iterate(), weight);
  }
}

void Stylizer::State::go_back(double loss) {
  const std::string where = "the loss became " + std::to_string(loss) + " at scale " +
                            std::to_string(progress.scale + 1) + ", step " +
                            std::to_string(progress.iteration);
  if (std::isinf(best_loss))
    throw Error(Status::kDiverged, where + ", at its first evaluation; check the weights");
  if (restarts++ >= kMostRestarts) {
    throw Error(Status::kDiverged, where + ", again after " + std::to_string(kMostRestarts) +
                                       " restarts; try --optimizer lbfgs or a smaller --style-weight");
  }
  log(LogLevel::kWarning, where + ": back to the best state, loss " + std::to_string(best_loss));
  optimizer->restart(best.tensor);
  averaged = 0;
  if (average.buffer) take_into_average();
}

Progress Stylizer::step() {
  State& s = *state_;
  while (!s.progress.done && s.progress.iteration >= s.progress.iterations) s.next_scale();
  if (s.progress.done) return s.progress;

  const int64_t before = s.optimizer->iterations();
  bool told = false;
  do {
    told = s.evaluate();
    s.progress.iteration += static_cast<int>(s.optimizer->iterations() - before) > 0 ? 1 : 0;
    s.update_progress();
    if (s.callbacks.progress && !s.callbacks.progress(s.progress)) {
      throw Error(Status::kInterrupted, "interrupted");
    }
  } while (told && s.optimizer->iterations() == before && !s.optimizer->converged());

  if (s.optimizer->converged()) {
    s.log(LogLevel::kVerbose, "no further descent after " + std::to_string(s.progress.iteration) + " steps");
    s.progress.iteration = s.progress.iterations;
  }
  while (!s.progress.done && s.progress.iteration >= s.progress.iterations) s.next_scale();
  return s.progress;
}

const Progress& Stylizer::progress() const { return state_->progress; }

Image Stylizer::image() const {
  const State& s = *state_;
  Image picture = picture_of(*s.backend, s.result().tensor);
  picture.alpha = s.alpha;
  picture = s.resized(picture, s.sizes.back());  // and what cannot be seen filled
  if (!s.alpha.empty()) picture.alpha = s.resized(s.content, s.sizes.back()).alpha;
  return picture;
}

std::string Stylizer::description() const {
  return state_->model->graph.network + ", " + state_->model->weights.source + ", " +
         state_->backend->description();
}

}  // namespace swag
