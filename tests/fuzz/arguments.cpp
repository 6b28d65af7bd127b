// The command line, up to where a run would begin: arguments are lines of the input.
#include <fcntl.h>

#include <sstream>

#include "tests/fuzz/shown_options.h"

using namespace swag;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  fuzz::seal_off(open("/dev/null", O_WRONLY));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  cli::Arguments arguments = {"--show-options"};
  for (std::string line; std::getline(lines, line, '\n');) {
    if (line.find('\0') == std::string::npos) arguments.push_back(line);
  }
  // Without pictures there is nothing that could be run in earnest, whatever becomes of --show-options.
  fuzz::answers(
      {Status::kUsage, Status::kImage, Status::kWeights, Status::kOutput},
      [&] { cli::run_command(arguments); }, false);
  return 0;
}
