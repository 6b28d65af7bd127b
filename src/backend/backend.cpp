// Which device a name means.
#include "src/backend/backend.h"

#include <dlfcn.h>

#include <filesystem>

#include "src/backend/device_plugin.h"
#include "src/support/error.h"
#include "src/support/printable.h"
#include "src/support/trusted_file.h"

namespace swag {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPluginFile = "libswag_cuda.so";

/// Beside the program or library, or in the lib folder next to its own: where `make` and `make install` put
/// it.
fs::path find_plugin_file() {
  const fs::path folder = own_folder();
  if (folder.empty()) return {};
  for (const fs::path& candidate : {folder / kPluginFile, folder.parent_path() / "lib" / kPluginFile}) {
    std::error_code error;
    if (fs::exists(candidate, error)) return candidate;
  }
  return {};
}

/// Throws Error(kDevice).
const DevicePlugin* load_plugin() {
  const fs::path file = find_plugin_file();
  if (file.empty()) {
    throw Error(Status::kDevice, std::string("it is not built in: no ") + kPluginFile +
                                     " beside the program (make cuda builds it)");
  }
  const std::string distrust = reason_for_distrust(file.string());
  if (!distrust.empty()) throw Error(Status::kDevice, file.string() + " is not loaded: " + distrust);
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);  // for the rest of the process
  if (!library) throw Error(Status::kDevice, std::string("cannot load its library: ") + dlerror());
  const auto entry = reinterpret_cast<const DevicePlugin* (*)()>(dlsym(library, "swag_cuda_plugin"));
  const DevicePlugin* plugin = entry ? entry() : nullptr;
  if (!plugin || plugin->abi != DevicePlugin::kAbi) {
    throw Error(Status::kDevice, file.string() + " is of another version of swag");
  }
  return plugin;
}

/// The one that is linked in, else the one beside the program: loaded by whoever asks first, in any thread.
const DevicePlugin& the_plugin() {
  static const DevicePlugin* const plugin = swag_cuda_plugin ? swag_cuda_plugin() : load_plugin();
  return *plugin;
}

/// The plugin, if its devices are called `family`.
const DevicePlugin& plugin_of(const std::string& family) {
  if (family == "emulator" && !(swag_cuda_plugin && swag_cuda_plugin()->family == family)) {
    throw Error(Status::kDevice, "it is not built in: it belongs to the test build (make emulator)");
  }
  const DevicePlugin& plugin = the_plugin();
  if (plugin.family != family) {
    throw Error(Status::kDevice, "it is not built in: this is the test build, which has an emulator instead");
  }
  return plugin;
}

/// The number behind "cuda:", 0 without one, -1 when that is no number.
int ordinal_of(const std::string& device) {
  const size_t colon = device.find(':');
  if (colon == std::string::npos) return 0;
  const std::string digits = device.substr(colon + 1);
  if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos) {
    return -1;
  }
  return std::stoi(digits);
}

std::unique_ptr<Backend> make_plugin_backend(const std::string& family, const std::string& device) {
  try {
    return plugin_of(family).make_backend(ordinal_of(device));
  } catch (const Error& error) {
    if (error.status() != Status::kDevice) throw;
    throw Error(Status::kDevice,
                "device '" + printable(device) + "': " + error.what() + "; use --device cpu");
  }
}

/// A CUDA device when one can be used, else the CPU: what cannot be used is no error here.
std::unique_ptr<Backend> make_best_backend(int threads) {
  try {
    const DevicePlugin& plugin = plugin_of("cuda");
    if (!plugin.devices().empty()) return plugin.make_backend(0);
  } catch (const Error& error) {
    if (error.status() != Status::kDevice) throw;
  }
  return make_cpu_backend(threads);
}

}  // namespace

std::unique_ptr<Backend> make_backend(const std::string& device, int threads) {
  if (device == "cpu") return make_cpu_backend(threads);
  if (device == "auto") return make_best_backend(threads);
  const std::string family = device.substr(0, device.find(':'));
  if ((family == "cuda" || family == "emulator") && ordinal_of(device) >= 0) {
    return make_plugin_backend(family, device);
  }
  throw Error(Status::kUsage,
              "unknown device '" + printable(device) + "'; there are cpu, auto, cuda, cuda:N");
}

std::vector<DeviceReport> list_devices() {
  std::vector<DeviceReport> reports;
  reports.push_back({"cpu", make_cpu_backend(0)->description(), true});
  for (const char* family : {"cuda", "emulator"}) {
    try {
      for (const DeviceInfo& device : plugin_of(family).devices()) {
        reports.push_back({device.name, device.detail, true});
      }
    } catch (const Error& error) {
      reports.push_back({family, error.what(), false});
    }
  }
  return reports;
}

}  // namespace swag
