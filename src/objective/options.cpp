#include "src/objective/options.h"

#include "src/support/names.h"
#include "src/support/option_check.h"

namespace swag {
namespace {

constexpr Named<Smoothing> kSmoothings[] = {{Smoothing::kNone, "none"},
                                            {Smoothing::kSoftmax, "softmax"},
                                            {Smoothing::kChannel, "channel"},
                                            {Smoothing::kScale, "scale"}};
constexpr Named<LossMode> kLosses[] = {{LossMode::kPaper, "paper"},
                                       {LossMode::kAuthors, "authors"},
                                       {LossMode::kBalanced, "balanced"},
                                       {LossMode::kMse, "mse"}};
constexpr Named<StyleLossKind> kStyleLosses[] = {{StyleLossKind::kGram, "gram"},
                                                 {StyleLossKind::kWasserstein, "wasserstein"}};
constexpr Named<TvStencil> kTvStencils[] = {{TvStencil::kFivePoint, "five-point"},
                                            {TvStencil::kNinePoint, "nine-point"}};

}  // namespace

void ObjectiveOptions::validate() const {
  check_option("content-weight", content_weight, ranges::kWeight);
  check_option("style-weight", style_weight, ranges::kWeight);
  check_option("tv-weight", tv_weight, ranges::kWeight);
  if (!(content_weight + style_weight + tv_weight > 0)) {
    refuse_option("style-weight",
                  "content, style and total variation all have weight 0; nothing is left to optimise");
  }
  check_weights("style-layer-weights", style_layer_weights, style_layers.size(), ranges::kWeight);
  check_weights("content-layer-weights", content_layer_weights, content_layers.size(), ranges::kWeight);
  if (temperature != 0) check_option("temperature", temperature, ranges::kTemperature);
  const bool has_entropy = smoothing == Smoothing::kSoftmax || smoothing == Smoothing::kChannel;
  if (temperature == 0 && !has_entropy) {
    refuse_option("temperature", std::string("'auto' is for the smoothings softmax and channel, not for '") +
                                     name_of(smoothing) + "'; give a number");
  }
  check_option("entropy", entropy, ranges::kEntropy);
}

const char* name_of(Smoothing value) { return name_in(kSmoothings, value); }
const char* name_of(LossMode value) { return name_in(kLosses, value); }
const char* name_of(StyleLossKind value) { return name_in(kStyleLosses, value); }
const char* name_of(TvStencil value) { return name_in(kTvStencils, value); }
Smoothing parse_smoothing(const std::string& name) { return value_in(kSmoothings, name); }
LossMode parse_loss(const std::string& name) { return value_in(kLosses, name); }
StyleLossKind parse_style_loss(const std::string& name) { return value_in(kStyleLosses, name); }
TvStencil parse_tv_stencil(const std::string& name) { return value_in(kTvStencils, name); }

}  // namespace swag
