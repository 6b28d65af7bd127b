// The command line, up to where a run would begin: arguments are lines of the input.
#include <fcntl.h>
#include <unistd.h>

#include <sstream>

#include "src/cli/command.h"
#include "tests/fuzz/fuzz.h"

using namespace swag;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  for (const char* variable : {"SWAG_WEIGHTS", "XDG_DATA_HOME", "HOME"}) unsetenv(variable);
  const int nowhere = open("/dev/null", O_WRONLY);
  dup2(nowhere, STDOUT_FILENO);  // what is shown is not looked at
  close(nowhere);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  cli::Arguments arguments = {"--show-options"};
  for (std::string line; std::getline(lines, line, '\n');) {
    if (line.find('\0') == std::string::npos) arguments.push_back(line);
  }
  // Without pictures there is nothing that could be run in earnest, whatever becomes of --show-options.
  fuzz::answers({Status::kUsage, Status::kImage, Status::kWeights, Status::kOutput},
                [&] { cli::run_command(arguments); });
  return 0;
}
