// `swag devices`: where swag can compute.
#include <cstdio>

#include "src/backend/device_plugin.h"
#include "src/cli/command.h"

namespace swag::cli {

int devices_command(const Arguments& arguments) {
  Parser parser("devices", "swag devices", "Where swag can compute; for --device.");
  if (!parser.parse(arguments)) return 0;
  for (const DeviceReport& device : list_devices()) {
    std::printf(device.usable ? "%-11s %s\n" : "%-11s -  (%s)\n", device.name.c_str(), device.detail.c_str());
  }
  return 0;
}

}  // namespace swag::cli
