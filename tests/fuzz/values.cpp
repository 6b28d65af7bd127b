// Text to single values: numbers, lists, sizes, names.
#include <cmath>

#include "src/cli/weights_search.h"
#include "src/network/graph.h"
#include "src/run/options.h"
#include "tests/fuzz/fuzz.h"

using namespace swag;

namespace {

template <typename Parse>
void usage(Parse&& parse) {
  fuzz::answers({Status::kUsage}, parse);
}

void check_numbers(const std::string& text) {
  const Range range{-1e300, 1e300};
  usage([&] {
    const double value = parse_number(text, range);
    fuzz::require(std::isfinite(value), "a number is finite", text);
    fuzz::require(parse_number(number_text(value), range) == value, "a number reads back as itself", text);
  });
  usage([&] {
    const int value = parse_integer(text, {-2147483648.0, 2147483647.0});
    fuzz::require(std::to_string(value) == number_text(value) || std::abs(value) > 99999,
                  "and so does an integer");
  });
  usage(
      [&] { fuzz::require(std::to_string(parse_seed(text)).size() <= text.size(), "a seed is its digits"); });
  usage([&] { parse_numbers(text, range); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_numbers(text);
  usage([&] {
    fuzz::require(text.empty() || joined(parse_list(text), ",") == text, "a list is its items", text);
  });
  usage([&] {
    const SizeRule rule = parse_size(text);
    fuzz::require(rule.original || parse_size(size_text(rule)).longest == rule.longest, "a size reads back",
                  text);
    const Size target = target_size(rule, 3, 5);
    fuzz::require(target.h > 0 && target.w > 0, "a size has pixels", text);
  });
  usage([&] {
    uint64_t seed = 0;
    cli::parse_splitmix(text, seed);
  });
  usage([&] { find_preset(text); });
  usage([&] { parse_init(text); });
  usage([&] { parse_optimizer(text); });
  usage([&] { parse_conv(text); });
  usage([&] { parse_loss(text); });
  usage([&] { parse_smoothing(text); });
  static const Graph kGraph = make_network("resnet18");
  usage([&] { kGraph.tap_node(text); });
  usage([&] { make_network(text); });
  return 0;
}
