// A file of options: applied, spelt out, written down and read back.
#include "src/cli/settings.h"
#include "tests/fuzz/fuzz.h"

using namespace swag;
using namespace swag::cli;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Settings settings;
  const bool good = fuzz::answers({Status::kUsage}, [&] {
    apply_json(settings, text, "options.json");
    expand(settings);
  });
  if (!good) return 0;
  const auto replace = nlohmann::ordered_json::error_handler_t::replace;
  const std::string written = to_json(settings).dump(2, ' ', false, replace);
  Settings again;
  const bool same = fuzz::answers({Status::kUsage}, [&] {
    apply_json(again, written, "written.json");
    expand(again);
  });
  fuzz::require(same, "options that were accepted are accepted again", written);
  const std::string twice = to_json(again).dump(2, ' ', false, replace);
  fuzz::require(twice == written, "options that are written and read back stay as they are", written + twice);
  return 0;
}
