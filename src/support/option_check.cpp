#include "src/support/option_check.h"

#include <algorithm>

#include "src/support/error.h"

namespace swag {

void refuse_option(const std::string& option, const std::string& problem) {
  throw Error(Status::kUsage, "--" + option + ": " + problem);
}

void check_option(const char* option, double value, const Range& range) {
  if (!range.contains(value))
    refuse_option(option, "'" + number_text(value) + "' is not a number " + range.text());
}

void check_weights(const char* option, const std::vector<double>& weights, size_t count, const Range& range) {
  if (weights.empty()) return;
  if (count > 0 && weights.size() != count) {
    refuse_option(option, std::to_string(weights.size()) + " numbers for " + std::to_string(count) +
                              " layers; give one for each layer");
  }
  for (double weight : weights) check_option(option, weight, range);
  const bool any = std::any_of(weights.begin(), weights.end(), [](double weight) { return weight > 0; });
  if (!any) refuse_option(option, "every number is 0; one at least must be larger");
}

}  // namespace swag
