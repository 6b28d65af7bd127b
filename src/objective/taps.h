// The taps of an objective: which layers are compared, for what, how smoothed, and with what weight.
#pragma once
#include <string>
#include <vector>

#include "src/network/graph.h"
#include "src/objective/options.h"
#include "src/objective/smoothing.h"

namespace swag {

/// A layer that is compared: for style, for content or for both.
struct Tap {
  std::string name;
  int node = 0;
  int style = -1;  // index among the style taps, -1: not one
  bool content = false;
  double style_weight = 0;    // w_l
  double content_weight = 0;  // its share of the content loss, they sum to 1
  TapSmoothing smoothing;     // an auto temperature is 0 until it is settled
};

/// Names and weights of the options, or the network's own. Throws Error(kUsage).
std::vector<Tap> resolve_taps(const Graph& graph, const ObjectiveOptions& options);

}  // namespace swag
