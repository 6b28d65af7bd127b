// What the objective is asked to compare.
#pragma once
#include <string>
#include <vector>

#include "src/support/parse.h"  // Range

namespace swag {

enum class Smoothing { kNone, kSoftmax, kChannel, kScale };
enum class LossMode { kPaper, kAuthors, kBalanced, kMse };
enum class StyleLossKind { kGram, kWasserstein };
enum class TvStencil { kFivePoint, kNinePoint };

/// Whether a loss says the same at every size of an image, so that one may go from coarse to fine.
inline bool is_size_free(LossMode loss) { return loss == LossMode::kBalanced || loss == LossMode::kMse; }

/// What the loss `balanced` divides by is this at least.
constexpr double kDenominatorFloor = 1e-30;

/// The numbers each option may have.
namespace ranges {
constexpr Range kWeight{0, 1e30};
constexpr Range kTemperature{0, 1e30, true};
constexpr Range kEntropy{0, 1, true, true};
}  // namespace ranges

/// What the losses compare; the formulas are in docs/objective.md.
struct ObjectiveOptions {
  LossMode loss = LossMode::kBalanced;
  StyleLossKind style_loss = StyleLossKind::kGram;
  double content_weight = 1;
  double style_weight = 10;
  double tv_weight = 0;  // of the mean squared difference of neighbouring pixels
  TvStencil tv_stencil = TvStencil::kFivePoint;
  std::vector<std::string> style_layers;      // empty: the network's
  std::vector<double> style_layer_weights;    // empty: 1 each
  std::vector<std::string> content_layers;    // empty: the network's
  std::vector<double> content_layer_weights;  // empty: 1 each
  Smoothing smoothing = Smoothing::kNone;
  std::vector<std::string> smoothing_layers;  // empty: all style and content layers
  double temperature = 1;                     // 0: auto, the one that gives `entropy`
  double entropy = 0.99;

  /// Throws Error(kUsage) naming the option, its value and what is allowed.
  void validate() const;
};

// Names of the command line and of JSON <-> values. The parsers throw Error(kUsage) that lists the names.
const char* name_of(Smoothing value);
const char* name_of(LossMode value);
const char* name_of(StyleLossKind value);
const char* name_of(TvStencil value);
Smoothing parse_smoothing(const std::string& name);
LossMode parse_loss(const std::string& name);
StyleLossKind parse_style_loss(const std::string& name);
TvStencil parse_tv_stencil(const std::string& name);

}  // namespace swag
