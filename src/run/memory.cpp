#include "src/run/memory.h"

#include <algorithm>

#include "src/objective/evaluation.h"
#include "src/optimizers/make_optimizer.h"
#include "src/run/plan.h"
#include "src/support/error.h"
#include "src/support/host_memory.h"

namespace swag {
namespace {

constexpr int64_t kOwn = 8 << 20;     // stacks, tables, whatever is small
constexpr int64_t kHostPixel = 24;    // bytes of a picture's pixel while it is resized: two maps of floats
constexpr int64_t kOutputPixel = 48;  // while the result is handed over, in four such maps

/// One image's way through the network without a way back: what of it is alive at once.
struct Pass {
  int64_t arena = 0;
  std::vector<Shape> shapes;  // of the taps
};

Pass pass_of(const PreparedNetwork& network, const Objective& objective, Size size) {
  ArenaPlan plan;
  const Executor executor(network, size.h, size.w, objective.nodes(), false, plan);
  Pass pass;
  pass.arena = plan.place();
  for (const int node : objective.nodes()) pass.shapes.push_back(executor.shape(node));
  return pass;
}

class Needs {
 public:
  /// `alpha`: whether a picture has any. Then a tap's map and its gradient are gathered, of which all may be
  /// visible but a pixel.
  Needs(const PreparedNetwork& network, const StylizeOptions& options, bool alpha)
      : network_(network),
        backend_(network.backend()),
        options_(options),
        objective_(backend_, network.graph(), network.dtype(0), options.objective),
        element_(size_of(network.dtype(0))),
        alpha_(alpha) {}

  int64_t of_styles(const std::vector<Size>& sizes) const;
  int64_t of_content(Size size) const;
  int64_t of_evaluation(Size size) const;
  int64_t of_pixels(Size size) const { return int64_t{size.h} * size.w * 3 * element_; }

 private:
  int64_t map_bytes(const Shape& shape) const { return shape.count() * element_; }
  /// While the tap of a style image is summed up.
  int64_t style_tap_bytes(int tap, const Shape& shape) const;
  int64_t gathered_bytes(const std::vector<Shape>& shapes) const;
  /// What remains of the content.
  int64_t content_bytes(const std::vector<Shape>& shapes) const;

  const PreparedNetwork& network_;
  Backend& backend_;
  const StylizeOptions& options_;
  Objective objective_;
  int64_t element_;
  bool alpha_;
};

int64_t Needs::style_tap_bytes(int tap, const Shape& shape) const {
  const Tap& entry = objective_.taps()[tap];
  if (entry.style < 0) return 0;
  const int64_t smoothed = entry.smoothing.mode == Smoothing::kNone ? 0 : map_bytes(shape);
  const int64_t grams = int64_t{shape.c} * shape.c * 8 * 3;  // in the backend's memory and twice on the host
  return smoothed + grams + objective_.style_workspace_bytes(tap, shape);
}

int64_t Needs::gathered_bytes(const std::vector<Shape>& shapes) const {
  int64_t bytes = 0;
  for (const Shape& shape : shapes) bytes = std::max(bytes, map_bytes(shape));
  return alpha_ ? bytes : 0;
}

int64_t Needs::content_bytes(const std::vector<Shape>& shapes) const {
  int64_t bytes = 0;
  for (size_t t = 0; t < shapes.size(); ++t) bytes += objective_.taps()[t].content ? map_bytes(shapes[t]) : 0;
  return bytes;
}

int64_t Needs::of_styles(const std::vector<Size>& sizes) const {
  int64_t most = 0, kept = 0;
  for (const Size& size : sizes) {
    const Pass pass = pass_of(network_, objective_, size);
    int64_t tap_bytes = 0;
    for (size_t t = 0; t < pass.shapes.size(); ++t) {
      const int tap = static_cast<int>(t);
      tap_bytes = std::max(tap_bytes, style_tap_bytes(tap, pass.shapes[t]));
      // The temperatures of several styles are found on the maps of them all.
      if (sizes.size() > 1 && objective_.auto_temperature(tap)) kept += map_bytes(pass.shapes[t]);
    }
    most = std::max(most, pass.arena + tap_bytes + gathered_bytes(pass.shapes) +
                              objective_.style_target_bytes(pass.shapes));
  }
  return most + kept;
}

int64_t Needs::of_content(Size size) const {
  const Pass pass = pass_of(network_, objective_, size);
  return pass.arena + gathered_bytes(pass.shapes) + objective_.style_target_bytes(pass.shapes) +
         content_bytes(pass.shapes);
}

int64_t Needs::of_evaluation(Size size) const {
  Objective objective = Objective(backend_, network_.graph(), network_.dtype(0), options_.objective);
  ArenaPlan plan;
  const Executor executor(network_, size.h, size.w, objective.nodes(), true, plan);
  std::vector<Shape> shapes;
  for (const int node : objective.nodes()) shapes.push_back(executor.shape(node));
  objective.plan(plan, shapes);
  const int64_t output = int64_t{size.h} * size.w * kOutputPixel;
  return plan.place() + 2 * gathered_bytes(shapes) + objective.style_target_bytes(shapes) +
         content_bytes(shapes) + output +
         optimizer_bytes(optimizer_options(options_), backend_, network_.dtype(0), {size.h, size.w, 3});
}

std::vector<Size> style_sizes(const StylizeOptions& options, Size output, const std::vector<Image>& styles) {
  std::vector<Size> sizes;
  for (const Image& style : styles) sizes.push_back(style_size(options, output, {style.h, style.w}));
  return sizes;
}

Size with_longest(Size size, int longest) {
  SizeRule rule;
  rule.longest = longest;
  return target_size(rule, size.h, size.w);
}

}  // namespace

int64_t run_bytes(const PreparedNetwork& network, const StylizeOptions& options, Size output,
                  const std::vector<Size>& styles, bool alpha) {
  const Needs needs(network, options, alpha);
  const int own = options.average > 0 ? 3 : 2;  // the content's, the best one, the average
  int64_t images = own * needs.of_pixels(output);
  int64_t host = int64_t{output.h} * output.w * kHostPixel;
  for (const Size& size : styles) {
    images += needs.of_pixels(size);
    host = std::max(host, int64_t{size.h} * size.w * kHostPixel);
  }
  return kOwn + images +
         std::max({host, needs.of_styles(styles), needs.of_content(output), needs.of_evaluation(output)});
}

void check_memory(const PreparedNetwork& network, const StylizeOptions& options, Size output,
                  const Image& content, const std::vector<Image>& styles) {
  const auto has_alpha = [](const Image& image) { return !image.alpha.empty(); };
  const bool alpha = has_alpha(content) || std::any_of(styles.begin(), styles.end(), has_alpha);
  const int64_t available = network.backend().available_bytes();
  const int64_t need = run_bytes(network, options, output, style_sizes(options, output, styles), alpha);
  if (need <= available) return;
  const auto fits = [&](int longest) {
    const Size size = with_longest(output, longest);
    const std::vector<Size> sizes = style_sizes(options, size, styles);
    const auto reaches = [&](Size s) { return reaches_node(network.graph(), s, network.last()); };
    return reaches(size) && std::all_of(sizes.begin(), sizes.end(), reaches) &&
           run_bytes(network, options, size, sizes, alpha) <= available;
  };
  int low = 0, high = std::max(output.h, output.w);  // fits, does not fit
  while (high - low > std::max(1, high / 256)) {
    const int middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  throw Error(Status::kMemory,
              "an image of " + text_of(output) + " pixels needs " + mebibytes(need) + " MiB, " +
                  std::to_string(available >> 20) + " MiB are free; " +
                  (low > 0 ? "the largest --size that fits is " + std::to_string(low) : "no --size fits"));
}

}  // namespace swag
