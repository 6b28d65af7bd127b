// `swag devices`: where swag can compute.
#include <cstdio>

#include "src/cli/command.h"
#include "src/error.h"
#include "src/stylizer.h"

namespace swag::cli {

int devices_command(const Arguments& arguments) {
  CLI::App app("", "devices");
  set_up(app, "swag devices", "Where swag can compute; for --device.");
  if (!parse(app, arguments)) return 0;
  for (const char* device : {"cpu", "cuda", "emulator"}) {
    try {
      std::printf("%-9s %s\n", device, make_backend(device, 0)->description().c_str());
    } catch (const Error& error) {
      std::printf("%-9s -  (%s)\n", device, error.what());
    }
  }
  return 0;
}

}  // namespace swag::cli
