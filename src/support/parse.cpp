#include "src/support/parse.h"

#include <charconv>
#include <cmath>

#include "src/support/error.h"
#include "src/support/printable.h"

namespace swag {
namespace {

[[noreturn]] void refuse(const std::string& text, const std::string& allowed) {
  throw Error(Status::kUsage, "'" + printable(text) + "' is not " + allowed);
}

/// False unless the whole text is one number of T.
template <typename T>
bool read_whole(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

bool Range::contains(double value) const {
  return (above_low ? value > low : value >= low) && (below_high ? value < high : value <= high);
}

std::string Range::text() const {
  const std::string from = number_text(low), to = number_text(high);
  if (above_low) return "above " + from + (below_high ? " and below " : " and up to ") + to;
  return "from " + from + (below_high ? " to below " : " to ") + to;
}

double parse_number(const std::string& text, const Range& range) {
  double value = 0;
  if (!read_whole(text, value) || !range.contains(value)) refuse(text, "a number " + range.text());
  return value;
}

int parse_integer(const std::string& text, const Range& range) {
  int value = 0;
  if (!read_whole(text, value) || !range.contains(value)) refuse(text, "a whole number " + range.text());
  return value;
}

uint64_t parse_seed(const std::string& text) {
  uint64_t value = 0;
  if (!read_whole(text, value)) refuse(text, "a whole number from 0 to 18446744073709551615");
  return value;
}

std::vector<std::string> parse_list(const std::string& text) {
  std::vector<std::string> items;
  if (text.empty()) return items;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    items.push_back(text.substr(begin, end - begin));
    if (items.back().empty()) refuse(text, "a list with commas between its items");
    begin = end + 1;
  }
  return items;
}

std::vector<double> parse_numbers(const std::string& text, const Range& range) {
  std::vector<double> numbers;
  for (const std::string& item : parse_list(text)) numbers.push_back(parse_number(item, range));
  return numbers;
}

std::string joined(const std::vector<std::string>& items, const std::string& separator) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : separator) + item;
  return text;
}

std::string number_text(double value) {
  char buffer[32];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

}  // namespace swag
