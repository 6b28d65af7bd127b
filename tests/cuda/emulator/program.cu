// The main() of the test build: the program swag as users have it, and options for the device `emulator`.
//
//   --emulator-check         every access of every kernel is checked; what is found is told, and makes the
//                            exit code 1
//   --emulator-memory MIB    of the device
//   --emulator-driver X.Y    the CUDA version of its driver; 0: there is no driver
//   --emulator-devices N     0: there is no device
//   --emulator-plant-bug     runs a kernel that reads one float too many, to see that a check would find it
//
// Checked kernels are compiled from the same names as those that are not, so they are a program of their own,
// which stands beside this one and takes its place when it is asked for.
#include <cuda_runtime.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/cuda/launch.cuh"
#include "src/cli/program.h"
#include "tests/emulator/emulator.h"

namespace {

#ifdef EMULATOR_INSTRUMENTED
constexpr bool kChecked = true;
#else
constexpr bool kChecked = false;
#endif
constexpr int kFindings = 1, kUsage = 2;

[[noreturn]] void leave(const std::string& message) {
  std::fprintf(stderr, "swag: %s\n", message.c_str());
  std::exit(kUsage);
}

double number_of(const char* option, const char* text) {
  char* end = nullptr;
  const double value = text ? std::strtod(text, &end) : -1;
  if (!text || end == text || *end || !(value >= 0 && value <= 1e6)) {
    leave(std::string(option) + ": give a number");
  }
  return value;
}

/// 11.8 -> 11080, as the runtime counts.
int cuda_version(double version) {
  const int tenths = static_cast<int>(version * 10 + 0.5);
  return tenths / 10 * 1000 + tenths % 10 * 10;
}

[[noreturn]] void become_checked(char** argv) {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  const std::string program = std::string(self, length > 0 ? static_cast<size_t>(length) : 0) + "_checked";
  execv(program.c_str(), argv);
  leave("--emulator-check: cannot run " + program + " (make emulator builds it)");
}

/// y[thread] = x[thread + 1]. One block of as many threads as x and y have elements.
__global__ void planted_bug_kernel(float* y, const float* x) { y[threadIdx.x] = x[threadIdx.x + 1]; }

void plant_bug() {
  float* memory = nullptr;
  CUDA_CHECK(cudaMalloc(&memory, 64 * sizeof(float)));
  CUDA_CHECK(cudaMemset(memory, 0, 64 * sizeof(float)));
  swag::launch(planted_bug_kernel, {1}, {32}, 0, {}, memory, memory + 32);
  cudaDeviceReset();  // or what the kernel has broken would be an error of all that follows
}

struct Command {
  std::vector<char*> arguments;  // those of the program itself, its name first
  emulator::Options options;
  bool plant_bug = false;
};

Command parse(int argc, char** argv) {
  Command command;
  emulator::Options& options = command.options;
  options.check = kChecked;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (i == 0 || argument.compare(0, 11, "--emulator-") != 0) {
      command.arguments.push_back(argv[i]);
    } else if (argument == "--emulator-check") {
      if (!kChecked) become_checked(argv);
    } else if (argument == "--emulator-memory") {
      options.device_bytes = static_cast<size_t>(number_of(argv[i], argv[i + 1])) << 20;
      ++i;
    } else if (argument == "--emulator-driver") {
      options.driver_version = cuda_version(number_of(argv[i], argv[i + 1]));
      ++i;
    } else if (argument == "--emulator-devices") {
      options.devices = static_cast<int>(number_of(argv[i], argv[i + 1]));
      ++i;
    } else if (argument == "--emulator-plant-bug") {
      command.plant_bug = true;
    } else {
      leave(argument + " is not known; there are --emulator-check, -memory, -driver, -devices, -plant-bug");
    }
  }
  return command;
}

}  // namespace

int main(int argc, char** argv) {
  Command command = parse(argc, argv);
  emulator::configure(command.options);
  if (command.plant_bug) plant_bug();
  const int arguments = static_cast<int>(command.arguments.size());
  command.arguments.push_back(nullptr);
  const int code = swag::cli::run_program(arguments, command.arguments.data());
  if (!kChecked) return code;
  emulator::check_leaks();
  const size_t findings = emulator::take_findings().size();
  if (findings > 0) std::fprintf(stderr, "emulator: %zu finding%s\n", findings, findings > 1 ? "s" : "");
  return findings > 0 ? kFindings : code;
}
