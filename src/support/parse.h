// Text of people to values, strictly: the whole text must be one number, and what is not allowed is said.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace swag {

/// The numbers an option may have, for the library's check and for the command line's.
struct Range {
  double low = 0, high = 0;
  bool above_low = false;   // `low` itself is not allowed
  bool below_high = false;  // nor is `high`

  bool contains(double value) const;  // false for NaN
  std::string text() const;           // "from 1 to 1000", "above 0 and up to 16"
};

// The parsers throw Error(kUsage) in the form "'TEXT' is not WHAT IS ALLOWED"; the caller puts the option's
// name before it.

/// A decimal number, 1e3 too, whatever the locale; infinities and NaN are none.
double parse_number(const std::string& text, const Range& range);

/// A whole number; the range must be one that int holds.
int parse_integer(const std::string& text, const Range& range);

/// A whole number from 0 to 2^64 - 1.
uint64_t parse_seed(const std::string& text);

/// The items between commas. An empty text is an empty list, an empty item an error.
std::vector<std::string> parse_list(const std::string& text);
std::vector<double> parse_numbers(const std::string& text, const Range& range);

/// "a, b, c"
std::string joined(const std::vector<std::string>& items, const std::string& separator = ", ");

/// The shortest text that reads back as the same number: "0.001", "1e+17".
std::string number_text(double value);

}  // namespace swag
