// Checks of options' values, with messages that name the option.
#pragma once
#include <string>
#include <vector>

#include "src/support/parse.h"

namespace swag {

/// Throws Error(kUsage): "--OPTION: PROBLEM".
[[noreturn]] void refuse_option(const std::string& option, const std::string& problem);

/// Throws Error(kUsage) unless the range has the value.
void check_option(const char* option, double value, const Range& range);

/// One weight of the range for each of `count` layers (0: for any number), or none at all; not all 0.
void check_weights(const char* option, const std::vector<double>& weights, size_t count, const Range& range);

}  // namespace swag
