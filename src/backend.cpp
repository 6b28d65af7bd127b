// Which device a name means.
#include "src/error.h"
#include "src/stylizer.h"

namespace swag {

std::unique_ptr<Backend> make_backend(const std::string& device, int threads) {
  if (device == "cpu" || device == "auto") return make_cpu_backend(threads);
  if (device == "emulator") {
    throw Error(Status::kDevice,
                "device 'emulator' is not built in: it belongs to the test build; use --device cpu");
  }
  const bool cuda = device == "cuda" || (device.compare(0, 5, "cuda:") == 0 && device.size() > 5 &&
                                         device.find_first_not_of("0123456789", 5) == std::string::npos);
  if (cuda) throw Error(Status::kDevice, "device '" + device + "' is not built in; use --device cpu");
  throw Error(Status::kUsage, "unknown device '" + device + "'; there are cpu, auto, cuda, cuda:N");
}

}  // namespace swag
